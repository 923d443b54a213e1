"""A server of the built binary on a folder of its own, stopped by its process id; and a client that costs little."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

PICTURES = Path(__file__).resolve().parents[2] / "examples" / "pictures"
# An original that changed less than `source.settle` ago is neither kept nor stored; its default is 2 s.
SETTLE_S = 2.2


@contextmanager
def workspace():
    """A folder in memory where there is such a file system, so that no disk is measured."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="ai-bench-", dir=base)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """`afterimage serve` on loopback, on free ports; any size may be asked for."""

    def __init__(self, binary, folder, pictures, cpu=None, options=("--open",)):
        for name in ("cache", "state", "run"):
            (folder / name).mkdir(exist_ok=True)
        home = {f"XDG_{kind}": str(folder / name) for kind, name in
                (("CACHE_HOME", "cache"), ("STATE_HOME", "state"), ("RUNTIME_DIR", "run"))}
        pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
        command = [binary, "serve", str(pictures), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *options]
        self.log = open(folder / "server.log", "w")
        self.process = subprocess.Popen(
            pinned + command, stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **home})
        self.pid = self.process.pid
        self.port = None
        for line in self.process.stdout:
            if found := re.match(r"pictures\s+http://[\d.]+:(\d+)", line):
                self.port = int(found.group(1))
            if line == "ready\n":
                break
        if self.port is None:
            raise SystemExit(f"the server did not start: {(folder / 'server.log').read_text()}")
        # Whatever it still says must not fill the pipe.
        Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.process)
        self.log.close()

    def client(self):
        return Client(self.port)


def stop(process):
    """Ends a process that was started here."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Client:
    """One kept-alive connection. `http.client` would cost the server's cores more than a hit does."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def get(self, target):
        """(status, head, body) of one answer."""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self.receive()
        head, self.buffer = self.buffer[:end], self.buffer[end + 4:]
        length = int(re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE).group(1))
        while len(self.buffer) < length:
            self.receive()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(head[9:12]), head, body

    def ok(self, target):
        """The body of an answer that has to be 200."""
        status, head, body = self.get(target)
        if status != 200:
            raise SystemExit(f"{target}: {head.decode()}\n{body[:500]!r}")
        return body

    def receive(self):
        received = self.socket.recv(1 << 18)
        if not received:
            raise SystemExit("the server closed the connection")
        self.buffer += received


def copies(names_and_sources):
    """Copies originals, and waits until they count as settled."""
    for name, source in names_and_sources:
        shutil.copyfile(source, name)
    time.sleep(SETTLE_S)
