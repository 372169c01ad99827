"""Metrics of answers chosen among labels: accuracy, macro F1, Matthews' correlation, confusion.

An answer that is none of the labels is wrong; it counts as a prediction of a class that no row has.
The figures are those of scikit-learn on the same answers.
"""

from collections.abc import Sequence

import numpy

from workbench.measuring.metrics.f1 import macro_f1
from workbench.measuring.metrics.metric import Metric, Row, RowMetric, divided
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import Array


class Accuracy(RowMetric):
    """The share of rows whose answer is the expected one, spaces around it aside."""

    name = "accuracy"
    binary = True

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.labels = {label.strip() for label in labels}

    def score(self, reply: Reply) -> float | None:
        return float(reply.answer.strip() == reply.expected.strip())

    def notes(self, replies: Sequence[Reply]) -> list[str]:
        if not self.labels:
            return []
        answered = [reply.answer.strip() for reply in replies if not reply.problem]
        other = sum(answer not in self.labels for answer in answered)
        if not other:
            return []
        return [
            f"{other:,} of {len(answered):,} answers are none of the labels: they count as wrong "
            "and are missing in the confusion matrix."
        ]


class ClassMetric(Metric):
    """A metric of how often each class was expected, answered and both; rows have no value."""

    scored = False

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = [label.strip() for label in labels]

    def statistics(self, rows: Sequence[Row]) -> Array:
        """Of each class that occurs, and one for all other answers: expected and answered,
        answered, expected; (rows, 3 · classes)."""
        expected = [reply.expected.strip() for reply, _ in rows]
        answers = [reply.answer.strip() for reply, _ in rows]
        occurring = {*expected, *answers}
        there = [label for label in dict.fromkeys(self.labels) if label in occurring]
        places = {label: place for place, label in enumerate(there)}
        each, classes = numpy.arange(len(rows)), len(there) + 1
        truth = numpy.array([places.get(one, len(there)) for one in expected], int)
        chosen = numpy.array([places.get(one, len(there)) for one in answers], int)
        found = numpy.zeros((len(rows), 3, classes))
        found[each, 0, truth] = (truth == chosen) & (truth < len(there))
        found[each, 1, chosen] = 1
        found[each, 2, truth] = 1
        return found.reshape(len(rows), 3 * classes)


def by_class(sums: Array) -> tuple[Array, Array, Array]:
    """Hits, answers and expected answers of each class, the last class being all other answers."""
    parts = sums.reshape(*sums.shape[:-1], 3, -1)
    return parts[..., 0, :], parts[..., 1, :], parts[..., 2, :]


class MacroF1(ClassMetric):
    """The mean over the labels of F1, the harmonic mean of precision and recall.

    Labels that are neither expected nor answered in any row are left out, as scikit-learn does."""

    name = "macro_f1"

    def of(self, sums: Array) -> Array:
        hits, answered, expected = (part[..., :-1] for part in by_class(sums))
        return macro_f1(hits, answered + expected)


class Matthews(ClassMetric):
    """Matthews' correlation coefficient of any number of classes (Gorodkin, 2004); 0 where only one
    class was expected, or answered."""

    name = "matthews"
    unit = "ratio"
    floor = -1.0

    def of(self, sums: Array) -> Array:
        return matthews(*by_class(sums))


def matthews(hits: Array, answered: Array, expected: Array) -> Array:
    """Matthews' correlation from how often each class was answered rightly, answered and expected:
    (…, classes) each → (…)."""
    rows = expected.sum(-1)
    covariance = hits.sum(-1) * rows - (answered * expected).sum(-1)
    of_answers = rows**2 - (answered**2).sum(-1)
    of_expected = rows**2 - (expected**2).sum(-1)
    return divided(covariance, numpy.sqrt(of_answers * of_expected))


def confusion(replies: Sequence[Reply], labels: Sequence[str]) -> list[list[int]]:
    """How often each label was answered for each: [expected][answered], as the labels are ordered.
    Failed rows and answers that are no label are left out."""
    places = {label.strip(): place for place, label in enumerate(labels)}
    table = [[0] * len(labels) for _ in labels]
    for reply in replies:
        row, column = places.get(reply.expected.strip()), places.get(reply.answer.strip())
        if not reply.problem and row is not None and column is not None:
            table[row][column] += 1
    return table
