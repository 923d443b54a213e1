"""What make lambda lets through: deploy/lambda/package.py over small programs of this machine's own compiler."""

import os
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


class Build(unittest.TestCase):
    """deploy/lambda/build itself, in a copy, with a cargo that compiles nothing."""

    CARGO = """#!/bin/sh
echo "$*" >>"$BOOK"
triple=${TRIPLE}
mkdir -p target/$triple/release
for name in afterimage-render afterimage-purge afterimage-reconcile; do cp "$PROGRAM" target/$triple/release/$name; done
cat >target/$triple/release/afterimage <<'END'
#!/bin/sh
echo "afterimage $*" >>"$BOOK"
case "$*" in *sanitised.toml*--cheap*) echo "originals.mode: say as-is" >&2 && exit 2 ;; esac
while [ "$1" != -o ]; do shift; done
echo "function handler(event) {}" >"$2"
END
chmod +x target/$triple/release/afterimage
"""

    def setUp(self):
        if not (shutil.which("cc") and shutil.which("rustc")):
            self.skipTest("there is no compiler here")
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.folder = pathlib.Path(self.home.name)
        root = PACK.parents[2]
        for path in ("deploy/lambda/build", "deploy/lambda/package.py", "scripts/tools.sh", "Makefile"):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, self.folder / path)
        # A program that needs nothing of any glibc, whatever this machine's is.
        (self.folder / "p.c").write_text("void _start(void) { for (;;) {} }")
        subprocess.run(["cc", "-nostdlib", "-shared", "-fPIC", self.folder / "p.c", "-o", self.folder / "program"], check=True)
        tools = self.folder / "tools"
        tools.mkdir()
        for name in ("cargo", "cargo-zigbuild"):
            (tools / name).write_text(self.CARGO)
            (tools / name).chmod(0o755)
        host = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout.split("host: ")[1].split()[0]
        self.arch = {"x86_64": "x86_64", "aarch64": "arm64"}[host.split("-")[0]]
        self.surroundings = dict(
            os.environ, PATH=f"{tools}:{os.environ['PATH']}", TRIPLE=host, PROGRAM=str(self.folder / "program"),
            BOOK=str(self.folder / "book"),
        )
        self.surroundings.pop("CARGO_TARGET_DIR", None)

    def make(self, **variables):
        command = ["make", "lambda", f"ARCH={variables.pop('arch', self.arch)}", *(f"{key}={value}" for key, value in variables.items())]
        return subprocess.run(command, cwd=self.folder, env=self.surroundings, capture_output=True, text=True)

    def book(self):
        return (self.folder / "book").read_text().splitlines()

    def test_everything_that_the_module_reads_is_made(self):
        answer = self.make()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        made = sorted(path.name for path in (self.folder / "dist/lambda").iterdir())
        self.assertEqual(made, ["purge.zip", "reconcile.zip", "render.zip", "rewrite-cheap.js", "rewrite.js"])
        compiled, plain, cheap = self.book()
        self.assertTrue(compiled.startswith("zigbuild --locked --release --target ") and ".2.34 " in compiled, compiled)
        for package in ("afterimage", "afterimage-lambda-render", "afterimage-lambda-purge", "afterimage-lambda-reconcile"):
            self.assertIn(f"-p {package}", compiled)
        self.assertEqual(plain, "afterimage cloudfront-function -o dist/lambda/rewrite.js")
        self.assertEqual(cheap, "afterimage --set originals.mode=as-is cloudfront-function --cheap -o dist/lambda/rewrite-cheap.js")

    def test_one_configuration_is_for_the_packages_and_the_edge(self):
        (self.folder / "mine.toml").write_text("[http]\n")
        answer = self.make(CONFIG="mine.toml")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        with zipfile.ZipFile(self.folder / "dist/lambda/render.zip") as package:
            self.assertEqual(package.namelist(), ["bootstrap", "afterimage.toml"])
        self.assertEqual(self.book()[1], "afterimage cloudfront-function --config mine.toml -o dist/lambda/rewrite.js")

    def test_a_configuration_that_cheap_mode_refuses_leaves_no_code_for_it(self):
        self.assertEqual(self.make().returncode, 0)
        (self.folder / "sanitised.toml").write_text("[originals]\nmode = \"sanitised\"\n")
        answer = self.make(CONFIG="sanitised.toml")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("say as-is\nThere is no rewrite-cheap.js", answer.stderr)
        made = sorted(path.name for path in (self.folder / "dist/lambda").glob("*.js"))
        self.assertEqual(made, ["rewrite.js"], "nothing that was made of another configuration")

    def test_mistakes_are_told_before_anything_is_compiled(self):
        for mistake, word in (({"arch": "amd64"}, "amd64"), ({"CONFIG": "absent.toml"}, "absent.toml")):
            answer = self.make(**mistake)
            self.assertNotEqual(answer.returncode, 0)
            self.assertIn(word, answer.stderr)
            self.assertFalse((self.folder / "book").exists())
