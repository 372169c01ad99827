"""A measurement as the output pane knows it: rows that come one by one, then figures.

Knows nothing of widgets.
"""

import time
from dataclasses import dataclass, field
from typing import Literal

from workbench.protocol import (
    Evaluate,
    Evaluated,
    Figure,
    MeasuredRow,
    MetricValue,
    Progress,
    Weights,
)
from workbench.session import Prompt
from workbench.text import one_line
from workbench.ui.units import percent

State = Literal["waiting", "running", "finished", "failed", "cancelled"]
Purpose = Literal["grid", "scores"]
Unit = Literal["share", "score", "ratio"]
# Metrics of whose single rows one cannot say that they are right or wrong.
GRADED = {
    "bleu",
    "chrf",
    "ter",
    "rouge1",
    "rouge2",
    "rougeL",
    "mae",
    "rmse",
    "pearson",
    "spearman",
    "perplexity",
    "judge",
    "reward",
}
RATIOS = {"mae", "rmse", "pearson", "spearman", "matthews", "perplexity"}
LOWER_IS_BETTER = {"ter", "mae", "rmse", "perplexity", "calibration"}


@dataclass(eq=False)
class Measurement:
    """Answers of one variant, from one of the weights, to rows; and what they are worth."""

    name: str  # the variant's
    weights: Weights
    prompt: Prompt
    model: str = ""
    key: str = ""  # what the worker calls it: for Compare, ShowMeasurement, TakeAway
    time: float = field(default_factory=time.time)
    rows: dict[int, MeasuredRow] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    metric: str = ""  # the one that decides, once that is known
    evaluated: Evaluated | None = None
    figure: Figure | None = None  # where it is known from an earlier sitting

    @property
    def graded(self) -> bool:
        return self.metric in GRADED

    def take(self, rows: list[MeasuredRow]) -> None:
        for row in rows:
            self.rows[row.number] = row

    def failed(self) -> list[MeasuredRow]:
        return [row for row in self.rows.values() if row.problem]

    def finish(self, evaluated: Evaluated) -> None:
        self.evaluated, self.metric = evaluated, evaluated.metric
        self.key = evaluated.measurement or self.key
        self.model = evaluated.model or self.model

    @property
    def values(self) -> list[MetricValue]:
        """What was measured, the metric that decides first; of no row at all nothing was."""
        one = self.evaluated
        if (one or self.figure) and not self.of_rows:
            return []
        if one is not None:
            if one.metrics:
                return one.metrics
            name, value, low, high = one.metric, one.value, one.low, one.high
            return [MetricValue(name=name, value=value, low=low, high=high)]  # type: ignore[arg-type]
        if self.figure is not None:
            f = self.figure
            return [
                MetricValue(
                    name=f.metric,  # type: ignore[arg-type]
                    value=f.value,
                    low=f.low,
                    high=f.high,
                    unit=f.unit,
                    better=f.better,
                )
            ]
        return []

    @property
    def of_rows(self) -> int:
        if self.evaluated is not None:
            return self.evaluated.rows
        return self.figure.rows if self.figure is not None else len(self.rows)

    @property
    def step(self) -> int:
        if self.evaluated is not None:
            return self.evaluated.step
        return self.figure.step if self.figure is not None else -1


@dataclass(eq=False)
class Job:
    """The measuring of one variant, while it is under way and after."""

    prompt: Prompt
    model: str
    of: str  # the rows, in words
    purpose: Purpose
    split: str = ""  # whose rows the numbers count; empty: not known yet
    request: Evaluate | None = None  # None: it was measured in an earlier sitting
    state: State = "waiting"
    progress: Progress | None = None
    message: str = ""
    stopping: bool = False
    measurements: dict[Weights, Measurement] = field(default_factory=dict)

    @property
    def under_way(self) -> bool:
        return self.state in ("waiting", "running")

    def measurement(self, weights: Weights) -> Measurement:
        if weights not in self.measurements:
            self.measurements[weights] = Measurement(
                self.prompt.name, weights, self.prompt, self.model
            )
        return self.measurements[weights]


def value_words(value: float, unit: Unit) -> str:
    """A figure in its unit: 51.0 %, 27.3, 1.84."""
    if unit == "share":
        return percent(value)
    return f"{value:,.1f}" if unit == "score" and abs(value) >= 10 else f"{value:,.2f}"


def interval_words(low: float, high: float, unit: Unit) -> str:
    if unit == "share":
        return f"{low * 100:.1f} – {high * 100:.1f} %"
    return f"{value_words(low, unit)} – {value_words(high, unit)}"


def metric_words(metric: str) -> str:
    return one_line(metric.replace("_", " "), 30)


def unit_of(metric: str) -> Unit:
    """The unit of a metric of which only the name is known."""
    return "ratio" if metric in RATIOS else "score" if metric in GRADED else "share"
