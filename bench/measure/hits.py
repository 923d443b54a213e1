"""Hits a second, beside nginx's proxy_cache: the same bytes, server on one core, wrk on the other, in turns."""

import os
import re
import subprocess
import time

from . import machine
from .report import median, spread
from .server import PICTURES, Client, Server, copies, stop, workspace
from .machine import with_sbin

# The nearest of the widths is taken: the bodies are pictures, as they are served.
BODIES_BYTES = (10_000, 100_000)
CONNECTIONS = 64

NGINX = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log warn; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  open_file_cache max=10000 inactive=300s; open_file_cache_valid 300s;
  proxy_cache_path {work}/nginx-cache keys_zone=z:100m inactive=60m use_temp_path=off;
  types {{ image/jpeg jpg; }}
  server {{ listen 127.0.0.1:{origin}; root {work}/www; location / {{ add_header Cache-Control "public, max-age=3600"; }} }}
  server {{ listen 127.0.0.1:{plain} backlog=4096; tcp_nopush off;
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache z; proxy_cache_valid 200 1h; }} }}
  server {{ listen 127.0.0.1:{nopush} backlog=4096; tcp_nopush on;
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache z; proxy_cache_valid 200 1h; }} }}
}}
"""


class Nginx:
    """nginx with its origin and its cache, everything in one folder."""

    def __init__(self, work, cpu):
        self.ports = free_ports(3)
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX.format(work=work, user=user, **dict(zip(("origin", "plain", "nopush"), self.ports)))
        (work / "nginx.conf").write_text(text)
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cpu), "nginx", "-p", str(work), "-c", str(work / "nginx.conf")], env=with_sbin())
        for _ in range(100):
            time.sleep(0.05)
            try:
                Client(self.ports[0])
                break
            except OSError:
                pass
        # The one worker does the work; its master only waits.
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children) as file:
            self.pid = next(pid for pid in map(int, file.read().split()) if "worker" in command_line(pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.process)


def command_line(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        return file.read()


def free_ports(count):
    import socket
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


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
    before = machine.cpu_s(pid)
    done = subprocess.run(
        ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
         f"http://127.0.0.1:{port}{target}"], capture_output=True, text=True, check=True)
    used = machine.cpu_s(pid) - before
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
    rounds, seconds = (1, 2) if quick else (3, 3)
    rows = []
    with workspace() as work:
        pictures, www = work / "pictures", work / "www"
        pictures.mkdir(), www.mkdir()
        copies([(pictures / "flower.jpg", PICTURES / "flower.jpg")])
        with Server(os.environ["BENCH_BIN"], work, pictures, cpu=cores[0]) as server:
            for wanted in BODIES_BYTES:
                target, body = nearest(server.client(), "flower.jpg", wanted)
                # nginx's file is called like the target's path without what its width adds.
                (www / f"{wanted}.jpg").write_bytes(body)
                with Nginx(work, cores[0]) as nginx:
                    _, plain, nopush = nginx.ports
                    sides = {"afterimage": (server.port, target, server.pid),
                             "nginx proxy_cache": (plain, f"/{wanted}.jpg", nginx.pid),
                             "nginx, tcp_nopush": (nopush, f"/{wanted}.jpg", nginx.pid)}
                    for port, path, _ in sides.values():
                        Client(port).ok(path)
                    figures = {who: [] for who in sides}
                    for _ in range(rounds):
                        for who, (port, path, pid) in sides.items():
                            figures[who].append(load(port, path, pid, cores[1], seconds))
                rows += table_rows(len(body), figures)
    report.table(
        f"Hits from memory: wrk -t1 -c{CONNECTIONS} -d{seconds}s on one core, the server on another "
        f"(min / median / max of {rounds} rounds)",
        ["body", "server", "requests/s", "p50 ms", "p99 ms", "CPU us a request", "afterimage : it"], rows,
        ["afterimage answers `/flower.jpg?w=400&fm=jpg&q=80`: the URL is parsed, policy and every fence asked, each time. "
         "nginx serves the same bytes from proxy_cache on tmpfs, with `tcp_nopush` off and on."])


def table_rows(bytes, figures):
    ours = median([run["rps"] for run in figures["afterimage"]])
    return [[f"{bytes:,}", who, spread([run["rps"] for run in runs], 0), f"{median([run['p50'] for run in runs]):.2f}",
             f"{median([run['p99'] for run in runs]):.2f}", f"{median([run['cpu'] for run in runs]):.1f}",
             f"{ours / median([run['rps'] for run in runs]):.2f}"] for who, runs in figures.items()]
