"""The time to the first painted screen, and the app's memory, beside an empty Textual app.

    python -m benchmarks.startup [--runs 11]

Painted: 20 cells of the screen show a character. The two programs are started in turn; the ratio
is that of the medians. Memory is the resident set of the app's process once its screen is still.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.workspace import film_reviews, own_state
from tests.terminal.terminal import WORKBENCH, Terminal

GOAL_RATIO, GOAL_MEMORY = 1.2, 80e6


def start(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds to the painted screen, and bytes of memory some seconds later."""
    begun = time.perf_counter()
    terminal = Terminal(command, cwd=folder)
    try:
        while len("".join(terminal.text().split())) < 20:
            if not terminal.pump(30):
                raise SystemExit(f"it ended:\n{terminal.text()}")
        painted = time.perf_counter() - begun
        deadline = time.perf_counter() + 3
        while time.perf_counter() < deadline:
            terminal.pump(0.2)
        memory = psutil.Process(terminal.child.pid).memory_info().rss
        return painted, float(memory)
    finally:
        terminal.close()


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--runs", type=int, default=11)
    runs = reader.parse_args().runs
    with tempfile.TemporaryDirectory() as name, own_state(Path(name)):
        folder = Path(name)
        session = film_reviews(folder)
        empty = [sys.executable, str(Path(__file__).with_name("empty_app.py"))]
        ours = [*WORKBENCH, str(session)]
        times: list[list[float]] = [[], []]
        memories: list[list[float]] = [[], []]
        start(ours, folder)  # warm: the files are in the page cache, the worker is up
        for _ in range(runs):
            for which, command in enumerate((ours, empty)):
                painted, memory = start(command, folder)
                times[which].append(painted)
                memories[which].append(memory)
    ratio = median(times[0]) / median(times[1])
    for label, which in (("workbench", 0), ("empty app", 1)):
        print(
            f"{label:10}  painted after {median(times[which]) * 1000:4.0f} ms "
            f"({min(times[which]) * 1000:.0f} to {max(times[which]) * 1000:.0f})  "
            f"memory {median(memories[which]) / 1e6:.0f} MB"
        )
    print(f"ratio of the medians {ratio:.2f} (goal: at most {GOAL_RATIO}), {runs} runs each")
    print(f"memory {max(memories[0]) / 1e6:.0f} MB at most (goal: {GOAL_MEMORY / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
