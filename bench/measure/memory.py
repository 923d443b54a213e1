"""Memory after ten thousand distinct renders: several pictures in every width, asked for by eight clients at once."""

import os
import re
import subprocess
import time
from threading import Thread

from . import machine
from .server import PICTURES, Server, copies, workspace

NAMES = ("museum.jpg", "flower.jpg", "flower-progressive.jpg", "flower-gray.jpg", "landscape.jpg", "channel-cmyk.jpg",
         "portrait-cmyk.jpg", "park.webp", "rose.webp", "flower-small.png")
CLIENTS = 8
CEILINGS = ("cache.memory_bytes_max", "render.memory_bytes_max", "render.threads", "render.queue_max")


def measure(report, quick):
    count = 1_000 if quick else 10_000
    marks = [0, count // 10, count // 2, count]
    rows = []
    with workspace() as work:
        pictures = work / "pictures"
        pictures.mkdir()
        copies((pictures / name, PICTURES / name) for name in NAMES)
        binary = os.environ["BENCH_BIN"]
        with Server(binary, work, pictures) as server:
            began = time.perf_counter()
            for low, high in zip([0] + marks, marks):
                ask_for(server, [target(at) for at in range(low, high)])
                rows.append([f"{high:,}", *(f"{mib:.0f}" for mib in machine.memory_mib(server.pid))])
            seconds = time.perf_counter() - began
            time.sleep(1)
            rows.append([f"{count:,}, a second later", *(f"{mib:.0f}" for mib in machine.memory_mib(server.pid))])
    report.table(
        f"Memory of the server over {count:,} distinct renders, in MiB", ["renders", "RSS", "peak (VmHWM)"], rows,
        [f"{len(NAMES)} pictures (JPEG baseline, progressive, gray, CMYK; WebP; PNG) as JPEG and WebP in "
         f"{count // (2 * len(NAMES))} sizes, {CLIENTS} clients at once; {seconds:.0f} s, {count / seconds:.0f} a second.",
         "Ceilings in force: " + ", ".join(ceilings(binary)) + "."])


def target(at):
    name, format = NAMES[at % len(NAMES)], ("jpg", "webp")[at // len(NAMES) % 2]
    size = at // (2 * len(NAMES))
    return f"/{name}?w={240 + size % 250}&h={280 + size // 250}&fit=crop&fm={format}"


def ask_for(server, targets):
    left = targets[::-1]

    def work(client):
        while True:
            try:
                wanted = left.pop()
            except IndexError:
                return
            client.ok(wanted)

    threads = [Thread(target=work, args=(server.client(),)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ceilings(binary):
    """The bounds that the binary itself says are its defaults."""
    done = subprocess.run([binary, "check-config", "--defaults"], capture_output=True, text=True, check=True)
    section, found = "", {}
    for line in done.stdout.splitlines():
        if head := re.match(r"\[(\w+)\]", line):
            section = head.group(1)
        elif pair := re.match(r"(\w+) = (.+)", line):
            found[f"{section}.{pair.group(1)}"] = pair.group(2).strip('"')
    return [f"`{name}` {found.get(name, '?')}" for name in CEILINGS]
