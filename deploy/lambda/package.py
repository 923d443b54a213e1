#!/usr/bin/env python3
"""Packs one binary for Lambda: as `bootstrap`, the same bytes from the same binary, and nothing that would not start there."""

import argparse
import pathlib
import re
import subprocess
import sys
import zipfile

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ZIPPED_BYTES_MAX = 50 * 1000 * 1000
UNZIPPED_BYTES_MAX = 250 * 1000 * 1000
# provided.al2023 has these; it is not said to have more.
LIBRARIES = re.compile(r"(libc|libm|libdl|librt|libpthread|libgcc_s|ld-linux-[a-z0-9-]+)\.so\.[0-9]+")
MACHINES = {"x86_64": "X86-64", "arm64": "AArch64"}
REMEDY = "build with zig's linker (make lambda does, unless LAMBDA_LINKER=native), or on a machine with an older glibc"


def readelf(binary, *wanted):
    answer = subprocess.run(["readelf", "--wide", *wanted, binary], capture_output=True, text=True)
    if answer.returncode != 0 or not answer.stdout.strip():
        raise SystemExit(f"{binary}: not a binary that readelf can read: {answer.stderr.strip()}")
    return answer.stdout


def newer_than(ceiling, symbols):
    """The symbols of glibc versions above the ceiling, newest first: (version, name)."""
    limit = tuple(int(part) for part in ceiling.split("."))
    found = set()
    for name, version in re.findall(r"(\S+)@+GLIBC_([0-9.]+)", symbols):
        parts = tuple(int(part) for part in version.split("."))
        if parts > limit:
            found.add((parts, name))
    return [(".".join(map(str, version)), name) for version, name in sorted(found, reverse=True)]


def complaints(binary, arch, ceiling):
    """Why this binary would not start on Lambda."""
    header = readelf(binary, "--file-header")
    machine = re.search(r"Machine:\s+(.*)", header)[1]
    if MACHINES[arch] not in machine:
        yield f"it is for {machine}, not {arch}"
    for version, name in newer_than(ceiling, readelf(binary, "--dyn-syms")):
        yield f"it needs {name} of GLIBC_{version}, and provided.al2023 has {ceiling}: {REMEDY}"
    for library in re.findall(r"\(NEEDED\).*\[(.*)\]", readelf(binary, "--dynamic")):
        if not LIBRARIES.fullmatch(library):
            yield f"it needs {library}, which provided.al2023 may not have: link it statically"
    if binary.stat().st_size > UNZIPPED_BYTES_MAX:
        yield f"it has {binary.stat().st_size:,} bytes; Lambda takes {UNZIPPED_BYTES_MAX:,}"


def pack(binary, config, out):
    """A package that depends on nothing but the bytes that go in."""
    parts = [("bootstrap", 0o755, binary)] + ([("afterimage.toml", 0o644, config)] if config else [])
    partial = out.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for name, mode, file in parts:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, whatever this is
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, file.read_bytes())
    size = partial.stat().st_size
    if size > ZIPPED_BYTES_MAX:
        partial.unlink()
        raise SystemExit(f"{out}: {size:,} bytes; Lambda takes {ZIPPED_BYTES_MAX:,} without a bucket between")
    partial.replace(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=sorted(MACHINES), default="x86_64")
    parser.add_argument("--glibc-max", default="2.34", help="the newest version of glibc whose symbols may be needed")
    parser.add_argument("--config", type=pathlib.Path, help="a configuration to put beside it, as afterimage.toml")
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    wanted = parser.parse_args()
    if not wanted.binary.is_file():
        raise SystemExit(f"{wanted.binary}: there is no such file")
    found = list(complaints(wanted.binary, wanted.arch, wanted.glibc_max))
    for complaint in found:
        print(f"{wanted.binary}: {complaint}", file=sys.stderr)
    if found:
        raise SystemExit(1)
    pack(wanted.binary, wanted.config, wanted.out)


if __name__ == "__main__":
    main()
