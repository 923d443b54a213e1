"""Hits a second, beside nginx, Varnish and Traffic Server: the same bytes, server on one core, wrk on the other, in turns."""

import os
import re
import subprocess
from contextlib import ExitStack

from . import machine
from .peers import Nginx, TrafficServer, Varnish
from .report import median, spread
from .server import PICTURES, Client, Server, copies, workspace

# The nearest of the widths is taken: the bodies are pictures, as they are served.
BODIES_BYTES = (10_000, 100_000)
CONNECTIONS = 64

def nearest(client, name, wanted_bytes):
    """The request target whose answer is nearest to so many bytes, and that answer."""
    best, low, high = None, 50, 2200
    while low <= high:
        width = (low + high) // 2
        target = f"/{name}?w={width}&fm=jpg&q=80"
        body = client.ok(target)
        if best is None or abs(len(body) - wanted_bytes) < abs(len(best[1]) - wanted_bytes):
            best = target, body
        if len(body) < wanted_bytes:
            low = width + 1
        else:
            high = width - 1
    return best


def load(port, target, pid, cpu, seconds):
    """One run of wrk: requests a second, p50 and p99 in ms, CPU microseconds a request."""
    before = machine.cpu_tree_s(pid)
    done = subprocess.run(
        ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
         f"http://127.0.0.1:{port}{target}"], capture_output=True, text=True, check=True)
    used = machine.cpu_tree_s(pid) - before
    if wrong := re.search(r"Non-2xx.*|Socket errors.*", done.stdout):
        raise SystemExit(f"{target}: {wrong.group(0)}")
    number = lambda pattern: re.search(pattern, done.stdout).group(1)
    requests = int(number(r"(\d+) requests in"))
    return {"rps": float(number(r"Requests/sec:\s+([\d.]+)")), "p50": ms(number(r"\n\s+50%\s+(\S+)")),
            "p99": ms(number(r"\n\s+99%\s+(\S+)")), "cpu": used * 1e6 / requests}


def ms(text):
    value, unit = re.match(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def measure(report, quick):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("hits need two cores: one for the server, one for wrk")
    rounds, seconds = (1, 1) if quick else (3, 2)
    only = os.environ.get("ONLY")
    bodies = [bytes for bytes in BODIES_BYTES if only == str(bytes)] or BODIES_BYTES
    with ExitStack() as stack:
        work = stack.enter_context(workspace())
        sides, bodies = begin(stack, work, cores[0], bodies)
        rows = []
        for bytes, name, target in bodies:
            paths = {who: target if who == OURS else f"/{name}.{ending}" for who, (_, _, ending) in sides.items()}
            for who, (port, _, _) in sides.items():
                client = Client(port)
                # The first fills; what the second is answered with has to be the same bytes.
                if client.ok(paths[who]) != client.ok(paths[who]) or len(client.ok(paths[who])) != bytes:
                    raise SystemExit(f"{who} answers other bytes")
            figures = {who: [] for who in sides}
            for _ in range(rounds):
                for who, (port, pid, _) in sides.items():
                    figures[who].append(load(port, paths[who], pid, cores[1], seconds))
            rows += table_rows(bytes, figures)
    report.table(
        f"Hits from memory: wrk -t1 -c{CONNECTIONS} -d{seconds}s on one core, the server on another "
        f"(min / median / max of {rounds} rounds)",
        ["body", "server", "requests/s", "per CPU second", "p50 ms", "p99 ms", "CPU us a request", "afterimage : it"], rows,
        ["afterimage answers `flower.jpg` in one width as JPEG of quality 80, and every fence is asked each time; passed through, it answers "
         "for the origin that the others answer for, by RFC 9111.",
         "`per CPU second`: requests for each second of processor time of the server's processes, which is what is compared.",
         "nginx: proxy_cache on tmpfs, `open_file_cache`, `sendfile`, `tcp_nopush` off and on. Varnish: `-s malloc`, "
         "`thread_pools=1`, its shared-memory log masked. Traffic Server: one thread, RAM cache, no log. One core each."])


# As the tables call them.
OURS, OURS_PASSED = "afterimage", "afterimage, passed through"


def begin(stack, work, cpu, bodies):
    """Starts every server: (name: (port, process, ending of its paths)), and (bytes, name, our target) of each body."""
    pictures, www = work / "pictures", work / "www"
    pictures.mkdir(), www.mkdir()
    copies([(pictures / "flower.jpg", PICTURES / "flower.jpg")])
    binary = os.environ["BENCH_BIN"]
    nginx = stack.enter_context(Nginx(work, cpu))
    # Any size, but without what `--open` adds to every answer for those who try things out.
    sizes = ["--set", "policy.open=true"]
    through = ["--set", f"pass.origin=http://127.0.0.1:{nginx.origin}/", "--set", "origin.allow=127.0.0.0/8"]
    ours = stack.enter_context(Server(binary, folder(work, "ours"), pictures, cpu=cpu, options=sizes))
    passed = stack.enter_context(Server(binary, folder(work, "passed"), pictures, cpu=cpu, options=through))
    sides = {OURS: (ours.port, ours.pid, "jpg"), OURS_PASSED: (passed.port, passed.pid, "bin"),
             "nginx proxy_cache": (nginx.plain, nginx.pid, "bin"),
             "nginx, tcp_nopush": (nginx.nopush, nginx.pid, "bin")}
    for name, peer in (("Varnish", Varnish), ("Traffic Server", TrafficServer)):
        started = stack.enter_context(peer(work, cpu, nginx.origin))
        sides[name] = (started.port, started.pid, "bin")
    found = []
    for wanted in bodies:
        target, body = nearest(ours.client(), "flower.jpg", wanted)
        # What has a picture's ending is not passed through.
        (www / f"{wanted}.bin").write_bytes(body)
        found.append((len(body), wanted, target))
    return sides, found


def folder(work, name):
    (work / name).mkdir()
    return work / name


def table_rows(bytes, figures):
    each = lambda runs: [1e6 / run["cpu"] for run in runs]
    ours = median(each(figures[OURS]))
    return [[f"{bytes:,}", who, spread([run["rps"] for run in runs], 0), spread(each(runs), 0),
             f"{median([run['p50'] for run in runs]):.2f}", f"{median([run['p99'] for run in runs]):.2f}",
             f"{median([run['cpu'] for run in runs]):.1f}",
             f"{ours / median(each(runs)):.2f}"] for who, runs in figures.items()]
