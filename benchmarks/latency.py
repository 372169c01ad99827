"""From a key to a changed screen: idle, and while a fine-tune runs; and what a run's monitor
writes to the terminal.

    python -m benchmarks.latency [--presses 200]

A press of `down` or `up` in the table of rows, every 100 ms; the time to the first changed cell
within the table. The same app is measured first idle, then while it trains SmolLM2-135M.
"""

import argparse
import math
import os
import tempfile
import time
from pathlib import Path
from statistics import mean

from benchmarks.workspace import film_reviews, own_state
from tests.terminal.terminal import KEYS, WORKBENCH, Terminal

GOAL_P99, GOAL_RATIO, GOAL_TRAFFIC = 0.060, 2.0, 4000


def percentile(values: list[float], share: int) -> float:
    return sorted(values)[math.ceil(len(values) * share / 100) - 1]


def press(terminal: Terminal, presses: int) -> list[float]:
    """Seconds to the first change in the left half of the screen (the table), a press each."""
    times = []
    half = terminal.screen.columns // 2 - 2

    def table() -> list[object]:
        lines = terminal.screen.buffer
        return [
            (cell.data, cell.bg, cell.reverse)
            for y in range(3, 18)
            for x in range(half)
            for cell in (lines[y][x],)
        ]

    for turn in range(presses):
        pause = time.perf_counter() + 0.1
        while time.perf_counter() < pause:
            terminal.pump(max(0.0, pause - time.perf_counter()))
        before = table()
        begun = time.perf_counter()
        os.write(terminal.fd, KEYS["down" if turn % 2 == 0 else "up"].encode())
        while time.perf_counter() - begun < 2:
            terminal.pump(2)
            arrived = time.perf_counter()
            if table() != before:
                times.append(arrived - begun)
                break
        else:
            raise SystemExit(f"a key was not answered in 2 s:\n{terminal.text()}")
    return times


def say(label: str, times: list[float]) -> float:
    shares = ", ".join(f"p{share} {percentile(times, share) * 1000:.1f}" for share in (50, 90, 99))
    print(f"{label:14} {len(times)} presses, ms: {shares}, max {max(times) * 1000:.1f}")
    return percentile(times, 99)


def traffic(terminal: Terminal, seconds: int) -> list[int]:
    """Bytes written to the terminal in each second."""
    buckets = []
    for _ in range(seconds):
        size, end = len(terminal.output.encode()), time.perf_counter() + 1
        while time.perf_counter() < end:
            terminal.pump(max(0.0, end - time.perf_counter()))
        buckets.append(len(terminal.output.encode()) - size)
    return buckets


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--presses", type=int, default=200)
    reader.add_argument("--seconds", type=int, default=60, help="for the traffic")
    options = reader.parse_args()
    with tempfile.TemporaryDirectory() as name, own_state(Path(name)):
        folder = Path(name)
        session = film_reviews(folder, rows=4000, num_train_epochs=3.0)
        terminal = Terminal([*WORKBENCH, str(session)], cwd=folder)
        try:
            terminal.until(r"tokens · \S+ % of \d", 120)  # the model and the prompt are there
            terminal.still(2)
            terminal.press("f2")
            terminal.still(1)
            idle = say("idle", press(terminal, options.presses))
            terminal.still(1)
            quiet = traffic(terminal, 10)
            terminal.press("f7")
            terminal.still(1)
            terminal.press("enter")
            terminal.until(r"step\s+\d", 120)
            terminal.press("f2")
            terminal.still(0.3)
            busy = say("while training", press(terminal, options.presses))
            sent = traffic(terminal, options.seconds)
        finally:
            terminal.close()
    print(
        f"p99 while training {busy * 1000:.1f} ms (goal: at most {GOAL_P99 * 1000:.0f}), "
        f"{busy / idle:.2f} times the idle p99 (goal: at most {GOAL_RATIO:g})"
    )
    print(
        f"to the terminal, bytes a second: idle {mean(quiet):.0f}, monitoring {mean(sent):.0f} "
        f"on average, {max(sent)} at most in {len(sent)} s (goal: {GOAL_TRAFFIC} on average)"
    )


if __name__ == "__main__":
    main()
