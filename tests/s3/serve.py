"""ministack on one loopback port, in one process: its own command listens everywhere, hypercorn's leaves a child behind."""

import asyncio
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config

from ministack.app import app

asyncio.run(serve(app, Config.from_mapping(bind=[f"127.0.0.1:{sys.argv[1]}"])))
