"""Renders a second, beside sharp: the built binary over HTTP, the same code in one process, and sharp as a library, in
turns, on the same pictures, in the same widths and at the same quality. Every width of every copy is asked for once."""

import json
import os
import subprocess
import time
from pathlib import Path
from threading import Thread

from . import machine
from .report import median, spread
from .server import PICTURES, Server, copies, workspace

QUALITY = 80
WIDTH = 400
# Renders in one cell: at concurrency 1, and beyond.
RENDERS = {True: (16, 24), False: (32, 48)}


def tasks(folder, quick):
    """(original, format) of each row."""
    if folder:
        found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
        return [(path, format) for path in found for format in ("jpg", "webp")]
    museum = PICTURES / "museum.jpg"
    rows = [(museum, "jpg"), (museum, "webp"), (PICTURES / "flower.jpg", "jpg"),
            (PICTURES / "flower-progressive.jpg", "jpg")]
    only = os.environ.get("ONLY", "")
    return [row for row in (rows[:2] if quick else rows) if only in row[0].name]


class Sharp:
    """sharp in one node process that lives through all rounds."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["node", "sharp.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            # One thread of libuv a job, as many as there are jobs at most.
            env={**os.environ, "UV_THREADPOOL_SIZE": "8"})
        self.versions = json.loads(self.process.stdout.readline())

    def run(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def over_http(server, name, format, widths, concurrency):
    """(seconds, CPU seconds of the server) for one picture in all widths."""
    target = lambda width: f"/{name}?w={width}&fm={format}&q={QUALITY}"
    clients = [server.client() for _ in range(concurrency)]
    for width in (WIDTH + 1, WIDTH + 2):
        clients[0].ok(target(width))
    left = list(widths)

    def work(client):
        while True:
            try:
                width = left.pop()
            except IndexError:
                return
            client.ok(target(width))

    threads = [Thread(target=work, args=(client,)) for client in clients]
    cpu, began = machine.cpu_s(server.pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, machine.cpu_s(server.pid) - cpu


def in_process(path, format, widths, concurrency):
    done = subprocess.run(
        [os.environ["RENDERS_BIN"], path, f"fm={format}&q={QUALITY}", str(min(widths)), str(max(widths)),
         str(concurrency)], capture_output=True, text=True, check=True)
    seconds, cpu, _ = done.stdout.split()
    return float(seconds), float(cpu)


def with_sharp(sharp, path, format, widths, concurrency):
    done = sharp.run(file=str(path), format=kind(format), quality=QUALITY, widths=widths, concurrency=concurrency)
    return done["seconds"], done["cpu_s"]


def kind(format):
    return "webp" if format == "webp" else "jpeg"


def measure(report, quick, folder=None):
    rounds = 1 if quick else 3
    levels = (1, 8) if quick else (1, 2, 8)
    rows, quality_rows = [], []
    binary = os.environ["BENCH_BIN"]
    with workspace() as work:
        pictures = work / "pictures"
        pictures.mkdir()
        cells = [(path, format, concurrency) for path, format in tasks(folder, quick) for concurrency in levels]
        name = lambda path, format, concurrency, turn: f"{turn}-{concurrency}-{format}-{path.name}"
        copies((pictures / name(*cell, turn), cell[0]) for cell in cells for turn in range(rounds))
        sharp = Sharp()
        with Server(binary, work, pictures) as server:
            for path, format, concurrency in cells:
                few, many = RENDERS[quick]
                count = few if concurrency == 1 else many
                widths = list(range(WIDTH - count + 1, WIDTH + 1))
                figures = {"http": [], "process": [], "sharp": []}
                for turn in range(rounds):
                    copy = name(path, format, concurrency, turn)
                    figures["http"].append(over_http(server, copy, format, widths, concurrency))
                    figures["sharp"].append(with_sharp(sharp, path, format, widths, concurrency))
                    figures["process"].append(in_process(path, format, widths, concurrency))
                rows.append(row(path, format, concurrency, count, figures))
            for path, format in tasks(folder, quick):
                copy = name(path, format, levels[0], 0)
                quality_rows.append(quality(work, server, sharp, path, format, copy))
        sharp.end()
    cores = len(os.sched_getaffinity(0))
    report.table(
        f"Renders a second, to widths up to {WIDTH}, quality {QUALITY} (min / median / max of {rounds} rounds)",
        ["picture", "out", "c", "afterimage serve", "in one process", "sharp", "CPU ms each", "serve : sharp",
         "process : sharp", "CPU sharp : serve"],
        rows,
        ["`serve`: over HTTP on loopback, every answer rendered, hashed and stored; its client takes part of the "
         f"{cores} cores. `in one process`: the same code called in threads, as sharp is. `c`: how many at once.",
         f"sharp {sharp.versions['sharp']} with libvips {sharp.versions['vips']}, `cache(false)`, `concurrency(1)`, one "
         "libuv thread per job; every figure starts from the file's bytes.",
         "`CPU ms each`: serve / process / sharp, user and system time of the process divided by its renders."])
    report.table(
        f"The same at {WIDTH} wide: bytes, and SSIMULACRA2 against a Lanczos3 resize of the whole picture (100 is the same)",
        ["picture", "out", "afterimage bytes", "sharp bytes", "afterimage", "sharp"], quality_rows,
        ["Quality 80 on both sides; WebP at each one's default effort."])


def row(path, format, concurrency, count, figures):
    a_second = {who: [count / seconds for seconds, _ in values] for who, values in figures.items()}
    cpu_ms = {who: median([cpu / count * 1e3 for _, cpu in values]) for who, values in figures.items()}
    middle = {who: median(values) for who, values in a_second.items()}
    return [path.name, format, concurrency, spread(a_second["http"]), spread(a_second["process"]),
            spread(a_second["sharp"]), " / ".join(f"{cpu_ms[who]:.1f}" for who in ("http", "process", "sharp")),
            f"{middle['http'] / middle['sharp']:.2f}", f"{middle['process'] / middle['sharp']:.2f}",
            f"{cpu_ms['sharp'] / max(cpu_ms['http'], 0.01):.2f}"]


def quality(work, server, sharp, path, format, copy):
    reference, ours, theirs = work / "reference.png", work / f"ours.{format}", work / f"theirs.{format}"
    subprocess.run([os.environ["BENCH_BIN"], "render", path, "-o", reference, "fm=png"],
                   check=True, capture_output=True)
    ours.write_bytes(server.client().ok(f"/{copy}?w={WIDTH}&fm={format}&q={QUALITY}"))
    sharp.run(file=str(path), format=kind(format), quality=QUALITY, widths=[WIDTH], concurrency=1, save=str(theirs))
    done = subprocess.run([os.environ["SCORE_BIN"], reference, ours, theirs], capture_output=True, text=True)
    # A picture with alpha has no score.
    scores = done.stdout.split() if done.returncode == 0 else ["–", "–"]
    return [path.name, format, ours.stat().st_size, theirs.stat().st_size, *scores]
