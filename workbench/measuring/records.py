"""A measurement as it is kept: what was measured and how, its rows, and what came of it.

Knows shapes, and how they become JSON; knows nothing of where they are kept.
"""

import json
from typing import Any, TypeVar

import msgspec

from workbench.measuring.replies import Reply
from workbench.protocol import Evaluated, Figure, MeasuredRow, Weights
from workbench.session import EvaluationSettings, GenerationSettings, Prompt

T = TypeVar("T")


class StoredRow(msgspec.Struct, frozen=True, kw_only=True):
    """A measured row as it is kept: what was known of it, and its values by metric."""

    reply: Reply  # without the row's values
    scores: dict[str, float] = {}
    problem: str = ""  # why there is no answer, or why a metric could not measure it

    def told(self, metric: str) -> MeasuredRow:
        """The row as it is shown: `metric` decides."""
        return MeasuredRow(
            number=self.reply.number,
            expected=self.reply.expected,
            answer=self.reply.answer,
            value=self.scores.get(metric),
            scores={name: value for name, value in self.scores.items() if name != metric},
            confidence=self.reply.confidence,
            problem=self.problem or self.reply.problem,
            cached=self.reply.cached,
        )


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, and how."""

    prompt: Prompt
    model: str  # its name
    weights: Weights
    evaluation: EvaluationSettings
    generation: GenerationSettings
    metrics: list[str] = []  # their names, the one that decides first
    labels: list[str] = []
    step: int = -1
    total: int = 0  # rows to measure
    dataset: str = ""  # where the rows come from: its fingerprint, or its name
    adapter: str = ""  # of tuned weights: the run or the folder that they come from


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement as it is kept. `evaluated` is None as long as it is not finished."""

    id: str
    session: str
    version: str
    begun: float
    complete: bool
    about: About
    evaluated: Evaluated | None
    rows: list[StoredRow]

    @property
    def metric(self) -> str:
        """The name of the metric that decides."""
        return self.about.metrics[0] if self.about.metrics else ""

    @property
    def figure(self) -> Figure:
        return figure_of(self.id, self.begun, self.complete, self.about, self.evaluated)


def figure_of(
    id: str, begun: float, complete: bool, about: About, evaluated: Evaluated | None
) -> Figure:
    """A measurement in short. What is not measured yet is 0 of 0 rows."""
    first = evaluated.metrics[0] if evaluated and evaluated.metrics else None
    return Figure(
        measurement=id,
        time=begun,
        weights=about.weights,
        model=about.model,
        metric=evaluated.metric if evaluated else next(iter(about.metrics), ""),
        value=evaluated.value if evaluated else 0.0,
        low=evaluated.low if evaluated else 0.0,
        high=evaluated.high if evaluated else 0.0,
        rows=evaluated.rows if evaluated else 0,
        step=about.step,
        unit=first.unit if first else "share",
        better=first.better if first else "higher",
        complete=complete,
    )


def packed(value: Any) -> bytes:
    """A value as JSON of ASCII characters: any text survives it, lone surrogates, too."""
    return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode("ascii")


def unpacked(value: bytes, kind: type[T]) -> T:
    return msgspec.convert(json.loads(value), kind)


def maybe(value: bytes | None) -> Evaluated | None:
    return unpacked(value, Evaluated) if value is not None else None
