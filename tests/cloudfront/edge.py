"""A built edge for tests: started as a person starts it, on free loopback ports, with an access key."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY, SECRET = "AKIAEDGE1", "c2VjcmV0/for+tests=only"
DISTRIBUTION = "E2EXAMPLE"


class Edge:
    """A running server over a copy of one sample picture."""

    def __init__(self, **settings):
        self.home = pathlib.Path(tempfile.mkdtemp())
        pictures = self.home / "pictures"
        pictures.mkdir()
        shutil.copy(ROOT / "examples/pictures/museum.jpg", pictures)
        (self.home / "access-secret").write_text(SECRET + "\n")
        config = self.home / "afterimage.toml"
        config.write_text(
            f'[[admin.access_keys]]\nid = "{KEY}"\nsecret_file = "access-secret"\n'
            f'[invalidation]\ndistribution_id = "{DISTRIBUTION}"\npurge_method = true\n'
        )
        # Variables that begin like settings are settings.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
        for name, folder in (("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state"), ("XDG_RUNTIME_DIR", "run")):
            (self.home / folder).mkdir()
            environment[name] = str(self.home / folder)
        command = [os.environ["AFTERIMAGE_BIN"], "--config", config, "serve", pictures]
        command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        for name, value in settings.items():
            command += ["--set", f"{name.replace('__', '.')}={value}"]
        self.log = open(self.home / "log", "w")
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        greeting = ""
        for line in self.process.stdout:
            greeting += line
            if line.startswith("ready"):
                break
        else:
            raise AssertionError(f"the server did not start:\n{greeting}\n{(self.home / 'log').read_text()}")
        # Nobody reads on; a full pipe would stop the server.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.pictures = re.search(r"pictures +(http://\S+)", greeting)[1]
        self.admin = re.search(r"index page +(http://[^/\s]+)", greeting)[1]

    def get(self, target, accept="*/*"):
        """Where the answer came from, as Cache-Status says."""
        request = urllib.request.Request(self.pictures + target, headers={"Accept": accept})
        with urllib.request.urlopen(request) as answer:
            answer.read()
            return answer.headers["Cache-Status"]

    def warm(self, target, accept="*/*"):
        """Asks until it is in memory: a file is kept only once it has settled."""
        for _ in range(2000):
            if "memory" in self.get(target, accept):
                return
        raise AssertionError(f"{target} was never kept")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.home)
