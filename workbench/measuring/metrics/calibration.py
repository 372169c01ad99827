"""Calibration: whether answers given with 80 % confidence are right 80 % of the time."""

from collections.abc import Callable, Sequence

import numpy

from workbench.measuring.metrics.metric import Metric, Row, divided
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import Array

BINS = 10
EDGES = numpy.linspace(0, 1, BINS + 1)[1:-1]

Right = Callable[[Reply], bool]


class Calibration(Metric):
    """The expected calibration error (Guo et al., 2017): the distance between mean confidence and
    share of right answers in each of ten equal bins of confidence (a bin holds its upper edge),
    weighted by the rows in it. Rows have no value."""

    name = "calibration"
    words = "calibration error"
    better = "lower"
    needs = "confidence"
    scored = False

    def __init__(self, right: Right) -> None:
        self.right = right

    def counts(self, reply: Reply, score: float | None) -> bool:
        return super().counts(reply, score) and reply.confidence is not None

    def statistics(self, rows: Sequence[Row]) -> Array:
        """Rows, confidence and right answers in each bin: (rows, 3 · bins)."""
        confidence = numpy.array([reply.confidence or 0.0 for reply, _ in rows], float).clip(0, 1)
        right = numpy.array([self.right(reply) for reply, _ in rows], float)
        places, each = numpy.searchsorted(EDGES, confidence), numpy.arange(len(rows))
        found = numpy.zeros((len(rows), 3, BINS))
        found[each, 0, places] = 1
        found[each, 1, places] = confidence
        found[each, 2, places] = right
        return found.reshape(len(rows), 3 * BINS)

    def of(self, sums: Array) -> Array:
        parts = sums.reshape(*sums.shape[:-1], 3, BINS)
        distance = numpy.abs(parts[..., 1, :] - parts[..., 2, :]).sum(-1)
        return divided(distance, parts[..., 0, :].sum(-1))

    def bins(self, replies: Sequence[Reply]) -> list[tuple[float, float, int]]:
        """Of each bin that holds a row, for a reliability diagram: mean confidence, share of right
        answers, rows."""
        there: list[Row] = [(reply, None) for reply in replies if self.counts(reply, None)]
        sums = self.statistics(there).sum(0).reshape(3, BINS)
        return [
            (float(confidence / rows), float(right / rows), int(rows))
            for rows, confidence, right in sums.T
            if rows
        ]
