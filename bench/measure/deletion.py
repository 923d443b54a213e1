"""The time from `rm` to the last 404: a picture is warmed in five sizes, its original is removed, and all sizes are asked
for in a tight loop until each answers 404."""

import os
import time

from .report import percentile
from .server import PICTURES, Server, copies, workspace

SIZES = ("w=64", "w=200", "w=320&fm=webp", "w=400&h=300&fit=crop", "w=480")
# Beyond the promise of a second by far; a picture that is still there then is the finding.
WAIT_S = 10


def measure(report, quick):
    rounds = 20 if quick else 200
    last_200, all_404, requests, returned = [], [], 0, 0
    with workspace() as work:
        pictures = work / "pictures"
        pictures.mkdir()
        copies((pictures / f"{turn}.jpg", PICTURES / "landscape.jpg") for turn in range(rounds))
        with Server(os.environ["BENCH_BIN"], work, pictures) as server:
            client = server.client()
            for turn in range(rounds):
                targets = [f"/{turn}.jpg?{size}" for size in SIZES]
                for target in targets:
                    client.ok(target)
                    status, head, _ = client.get(target)
                    if status != 200 or b"afterimage; hit" not in head:
                        raise SystemExit(f"{target} is not a hit although it was just made: {head.decode()}")
                began = time.perf_counter()
                (pictures / f"{turn}.jpg").unlink()
                last, asked = until_gone(client, targets, began)
                last_200.append(last * 1e3)
                all_404.append((time.perf_counter() - began) * 1e3)
                requests += asked
                returned += sum(client.get(target)[0] == 200 for target in targets * 4)
    line = lambda name, values: [name, *(f"{percentile(values, p):.1f}" for p in (50, 99)), f"{max(values):.1f}"]
    report.table(
        f"From rm to the last 404: {rounds} rounds, {len(SIZES)} sizes each, in milliseconds",
        ["", "p50", "p99", "max"],
        [line("last answer that still was 200", last_200), line("every size has answered 404", all_404)],
        [f"{requests:,} requests in between; {returned} answers of {rounds * len(SIZES) * 4:,} were 200 again afterwards. "
         "0.0 where no answer after `rm` was 200."])


def until_gone(client, targets, began):
    """(when the last answer with the picture had come, how many requests it took), asked round and round."""
    left, last, asked = list(targets), 0.0, 0
    while left:
        for target in list(left):
            status, head, _ = client.get(target)
            now, asked = time.perf_counter() - began, asked + 1
            if status == 200:
                last = now
            elif status == 404:
                left.remove(target)
            else:
                raise SystemExit(f"neither 200 nor 404: {head.decode()}")
            if now > WAIT_S:
                raise SystemExit(f"{target} is still served {WAIT_S} s after its original was removed")
    return last, asked
