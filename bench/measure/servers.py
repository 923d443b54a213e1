"""Pictures a second as a server, beside ipx and oximg: wrk asks each for the same widths of the same originals, no width of a
copy twice, in turns. Every server has both cores, wrk beside it; a server is fresh for each row, so that its memory is its own."""

import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from . import machine
from .hits import ms
from .peers import Peer, free_ports
from .report import median, spread
from .server import PICTURES, SETTLE_S, Client, Server, workspace

QUALITY = 80
# How many widths below the wanted one are asked for, and of how many copies of the original: more than a run can render.
WIDTHS = 40
COPIES = 40

OURS, OURS_FAST, OURS_BARE = "afterimage", "afterimage, fast", "afterimage, fast, nothing kept"
# Nothing spared for speed, and of all qualities the least whose picture scores no less than any of the others' does.
OURS_EQUAL = "afterimage, fastest, at their best score"
# Like the others: no result in memory, and no more on disk than the least that can be set.
NOTHING_KEPT = ["cache.memory_bytes_max=1MiB", "cache.item_bytes_max=1KiB", "derivatives.bytes_max=1MiB"]
FASTEST = ["output.scaling=fast", "output.webp_method=0", *NOTHING_KEPT]
OWN_SETTINGS = {OURS: ["output.scaling=best"], OURS_FAST: ["output.scaling=fast"], OURS_BARE: ["output.scaling=fast", *NOTHING_KEPT],
                OURS_EQUAL: FASTEST}
OXIMG, OXIMG_FAST = "oximg", "oximg, fastest"
# What its authors and its table of settings name as the knobs for speed.
OXIMG_SPEED = {"OXIMG_RESIZE": "srgb", "OXIMG_DCT_MARGIN": "1.0", "OXIMG_JPEG_PROGRESSIVE": "0"}


def tasks(folder, quick):
    """(original, width, format) of each row: the large pictures where a folder has them, else the repository's."""
    if not folder:
        return [(PICTURES / "museum.jpg", 400, "jpeg")]
    folder = Path(folder)
    rows = [(folder / "museum-4032x3024.jpg", 400, "jpeg"), (folder / "saw-2725x2225.jpg", 720, "jpeg"),
            (folder / "museum-4032x3024.jpg", 400, "webp"), (folder / "saw-2725x2225.jpg", 720, "webp")]
    only = os.environ.get("ONLY", "")
    return [row for row in (rows[:1] if quick else rows) if only in f"{row[0].name} {row[2]}"]


class Ipx(Peer):
    def __init__(self, work, pictures):
        (self.port,) = free_ports(1)
        cores = len(os.sched_getaffinity(0))
        super().__init__(["node", str(Path(__file__).parent.parent / "ipx.mjs"), str(pictures), str(self.port)], None,
                         work / "ipx.out", {"UV_THREADPOOL_SIZE": str(max(cores, 4))})
        self.wait_for(self.port)


class Oximg(Peer):
    def __init__(self, work, pictures, settings):
        (self.port,) = free_ports(1)
        binary = os.environ.get("OXIMG_BIN") or shutil.which("oximg")
        super().__init__([binary, "serve"], None, work / "oximg.out",
                         {"IMAGES_DIR": str(pictures), "PORT": str(self.port), "OXIMG_OPTIONS_PREFIX": "/image", **settings})
        self.wait_for(self.port)


def begin(who, stack, work, pictures):
    """Starts one of them: (port, process)."""
    if who in OWN_SETTINGS:
        options = [option for setting in ["policy.open=true", *OWN_SETTINGS[who]] for option in ("--set", setting)]
        started = Server(os.environ["BENCH_BIN"], work, pictures, options=options)
    elif who == "ipx":
        started = Ipx(work, pictures)
    else:
        started = Oximg(work, pictures, OXIMG_SPEED if who == OXIMG_FAST else {})
    stack.enter_context(started)
    return started.port, started.pid


def template(who, format, prefix, quality=QUALITY):
    """The target of one picture, as each of them spells it."""
    name = f"{prefix}-%c.jpg"
    if who in OWN_SETTINGS:
        return f"/{name}?w=%w&fm={'jpg' if format == 'jpeg' else format}&q={quality}"
    if who == "ipx":
        return f"/w_%w,q_{quality},f_{format}/{name}"
    return f"/image/width=%w,quality={quality},format={format}/{name}"


def load(port, pid, target, width, connections, seconds):
    """One run of wrk: pictures a second, p50 and p99 in ms, CPU ms a picture."""
    before = machine.cpu_tree_s(pid)
    script = Path(__file__).parent.parent / "distinct.lua"
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-s", str(script),
         f"http://127.0.0.1:{port}", "--", target, str(COPIES), str(width - WIDTHS + 1), str(width)],
        capture_output=True, text=True, check=True)
    used = machine.cpu_tree_s(pid) - before
    if wrong := re.search(r"Non-2xx.*|Socket errors.*", done.stdout):
        raise SystemExit(f"{target}: {wrong.group(0)}")
    number = lambda pattern: re.search(pattern, done.stdout).group(1)
    count = int(number(r"(\d+) requests in"))
    if count > COPIES * WIDTHS:
        raise SystemExit(f"{target}: {count} answers, more than there are distinct ones; raise COPIES")
    return {"rps": float(number(r"Requests/sec:\s+([\d.]+)")), "p50": ms(number(r"\n\s+50%\s+(\S+)")),
            "p99": ms(number(r"\n\s+99%\s+(\S+)")), "cpu": used * 1e3 / count}


