"""What make lambda lets through: deploy/lambda/package.py over small programs of this machine's own compiler."""

import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

PACK = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "lambda" / "package.py"
PLATFORM = {"x86_64": "x86_64", "aarch64": "arm64"}


class Packages(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.folder = pathlib.Path(self.home.name)
        self.arch = PLATFORM[platform.machine()]
        # Whatever program needs something of glibc; any of Debian's own does.
        self.program = self.compiled("int main(void) { return 0; }")

    def compiled(self, text, *options):
        if not shutil.which("cc"):
            self.skipTest("there is no C compiler here")
        source, program = self.folder / "program.c", self.folder / "program"
        source.write_text(text)
        subprocess.run(["cc", source, "-o", program, *options], check=True)
        return program

    def pack(self, *options, program=None, ceiling="2.99", arch=None, out="out.zip"):
        command = [sys.executable, PACK, "--arch", arch or self.arch, "--glibc-max", ceiling, *options]
        return subprocess.run([*command, program or self.program, self.folder / out], capture_output=True, text=True)

    def test_a_package_is_bootstrap_that_can_be_run_and_the_same_each_time(self):
        self.assertEqual(self.pack(out="one.zip").returncode, 0)
        self.program.touch()
        self.assertEqual(self.pack(out="two.zip").returncode, 0)
        self.assertEqual((self.folder / "one.zip").read_bytes(), (self.folder / "two.zip").read_bytes())
        with zipfile.ZipFile(self.folder / "one.zip") as package:
            (entry,) = package.infolist()
            self.assertEqual((entry.filename, entry.external_attr >> 16, entry.date_time[0]), ("bootstrap", 0o100755, 1980))
            self.assertEqual(package.read(entry), self.program.read_bytes())

    def test_a_configuration_lies_beside_it(self):
        config = self.folder / "mine.toml"
        config.write_text("[http]\nbrowser_age = \"5m\"\n")
        self.assertEqual(self.pack("--config", config).returncode, 0)
        with zipfile.ZipFile(self.folder / "out.zip") as package:
            self.assertEqual(package.namelist(), ["bootstrap", "afterimage.toml"])
            self.assertEqual(package.read("afterimage.toml"), config.read_bytes())

    def test_a_symbol_that_is_too_new_is_named_with_the_remedy(self):
        # Every program starts with one of its glibc's own.
        answer = self.pack(ceiling="2.1")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("__libc_start_main of GLIBC_2.", answer.stderr)
        self.assertIn("zig's linker", answer.stderr)
        self.assertFalse((self.folder / "out.zip").exists())

    def test_exactly_the_ceiling_is_let_through(self):
        newest = self.pack(ceiling="2.1").stderr.split("GLIBC_")[1].split(",")[0]
        self.assertEqual(self.pack(ceiling=newest).returncode, 0)
        major, minor = newest.split(".")[:2]
        self.assertEqual(self.pack(ceiling=f"{major}.{int(minor) - 1}").returncode, 1)

    def test_another_machine_s_binary_is_refused(self):
        answer = self.pack(arch="arm64" if self.arch == "x86_64" else "x86_64")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("it is for", answer.stderr)

    def test_a_library_that_lambda_may_lack_is_refused(self):
        # Linked to a library of our own.
        (self.folder / "own.c").write_text("int own(void) { return 0; }")
        subprocess.run(["cc", "-shared", "-fPIC", self.folder / "own.c", "-o", self.folder / "libown.so.1", "-Wl,-soname,libown.so.1"], check=True)
        program = self.compiled("int own(void); int main(void) { return own(); }", self.folder / "libown.so.1")
        answer = self.pack(program=program)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("libown.so.1", answer.stderr)

    def test_what_is_no_binary_is_refused(self):
        text = self.folder / "text"
        text.write_text("no binary")
        for program in (text, self.folder / "absent"):
            answer = self.pack(program=program)
            self.assertEqual(answer.returncode, 1)
            self.assertIn(str(program), answer.stderr)
