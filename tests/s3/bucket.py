"""A bucket in ministack and a built edge in front of it, started as a person starts them, on free loopback ports."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


class Ministack:
    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.home = tempfile.mkdtemp()
        command = [sys.executable, str(ROOT / "tests/s3/serve.py"), str(port)]
        environment = {**os.environ, "GATEWAY_PORT": str(port), "HOME": self.home}
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, env=environment, cwd=self.home, stdout=quiet, stderr=quiet)
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.s3 = self.client("s3")

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=KEYS["AWS_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def keys(self, bucket):
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home)


class Edge:
    """A running server over a bucket."""

    def __init__(self, ministack, source, **settings):
        self.home = pathlib.Path(tempfile.mkdtemp())
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AFTERIMAGE_", "AWS_"))}
        environment.update(KEYS, HOME=str(self.home))
        for name, folder in (("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state"), ("XDG_RUNTIME_DIR", "run")):
            (self.home / folder).mkdir()
            environment[name] = str(self.home / folder)
        self.common = ["--set", f"s3.endpoint={ministack.endpoint}", "--set", "s3.path_style=true"]
        for name, value in settings.items():
            self.common += ["--set", f"{name.replace('__', '.')}={value}"]
        self.environment, self.source = environment, source
        command = [os.environ["AFTERIMAGE_BIN"], *self.common, "serve", source]
        command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        self.log = open(self.home / "log", "w")
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.greeting = ""
        for line in self.process.stdout:
            self.greeting += line
            if line.startswith("ready"):
                break
        else:
            raise AssertionError(f"the server did not start:\n{self.greeting}\n{self.said()}")
        # Nobody reads on; a full pipe would stop the server.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.pictures = re.search(r"pictures +(http://\S+)", self.greeting)[1]
        self.admin = re.search(r"index page +(http://[^/\s]+)", self.greeting)[1]

    def said(self):
        return (self.home / "log").read_text()

    def ask(self, target):
        """Status, body, and where the answer came from, as Cache-Status says."""
        try:
            with urllib.request.urlopen(self.pictures + target) as answer:
                return answer.status, answer.read(), answer.headers["Cache-Status"]
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read(), answer.headers["Cache-Status"]

    def run(self, *arguments):
        """A command beside the running server."""
        command = [os.environ["AFTERIMAGE_BIN"], *self.common, "--source", self.source, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.home)
