"""Metrics of answers that are several labels: F1 over all labels given, over each label, and the
share of rows with all of them right.

An answer names its labels one after the other, separated by commas, semicolons, | or lines. The
figures are those of scikit-learn on the same answers.
"""

import re
from collections.abc import Sequence

import numpy

from workbench.measuring.metrics.f1 import macro_f1, micro_f1
from workbench.measuring.metrics.metric import Metric, Row, RowMetric
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import Array


def labels_in(text: str) -> frozenset[str]:
    """The labels that a text names."""
    return frozenset(one for part in re.split(r"[,;|\n]", text) if (one := part.strip()))


class SubsetAccuracy(RowMetric):
    """The share of rows whose labels are all right, and none too many."""

    name = "subset_accuracy"
    binary = True

    def score(self, reply: Reply) -> float | None:
        return float(labels_in(reply.answer) == labels_in(reply.expected))


class SeveralF1(Metric):
    """F1, the harmonic mean of precision and recall, of labels; a row's value is its own F1, 1
    where none is expected and none given."""

    def score(self, reply: Reply) -> float | None:
        given, expected = labels_in(reply.answer), labels_in(reply.expected)
        both = len(given) + len(expected)
        return 2 * len(given & expected) / both if both else 1.0


class MicroF1(SeveralF1):
    """F1 over all labels of all rows together: frequent labels count for more."""

    name = "multilabel_micro_f1"

    def statistics(self, rows: Sequence[Row]) -> Array:
        """Labels given and right, and those given and expected: (rows, 2)."""
        pairs = [(labels_in(reply.answer), labels_in(reply.expected)) for reply, _ in rows]
        found = [(len(one & other), len(one) + len(other)) for one, other in pairs]
        return numpy.array(found, float).reshape(-1, 2)

    def of(self, sums: Array) -> Array:
        return micro_f1(sums[..., :1], sums[..., 1:])


class MeanF1(SeveralF1):
    """The mean over the labels of the F1 of each: rare labels count as much as frequent ones.

    Labels that are neither expected nor given in any row are left out, see `f1`."""

    name = "multilabel_macro_f1"

    def statistics(self, rows: Sequence[Row]) -> Array:
        """Of each label given and expected, and given or expected: (rows, 2 · labels)."""
        pairs = [(labels_in(reply.answer), labels_in(reply.expected)) for reply, _ in rows]
        there = sorted({label for two in pairs for one in two for label in one})
        places = {label: place for place, label in enumerate(there)}
        found = numpy.zeros((len(rows), 2, max(1, len(there))))
        for row, (given, expected) in enumerate(pairs):
            for label in given & expected:
                found[row, 0, places[label]] = 1
            for labels in (given, expected):
                for label in labels:
                    found[row, 1, places[label]] += 1
        return found.reshape(len(rows), -1)

    def of(self, sums: Array) -> Array:
        parts = sums.reshape(*sums.shape[:-1], 2, -1)
        return macro_f1(parts[..., 0, :], parts[..., 1, :])