def measure(report, quick, folder=None):
    rounds, seconds, levels = (1, 2, (8,)) if quick else (3, 4, (1, 2, 8))
    peers = ["ipx", OXIMG, OXIMG_FAST]
    everyone = [OURS, OURS_FAST, OURS_BARE, OURS_EQUAL, *peers]
    rows, quality_rows = [], []
    for original, width, format in tasks(folder, quick):
        with workspace() as work, ExitStack() as stack:
            pictures = work / "pictures"
            pictures.mkdir()
            shutil.copyfile(original, pictures / "original.jpg")
            # A copy under another name is another original; one file, so that all read it from the same pages.
            for level in levels:
                for turn in range(rounds):
                    for copy in range(COPIES):
                        os.link(pictures / "original.jpg", pictures / f"{level}-{turn}-{copy}.jpg")
            time.sleep(SETTLE_S)
            running = {who: begin(who, stack, folder_of(work, at), pictures) for at, who in enumerate(everyone)}
            first = f"{levels[0]}-0"
            score = Scores(work, original)
            scored = {who: score.of([sample(running[who][0], template(who, format, first), width)])[0] for who in peers}
            equal = least_quality(lambda quality: sample(running[OURS_EQUAL][0], template(OURS_EQUAL, format, first, quality), width),
                                  score, max(points for _, points in scored.values()))
            asked = {who: equal if who == OURS_EQUAL else QUALITY for who in everyone}
            for who in OWN_SETTINGS:
                scored[who] = score.of([sample(running[who][0], template(who, format, first, asked[who]), width)])[0]
            quality_rows.append([f"{original.name} → {width} {format}", *(f"q {asked[who]}: {bytes:,} B, {points:.2f}"
                                 for who, (bytes, points) in ((who, scored[who]) for who in everyone))])
            for level in levels:
                figures = {who: [] for who in everyone}
                for turn in range(rounds):
                    for who, (port, pid) in running.items():
                        target = template(who, format, f"{level}-{turn}", asked[who])
                        figures[who].append(load(port, pid, target, width - 1, level, seconds))
                peaks = {who: machine.memory_mib(pid)[1] for who, (_, pid) in running.items()}
                rows += table_rows(f"{original.name} → {width} {format}", level, figures, peaks)
    report.table(
        f"Pictures a second as a server, quality {QUALITY} unless a row says otherwise, nothing reused: wrk -t1 -d{seconds}s on the same cores "
        f"(min / median / max of {rounds} rounds in turns)",
        ["task", "c", "server", "pictures/s", "p50 ms", "p99 ms", "CPU ms each", "peak MiB", "afterimage : it", "fast : it", "fastest : it"], rows,
        ["Widths of a range of so many copies of the original, each asked for once. `afterimage` resamples as from every "
         "pixel (`output.scaling = \"best\"`), and like its `fast` keeps and stores every picture; ipx and oximg keep nothing, and "
         f"`{OURS_BARE}` as little as can be: `{' '.join(NOTHING_KEPT)}`.",
         f"`{OURS_EQUAL}`: `{' '.join(FASTEST)}`, at the least quality whose picture scores no less than the best of ipx and both oximg.",
         f"oximg, fastest: `{' '.join(f'{name}={value}' for name, value in OXIMG_SPEED.items())}`. Peak: VmHWM of the server so far, "
         "rows of one task from top to bottom."])
    report.table(
        "Bytes and SSIMULACRA2 of the same, against a Lanczos3 resize of the whole picture in sRGB (100 is the same)",
        ["task", *everyone], quality_rows,
        ["oximg resizes in linear light unless told otherwise; against a reference in sRGB that costs it points."])


def folder_of(work, at):
    made = work / f"server-{at}"
    made.mkdir()
    return made


def sample(port, target, width):
    return Client(port).ok(target.replace("%c", "0").replace("%w", str(width)))


class Scores:
    """SSIMULACRA2 against a Lanczos3 resize of the whole picture."""

    def __init__(self, work, original):
        self.work, self.reference = work, work / "reference.png"
        subprocess.run([os.environ["BENCH_BIN"], "render", original, "-o", self.reference, "fm=png"], check=True, capture_output=True)

    def of(self, pictures):
        """(bytes, score) of each."""
        paths = [self.work / f"sample-{at}" for at in range(len(pictures))]
        for path, picture in zip(paths, pictures):
            path.write_bytes(picture)
        done = subprocess.run([os.environ["SCORE_BIN"], self.reference, *paths], capture_output=True, text=True, check=True)
        return [(len(picture), float(score)) for picture, score in zip(pictures, done.stdout.split(), strict=True)]


def least_quality(render, score, wanted):
    """The least quality that scores as much; every one is tried, because scores are not quite even."""
    qualities = range(40, 101)
    for quality, (_, points) in zip(qualities, score.of([render(quality) for quality in qualities])):
        if points >= wanted:
            return quality
    raise SystemExit(f"no quality scores {wanted}")


def table_rows(task, level, figures, peaks):
    rate = {who: median([run["rps"] for run in runs]) for who, runs in figures.items()}
    return [[task, level, who, spread([run["rps"] for run in runs]), f"{median([run['p50'] for run in runs]):.0f}",
             f"{median([run['p99'] for run in runs]):.0f}", f"{median([run['cpu'] for run in runs]):.1f}",
             f"{peaks[who]:.0f}", f"{rate[OURS] / rate[who]:.2f}", f"{rate[OURS_FAST] / rate[who]:.2f}", f"{rate[OURS_EQUAL] / rate[who]:.2f}"]
            for who, runs in figures.items()]
