"""A run as its files tell it, read on as they grow. Knows nothing of widgets."""

from pathlib import Path
from typing import Any

from workbench import runs
from workbench.protocol import RunStatus
from workbench.ui.braille import Point

RECENT = 20  # lines from which the speed is taken


class History:
    """The series of one run, and its latest figures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tail = runs.Tail(folder / "metrics.jsonl")
        self.loss: list[Point] = []
        self.eval_loss: list[Point] = []
        self.latest: dict[str, Any] = {}
        self.speed: list[tuple[float, float]] = []  # (step, seconds trained)
        self.status = RunStatus(name=folder.name, folder=str(folder), state="running")
        self.what = ""
        self.checkpoint = 0  # step of the last whole one; 0: there is none

    def read(self) -> bool:
        """Take in what is new in the file. True where there was something."""
        lines = self.tail.read()
        for line in lines:
            self.take(line)
        return bool(lines)

    def take(self, line: dict[str, Any]) -> None:
        step = number(line.get("step"))
        if step is None:
            return
        # A run that was resumed goes back to its checkpoint: what came after it is not part of it.
        for series in (self.loss, self.eval_loss):
            while series and series[-1][0] > step:
                series.pop()
        if (loss := number(line.get("loss"))) is not None:
            self.put(self.loss, step, loss)
        if (loss := number(line.get("eval_loss"))) is not None:
            self.put(self.eval_loss, step, loss)
        self.latest.update({key: value for key, value in line.items() if value is not None})
        if (seconds := number(line.get("seconds"))) is not None:
            if self.speed and self.speed[-1][0] > step:
                self.speed.clear()
            self.speed = [*self.speed, (step, seconds)][-RECENT:]

    def put(self, series: list[Point], step: float, value: float) -> None:
        if series and series[-1][0] == step:
            series[-1] = (step, value)
        else:
            series.append((step, value))

    def refresh_status(self) -> None:
        """What became of the run, from its files; for runs that no news comes of."""
        self.status = runs.status(self.folder)
        self.find_checkpoint()

    def find_checkpoint(self) -> None:
        found = runs.last_checkpoint(self.folder)
        self.checkpoint = found[0] if found else 0

    def figure(self, key: str) -> float | None:
        return number(self.latest.get(key))

    @property
    def step(self) -> int:
        return max(self.status.step, int(self.figure("step") or 0))

    @property
    def seconds_left(self) -> float:
        """By the speed of the last lines; -1 where it is unknown."""
        if len(self.speed) < 2 or not self.status.total_steps:
            return -1
        (step0, seconds0), (step1, seconds1) = self.speed[0], self.speed[-1]
        if step1 <= step0:
            return -1
        left = self.status.total_steps - self.step
        return max(0.0, left * (seconds1 - seconds0) / (step1 - step0))


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
