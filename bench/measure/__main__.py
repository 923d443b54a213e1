"""bench/run COMMAND [FOLDER]: measures, prints, and keeps what was printed."""

import datetime
import os
import sys
import time

from . import deletion, hits, machine, memory, renders, servers
from .report import Report

PARTS = {"renders": renders.measure, "servers": servers.measure, "hits": hits.measure, "deletion": deletion.measure,
         "memory": memory.measure}
# Asks for servers of others that take minutes to build: measured only when named.
APART = ("servers",)


def main():
    command, folder = (sys.argv[1:] + [None, None])[:2]
    command = command or "all"
    # Defaults are measured, whatever the shell has set for another server.
    for name in [name for name in os.environ if name.startswith("AFTERIMAGE_")]:
        del os.environ[name]
    quick = os.environ.get("QUICK") == "1"
    # Results are kept: which pictures they were is in the rows, where the folder lies is nobody's business.
    said = " ".join([f"{name}={os.environ[name]}" for name in ("QUICK", "ONLY") if name in os.environ]
                    + ["bench/run", command] + ["FOLDER"] * bool(folder))
    began = time.monotonic()
    report = Report(f"{datetime.datetime.now():%Y-%m-%d %H:%M}, `{said}`", machine.describe(os.environ["BENCH_BIN"]))
    for name, measure in PARTS.items():
        if command == name or command == "all" and name not in APART:
            measure(report, quick, *([folder] if name in ("renders", "servers") else []))
    report.say(f"\n{time.monotonic() - began:.0f} s in all.\n")
    report.keep()


main()
