"""Calibration: whether answers given with 80 % confidence are right 80 % of the time."""

from collections.abc import Callable, Sequence

import numpy

from workbench.measuring.metrics.metric import Metric, Row, divided
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import AT_ONCE, SEED, Array

BINS = 10
EDGES = numpy.linspace(0, 1, BINS + 1)[1:-1]

Right = Callable[[Reply], bool]


class Calibration(Metric):
    """The expected calibration error (Guo et al., 2017): the distance between mean confidence and
    share of right answers in each of ten equal bins of confidence (a bin holds its upper edge),
    weighted by the rows in it. Rows have no value."""

    name = "calibration"
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

    def interval(self, statistics: Array, value: float, drawn: Array) -> tuple[float, float, str]:
        """The error of few rows is too large on average, that of draws of them twice so: the
        interval reaches as far below the value as the draws do above it; and to 0 where a
        perfectly calibrated model would show as much in one of 20 samples like this."""
        high = float(numpy.quantile(drawn, 0.975))
        low = max(0.0, 2 * value - high)
        if value <= numpy.quantile(self.of_perfect(statistics, len(drawn)), 0.95):
            low = 0.0
        words = f"bootstrap of {len(drawn):,} draws, test of perfect calibration"
        return min(low, value), max(high, value), words

    def of_perfect(self, statistics: Array, draws: int) -> Array:
        """The errors of a model that is right as often as it is confident, on these rows
        (consistency resampling; Bröcker and Smith, 2007): (draws,)."""
        parts = statistics.reshape(-1, 3, BINS)
        there, confidence = parts[:, 0], parts[:, 1].sum(-1)
        generator, found = numpy.random.default_rng(SEED), []
        step = max(1, AT_ONCE // max(len(confidence), 1))
        for start in range(0, draws, step):
            count = min(step, draws - start)
            right = generator.random((count, len(confidence))) < confidence
            distance = numpy.abs(parts[:, 1].sum(0) - right.astype(float) @ there)
            found.append(distance.sum(-1) / len(confidence))
        return numpy.concatenate(found)

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
