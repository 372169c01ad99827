"""Measurements, comparisons, versions and searches: what they are told with."""

from typing import Literal

import msgspec

from workbench.protocol.base import Event, Weights
from workbench.session import Metric, Prompt


class MeasuredRow(msgspec.Struct, frozen=True, kw_only=True):
    number: int  # of the row in its table, from 0
    expected: str
    answer: str
    value: float | None = None  # of the metric that decides; None: not of single rows, or failed
    scores: dict[str, float] = {}  # of the others that single rows have
    confidence: float | None = None  # probability of the chosen label, or of the answer
    problem: str = ""  # why there is no answer: it can be asked again
    cached: bool = False


class RowsMeasured(Event):
    """Rows whose answers have come since the last; `done` of `total` are there."""

    measurement: str
    weights: Weights
    rows: list[MeasuredRow]
    done: int = 0
    total: int = 0
    split: str = ""  # of the rows, where it is not the one looked at

    def merge(self, later: "RowsMeasured") -> "RowsMeasured | None":
        """Both as one, or None where they do not belong together."""
        if (self.request, self.measurement) != (later.request, later.measurement):
            return None
        return msgspec.structs.replace(later, rows=self.rows + later.rows)


class MetricValue(msgspec.Struct, frozen=True, kw_only=True):
    name: Metric
    value: float
    low: float  # 95 % interval
    high: float
    unit: Literal["share", "score", "ratio"] = "share"  # 0…1; 0…100 or a scale; from 0 on
    better: Literal["higher", "lower"] = "higher"
    interval: str = ""  # how: Wilson, bootstrap of 2,000 draws
    signature: str = ""  # how the value came about, as sacrebleu writes it, to be cited


class Evaluated(Event):
    weights: Weights
    rows: int
    metric: str  # the one that decides: accuracy, exact match …
    value: float  # 0 … 1, or as its MetricValue says
    low: float  # 95 % interval (Wilson)
    high: float
    seconds: float
    labels: list[str] = []
    confusion: list[list[int]] = []  # [expected][chosen]
    left_out: int = 0  # rows that are longer than max_length or the context
    step: int = -1
    measurement: str = ""  # names it for Compare, ShowMeasurement, TakeAway
    prompt: str = ""  # the variant's name
    model: str = ""
    metrics: list[MetricValue] = []  # the one that decides first
    calibration: list[tuple[float, float, int]] = []  # bins: mean confidence, share right, rows
    failed: int = 0  # rows without an answer: the server refused them, say
    cached: int = 0  # rows whose answer was known
    notes: list[str] = []  # such as: examples of the prompt are among the rows measured
    split: str = ""  # of the rows, where it is not the one looked at


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A row that the two answer differently."""

    number: int
    expected: str
    a: str  # the answers
    b: str
    value_a: float
    value_b: float


class Compared(Event):
    a: str  # the measurements, and their names
    b: str
    name_a: str
    name_b: str
    metric: str
    rows: int  # that both have
    value_a: float
    value_b: float
    difference: float  # b - a
    low: float  # 95 % interval of the difference
    high: float
    p_value: float
    test: str  # McNemar's exact test; paired bootstrap of 10,000 draws
    verdict: str  # one sentence
    gained: list[Changed] = []  # wrong (worse) with a, right (better) with b
    lost: list[Changed] = []
    notes: list[str] = []


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement in short."""

    measurement: str
    time: float
    weights: Weights
    model: str
    metric: str
    value: float
    low: float
    high: float
    rows: int
    step: int = -1
    unit: Literal["share", "score", "ratio"] = "share"
    better: Literal["higher", "lower"] = "higher"
    complete: bool = True


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A wording as it was when it was run."""

    version: str  # a hash of all that makes its answers what they are
    name: str
    prompt: Prompt
    first_run: float  # seconds since 1970
    last_run: float
    answers: int  # single answers that were asked for
    figures: list[Figure] = []


class Versions(Event):
    versions: list[Version]


class MeasurementShown(Event):
    figure: Figure
    prompt: Prompt
    evaluated: Evaluated
    rows: list[MeasuredRow]


class TakenAway(Event):
    text: str
    path: str = ""  # where it was written


class CandidateTried(Event):
    index: int  # from 1
    total: int  # 0: as long as the budget lasts
    prompt: Prompt
    what: str  # what was changed, in words
    value: float  # on the development rows
    low: float
    high: float
    rows: int
    best: bool  # it is the best so far
    best_value: float
    spent: int = 0  # answers that were asked for
    budget: int = 0
    parent: int = 0  # the candidate that it was made from


class Optimized(Event):
    """The best prompt, and what it is worth on rows that the search never saw."""

    prompt: Prompt
    start: Prompt
    metric: str
    development_start: float
    development_best: float
    held_out: Compared | None  # a: the starting prompt, b: the best; None: stopped before
    tried: int
    seconds: float
    words: str  # one sentence
