"""A run as its files tell it, read on as they grow. Knows nothing of widgets."""

from pathlib import Path
from typing import Any

from workbench import journal, runs
from workbench.protocol import RunStatus
from workbench.ui.braille import Point

EVALUATIONS = b'"eval_loss"'  # is in their lines
RECENT = 20  # lines from which the speed is taken
PAUSING = ("paused", "unpaused", "started", "resumed")  # events that say whether a run is held
# Figures that have a curve beside those that begin with eval_, in the order they are offered.
CURVES = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory")


class History:
    """The series of one run, its latest figures, what happened to it and what it answered.

    Args:
        brief: of its figures only the evaluations and the latest are read, and no answers.
    """

    def __init__(self, folder: Path, brief: bool = False) -> None:
        self.folder = folder
        self.tail = journal.Tail(folder / "metrics.jsonl", EVALUATIONS if brief else b"")
        self.event_tail = journal.Tail(folder / "events.jsonl")
        self.sample_tail = None if brief else journal.Tail(folder / "samples.jsonl")
        self.series: dict[str, list[Point]] = {"loss": [], "eval_loss": []}
        self.latest: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.pinned: list[dict[str, Any]] = []  # answers to the pinned prompts, in order
        self.speed: list[tuple[float, float]] = []  # (step, seconds trained)
        self.status = RunStatus(name=folder.name, folder=str(folder), state="running")
        self.what = ""
        self.checkpoint = 0  # step of the last whole one; 0: there is none

    @property
    def loss(self) -> list[Point]:
        return self.series["loss"]

    @property
    def eval_loss(self) -> list[Point]:
        return self.series["eval_loss"]

    @property
    def curves(self) -> list[str]:
        """What there are curves of: losses together, each metric of an evaluation, the rest."""
        metrics = [name for name in self.series if name.startswith("eval_") and name != "eval_loss"]
        rest = [name for name in CURVES[1:] if self.series.get(name)]
        return ["loss", *metrics, *rest]

    @property
    def started(self) -> dict[str, Any]:
        """What the run's first event says: model, task, method, rows, reasons."""
        return next((one for one in self.events if one.get("event") == "started"), {})

    @property
    def paused(self) -> bool:
        """As its host says; to one that has just come, as the last event of the kind says."""
        if self.status.state != "running" or self.what:
            return self.status.state == "running" and self.what == "paused"
        kinds = (str(one.get("event")) for one in reversed(self.events))
        return next((one for one in kinds if one in PAUSING), "") == "paused"

    def read(self) -> bool:
        """Take in what is new in the files. True where there was something."""
        lines = self.tail.read()
        for line in lines:
            self.take(line)
        events = self.event_tail.read()
        samples = self.sample_tail.read() if self.sample_tail else []
        self.events += events
        for sample in samples:
            if sample.get("pinned"):
                self.take_pinned(sample)
        return bool(lines or events or samples)

    def take(self, line: dict[str, Any]) -> None:
        step = number(line.get("step"))
        if step is None:
            return
        # A run that was resumed goes back to its checkpoint: what came after it is not part of it.
        for series in self.series.values():
            while series and series[-1][0] > step:
                series.pop()
        for key, value in line.items():
            charted = key in CURVES or key.startswith("eval_")
            if charted and (one := number(value)) is not None:
                put(self.series.setdefault(key, []), step, one)
        self.latest.update({key: value for key, value in line.items() if value is not None})
        if (seconds := number(line.get("seconds"))) is not None:
            if self.speed and self.speed[-1][0] > step:
                self.speed.clear()
            self.speed = [*self.speed, (step, seconds)][-RECENT:]

    def take_pinned(self, sample: dict[str, Any]) -> None:
        """An answer; one of the same prompt and step from before a resumption makes way."""
        step = sample.get("step", 0)
        self.pinned = [
            one
            for one in self.pinned
            if not (same_prompt(one, sample) and one.get("step", 0) >= step)
        ]
        self.pinned.append(sample)

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
        """As the run itself says it, with its evaluations; by the speed of the last lines for the
        steps since; -1 where it is unknown."""
        if (told := self.figure("seconds_left")) is not None:
            since = self.step - (self.speed[-1][0] if self.speed else self.step)
            return max(0.0, told - since * self.seconds_a_step)
        if not self.seconds_a_step or not self.status.total_steps:
            return -1
        return max(0.0, (self.status.total_steps - self.step) * self.seconds_a_step)

    @property
    def seconds_a_step(self) -> float:
        """By the last lines; 0 where it is unknown."""
        if len(self.speed) < 2:
            return 0.0
        (step0, seconds0), (step1, seconds1) = self.speed[0], self.speed[-1]
        return (seconds1 - seconds0) / (step1 - step0) if step1 > step0 else 0.0


def put(series: list[Point], step: float, value: float) -> None:
    if series and series[-1][0] == step:
        series[-1] = (step, value)
    else:
        series.append((step, value))


def same_prompt(one: dict[str, Any], other: dict[str, Any]) -> bool:
    keys = ("number", "prompt", "weights")
    return all(one.get(key) == other.get(key) for key in keys)


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
