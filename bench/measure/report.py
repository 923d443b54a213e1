"""Tables on the terminal, and the same in a dated file under results/."""

import datetime
import os
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "results"


class Report:
    """Prints what it is given, and keeps it."""

    def __init__(self, title, lines):
        self.text = ""
        self.say(f"# {title}\n")
        for line in lines:
            self.say(f"- {line}")

    def say(self, text=""):
        print(text, flush=True)
        self.text += text + "\n"

    def table(self, title, head, rows, notes=()):
        cells = [[str(cell) for cell in row] for row in [head, *rows]]
        widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
        line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        self.say(f"\n## {title}\n")
        self.say(line(cells[0]))
        self.say("|" + "|".join("-" * (width + 2) for width in widths) + "|")
        for row in cells[1:]:
            self.say(line(row))
        if notes:
            self.say()
        for note in notes:
            self.say(f"- {note}")

    def keep(self):
        """Writes a file named for this moment, or appends to the one that OUT names."""
        if out := os.environ.get("OUT"):
            path = Path(out)
        else:
            path = RESULTS / f"{datetime.datetime.now():%Y-%m-%d-%H%M}.md"
        path.parent.mkdir(exist_ok=True)
        with open(path, "a") as file:
            file.write(self.text)
        print(f"\nkept in {path}")


def spread(values, digits=1):
    """min / median / max."""
    ordered = sorted(values)
    return " / ".join(f"{value:.{digits}f}" for value in (ordered[0], median(ordered), ordered[-1]))


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
