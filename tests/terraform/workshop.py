"""Finds terraform and a provider on this machine, and runs the module in copies of its own."""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULE = ROOT / "deploy" / "terraform"
SINCE_TAGS = (6, 46)
PACKAGES = ["render", "purge", "reconcile"]


def lacking(what):
    """Says loudly what was not run, and runs nothing: ./check shows such lines last."""
    print(f"\n!!! tests/terraform WAS NOT RUN IN FULL: {what} !!!", flush=True)
    raise unittest.SkipTest(what)


def environment():
    """Terraform's surroundings, without a configuration that names a file that is not there."""
    found = dict(os.environ, TF_IN_AUTOMATION="1", CHECKPOINT_DISABLE="1")
    configuration = found.get("TF_CLI_CONFIG_FILE")
    if configuration and not pathlib.Path(configuration).exists():
        found["TF_CLI_CONFIG_FILE"] = os.devnull
    # No account of whoever runs this.
    for name in [name for name in found if name.startswith("AWS_")]:
        del found[name]
    return found


def terraform(folder, *arguments, timeout=600, surroundings=None):
    command = ["terraform", f"-chdir={folder}", *arguments]
    return subprocess.run(command, env=environment() | (surroundings or {}), capture_output=True, text=True, timeout=timeout)


def plugin_folders():
    """Where plugins are kept, by habit: each folder that holds the provider for this machine, and the newest version there."""
    home = pathlib.Path.home()
    habits = [
        os.environ.get("TF_PLUGIN_CACHE_DIR"),
        home / ".terraform.d" / "plugins",
        home / ".terraform.d" / "plugin-cache",
        home / ".local" / "share" / "terraform" / "plugins",
        "/usr/local/share/terraform/plugins",
        "/usr/share/terraform/plugins",
        "/usr/share/terraform",
        *sorted(pathlib.Path("/opt").glob("*")),
        *sorted(pathlib.Path("/opt").glob("*/*")),
    ]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    for folder in (pathlib.Path(habit) for habit in habits if habit):
        versions = [
            tuple(int(part) for part in found.parts[-3].split("."))
            for found in folder.glob(f"*/hashicorp/aws/*/linux_{machine}/terraform-provider-aws*")
        ]
        if versions:
            yield folder, max(versions)


class Workshop:
    """A copy of the module and its examples beside packages that are none, each folder made ready by terraform init."""

    def __init__(self):
        if not shutil.which("terraform"):
            lacking("there is no terraform here")
        self.home = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.home.name)
        self.module = self.root / "deploy" / "terraform"
        shutil.copytree(MODULE, self.module, symlinks=True, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        built = self.root / "dist" / "lambda"
        built.mkdir(parents=True)
        for name in PACKAGES:
            (built / f"{name}.zip").write_text("no package")
        for name in ["rewrite.js", "rewrite-cheap.js"]:
            (built / name).write_text("function handler(event) { return event.request; }")
        # The newest provider, whichever folder has it.
        found = sorted(plugin_folders(), key=lambda pair: pair[1])
        self.plugins, self.version = found[-1] if found else (None, None)
        answer = self.init(self.module)
        if answer.returncode != 0:
            print(answer.stderr)
            lacking("there is no AWS provider in a usual folder, and terraform init cannot have one")
        if self.version is None:
            self.version = self.installed()

    def init(self, folder):
        from_folder = [f"-plugin-dir={self.plugins}"] if self.plugins else []
        return terraform(folder, "init", "-backend=false", "-no-color", "-input=false", *from_folder)

    def installed(self):
        chosen = json.loads(terraform(self.module, "version", "-json").stdout)["provider_selections"]
        (version,) = [version for name, version in chosen.items() if name.endswith("/hashicorp/aws")]
        return tuple(int(part) for part in version.split("."))

    def tags_can_be_checked(self):
        return self.version >= SINCE_TAGS

    def close(self):
        self.home.cleanup()
