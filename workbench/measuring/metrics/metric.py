"""What a metric is: what it makes of one row, and of all of them.

A figure over rows is always a function of sums over them: each row has a few statistics, their sums
make the figure. So the same few lines give the figure, its interval and its comparison, for a share
as for BLEU. Knows nothing of which metrics there are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy

from workbench.measuring.replies import Reply
from workbench.measuring.statistics import Array, accelerated, without_each
from workbench.session import Metric as MetricName

Need = Literal["", "labels", "confidence", "likelihood", "grade", "reward", "pair"]
WORDS: dict[MetricName, str] = {  # the names of metrics for the person
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "matthews": "Matthews correlation",
    "exact_match": "exact match",
    "contains": "contains",
    "regex": "pattern matches",
    "json_schema": "JSON of the schema",
    "function": "own function",
    "bleu": "BLEU",
    "chrf": "chrF",
    "ter": "TER",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "multilabel_micro_f1": "micro F1 of several labels",
    "multilabel_macro_f1": "macro F1 of several labels",
    "subset_accuracy": "all labels right",
    "perplexity": "perplexity",
    "calibration": "calibration error",
    "judge": "judge's grade",
    "reward": "reward model's score",
    "preferred": "right answer preferred",
}
Row = tuple[Reply, float | None]  # and its value
SHORT = 60  # characters of an answer or a pattern that a sentence can carry


class RowError(Exception):
    """A row that a metric cannot measure; the text is one sentence for the person."""


class Metric(ABC):
    """Measures replies. Made for one measurement; close it at its end."""

    name: MetricName
    unit: Literal["share", "score", "ratio"] = "share"
    better: Literal["higher", "lower"] = "higher"
    floor: float | None = 0.0  # the lowest and the highest figure that there can be
    ceiling: float | None = 1.0
    needs: ClassVar[Need] = ""  # what a reply has to have beside its answer
    against: ClassVar[bool] = True  # it compares with the expected answer
    scored: ClassVar[bool] = True  # only rows that have a value are part of the figure
    binary: bool = False  # a row is right (1) or wrong (0), and the figure is the share

    @property
    def words(self) -> str:
        """Its name for the person."""
        return WORDS[self.name]

    def score(self, reply: Reply) -> float | None:  # noqa: ARG002 - single rows may have none
        """The value of one row; None where the reply lacks what it takes.

        Raises:
            RowError: when this row cannot be measured.
        """
        return None

    def counts(self, reply: Reply, score: float | None) -> bool:
        """Whether the row is part of the figure: failed rows never are."""
        return not reply.problem and (score is not None or not self.scored)

    @abstractmethod
    def statistics(self, rows: Sequence[Row]) -> Array:
        """What each row adds to the sums: (rows, statistics). All of them count, see `counts`."""

    def statistics_of_two(self, rows: Sequence[Row]) -> Array:
        """As `statistics`, of two answers to each row: the rows with the first, then the same rows
        with the second. Together, so that they are of one kind."""
        return self.statistics(rows)

    @abstractmethod
    def of(self, sums: Array) -> Array:
        """The figures of sums of statistics: (…, statistics) → (…); finite whatever the sums."""

    def interval(self, statistics: Array, value: float, drawn: Array) -> tuple[float, float, str]:
        """The 95 % interval of a value, from the figures of draws of the rows, and how it came."""
        low, high = accelerated(value, drawn, without_each(statistics, self.of))
        return min(low, value), max(high, value), f"bootstrap of {len(drawn):,} draws (BCa)"

    def notes(self, replies: Sequence[Reply]) -> list[str]:  # noqa: ARG002 - most have none
        """What the person should know to read the figure, a sentence each."""
        return []

    def signature(self) -> str:
        """How the figure comes about, in its library's own short form; "" where there is none."""
        return ""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """End what runs for it."""


class RowMetric(Metric):
    """A metric whose figure is the mean of its rows' values."""

    def statistics(self, rows: Sequence[Row]) -> Array:
        values = numpy.array([score for _, score in rows], float)
        return numpy.stack([values, numpy.ones(len(values))], axis=1)

    def of(self, sums: Array) -> Array:
        return divided(sums[..., 0], sums[..., 1])


def divided(above: Array, below: Array) -> Array:
    """The quotient; 0 where there is nothing to divide by."""
    found: Array = numpy.zeros(numpy.shape(above))
    return numpy.divide(above, below, out=found, where=below != 0)
