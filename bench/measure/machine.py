"""What a figure depends on beside the code: processor, cores, kernel, versions; and what a process has used."""

import os
import platform
import re
import subprocess

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def describe(binary):
    """The machine and the versions, one line each."""
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        f"CPU: {model.group(1) if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores; "
        f"{memory_gib:.0f} GiB; Linux {platform.release().split('-')[0]}",
        version(binary, "--version") + ", commit " + commit(),
    ]
    for command in (["rustc", "--version"], ["nginx", "-v"], ["varnishd", "-V"], ["traffic_server", "-V"], ["wrk", "-v"],
                    ["node", "--version"]):
        lines.append(f"{command[0]}: {version(*command)}")
    return lines


def version(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=with_sbin())
    except OSError:
        return "not here"
    return (done.stdout + done.stderr).strip().splitlines()[0].removeprefix("nginx version: ")


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def with_sbin():
    # Debian keeps nginx where the PATH of a plain user does not look.
    return {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}


def cpu_s(pid):
    """User and system time of a process with all its threads, in seconds."""
    with open(f"/proc/{pid}/stat") as file:
        # The program's name, in brackets, may hold spaces.
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def cpu_tree_s(pid):
    """The same of a process and of those that it started and that still run."""
    total = cpu_s(pid)
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            total += sum(cpu_tree_s(int(child)) for child in file.read().split())
    return total


def memory_mib(pid):
    """(resident now, resident at most) of a process."""
    with open(f"/proc/{pid}/status") as file:
        status = file.read()
    kib = {name: int(re.search(rf"{name}:\s+(\d+)", status).group(1)) for name in ("VmRSS", "VmHWM")}
    return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024
