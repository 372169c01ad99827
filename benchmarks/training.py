"""What the worker and the screen cost a fine-tune: tokens/s beside the same Trainer alone.

    python -m benchmarks.training [--pairs 3] [--steps 20] [--threads N]

In turn: the workbench with its screen up in a terminal of 120 by 40, monitoring the run; and
`benchmarks/plain_trainer.py`, the same Trainer, rows and order as a plain script. Both count tokens
of text from the end of the first step to the end of the last, by the clock on the wall. The losses
of both must agree.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.workspace import film_reviews, own_state
from tests.terminal.terminal import WORKBENCH, Terminal
from workbench import journal, runs
from workbench.processor import cores

GOAL = 0.97


def with_screen(folder: Path, session: Path) -> tuple[float, list[float]]:
    """Tokens a second of a run that is started and watched in the app, and its losses."""
    before = len(runs.find(folder))
    terminal = Terminal([*WORKBENCH, str(session)], cwd=folder)
    try:
        terminal.until(r"tokens · \S+ % of \d", 120)
        terminal.press("f7")
        terminal.still(1)
        terminal.press("enter")
        terminal.wait(lambda: len(runs.find(folder)) > before, 120, "a run")
        run = runs.find(folder)[-1]
        terminal.wait(lambda: runs.status(run).state == "finished", 900, "its end")
        terminal.until("✓ finished", 30)
        terminal.press("f10")
        terminal.ended()
    finally:
        terminal.close()
    lines = [line for line in journal.read(run / "metrics.jsonl") if "loss" in line]
    tokens = lines[-1]["tokens"] - lines[0]["tokens"]
    return tokens / (lines[-1]["time"] - lines[0]["time"]), [line["loss"] for line in lines]


def plain(session: Path) -> tuple[float, list[float]]:
    command = [sys.executable, "-m", "benchmarks.plain_trainer", str(session)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    return result["tokens_per_second"], result["losses"]


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--pairs", type=int, default=3)
    reader.add_argument("--steps", type=int, default=20)
    reader.add_argument("--threads", type=int, default=cores())
    options = reader.parse_args()
    ours, alone = [], []
    with tempfile.TemporaryDirectory() as name, own_state(Path(name)):
        folder = Path(name)
        session = film_reviews(
            folder,
            max_steps=options.steps,
            evaluation_rows=0,
            eval_steps=0,
            save_steps=0,
            pinned_count=0,
            metric_rows=0,
            threads=options.threads,
        )
        for _ in range(options.pairs):
            rate, losses = with_screen(folder, session)
            ours.append(rate)
            rate, reference = plain(session)
            alone.append(rate)
            difference = max(abs(a - b) for a, b in zip(losses, reference, strict=True))
            print(
                f"with the screen {ours[-1]:.1f} tokens/s, plain script {rate:.1f}, "
                f"losses differ by {difference:.1e} at most",
                flush=True,
            )
    ratios = [a / b for a, b in zip(ours, alone, strict=True)]
    print(
        f"ratio {median(ratios):.3f} (median of {len(ratios)} pairs, {min(ratios):.3f} to "
        f"{max(ratios):.3f}; goal: at least {GOAL})"
    )


if __name__ == "__main__":
    main()
