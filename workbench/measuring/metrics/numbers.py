"""Metrics of answers that are numbers: how far they are from the right ones, and whether they go
with them.

The figures are those of scikit-learn and SciPy on the same answers. An answer that says no number
cannot be measured: it is named, counted and left out.
"""

import math
import re
from collections.abc import Sequence

import numpy

from workbench.measuring.metrics.metric import SHORT, Metric, Row, RowError, RowMetric, divided
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import NORMAL_95, Array
from workbench.text import one_line

NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")  # the comma in 1,000
MOST_RANKED = 600  # rows up to which each draw is ranked anew: thousands take many seconds
NUMBERS = 2_000_000  # that are ranked at once
ROUNDING = 1e-12  # a variance, of numbers about as large as 1, that is none
CLOSEST = 1 - 1e-12  # of a correlation to 1


def number_in(text: str) -> float | None:
    """The number that a text is, or the only one in it ("4 stars", "Rating: 4.5"); else None."""
    try:
        found = float(text)
    except ValueError:
        numbers = NUMBER.findall(THOUSANDS.sub("", text))
        found = float(numbers[0]) if len(numbers) == 1 else math.nan
    return found if math.isfinite(found) else None


def both(reply: Reply) -> tuple[float, float] | None:
    """The number answered and the right one; None where one of them is none."""
    answered, right = number_in(reply.answer), number_in(reply.expected)
    return None if answered is None or right is None else (answered, right)


def numbers_of(reply: Reply) -> tuple[float, float]:
    """As `both`.

    Raises:
        RowError: where one of them is no number.
    """
    for what, text in (("answer", reply.answer), ("right answer", reply.expected)):
        if number_in(text) is None:
            raise RowError(f'The {what} "{one_line(text, SHORT)}" is no number.')
    found = both(reply)
    assert found is not None
    return found


def columns(rows: Sequence[Row]) -> tuple[Array, Array]:
    """The numbers answered and the right ones: (rows,) each."""
    found = numpy.array([both(reply) for reply, _ in rows], float).reshape(-1, 2)
    return found[:, 0], found[:, 1]


class AbsoluteError(RowMetric):
    """The mean of how far the answers are from the right numbers."""

    name = "mae"
    unit = "ratio"
    better = "lower"
    ceiling = None

    def score(self, reply: Reply) -> float | None:
        answered, right = numbers_of(reply)
        return abs(answered - right)


class RootSquaredError(Metric):
    """The root of the mean squared distance: large mistakes count for more. A row's value is its
    distance."""

    name = "rmse"
    unit = "ratio"
    better = "lower"
    ceiling = None

    def score(self, reply: Reply) -> float | None:
        answered, right = numbers_of(reply)
        return abs(answered - right)

    def statistics(self, rows: Sequence[Row]) -> Array:
        answered, right = columns(rows)
        return numpy.stack([(answered - right) ** 2, numpy.ones(len(answered))], axis=1)

    def of(self, sums: Array) -> Array:
        return numpy.sqrt(divided(sums[..., 0], sums[..., 1]))


class Correlation(Metric):
    """A correlation of the answers with the right numbers; 0 where either are all the same. Rows
    have no value."""

    unit = "ratio"
    floor = -1.0
    scored = False

    def score(self, reply: Reply) -> float | None:
        numbers_of(reply)
        return None

    def counts(self, reply: Reply, score: float | None) -> bool:
        return super().counts(reply, score) and both(reply) is not None

    def notes(self, replies: Sequence[Reply]) -> list[str]:
        pairs = [pair for one in replies if not one.problem and (pair := both(one)) is not None]
        for what, side in (("answers", 0), ("right answers", 1)):
            if len(pairs) > 1 and len({pair[side] for pair in pairs}) == 1:
                return [f"All {what} are the same number: there is no correlation, and 0 is told."]
        return []


class Pearson(Correlation):
    """Pearson's correlation: whether the answers lie on a line with the right numbers."""

    name = "pearson"

    def statistics(self, rows: Sequence[Row]) -> Array:
        """From their means and in their deviations, so that no digit is lost: (rows, 6)."""
        return of_values(*columns(rows))

    def of(self, sums: Array) -> Array:
        return correlation_of(sums)


class Spearman(Correlation):
    """Spearman's correlation: whether more is answered where more is right; Pearson's of the ranks,
    equal numbers sharing the mean of theirs.

    Ranks are no sums over rows. Of up to MOST_RANKED rows each row is a statistic of its own, so
    that every draw is ranked anew; `of` then goes by the rows that `statistics` was last given. Of
    more their ranks are kept, and the interval is that of Bonett and Wright (2000), which takes no
    draws.
    """

    name = "spearman"

    def __init__(self) -> None:
        self.sides: tuple[Array, Array] = (numpy.empty(0), numpy.empty(0))
        self.fixed = False  # ranks are kept

    def statistics(self, rows: Sequence[Row]) -> Array:
        """Which row it is: (rows, rows); of many rows the moments of their ranks: (rows, 6)."""
        self.sides, self.fixed = columns(rows), len(rows) > MOST_RANKED
        if not self.fixed:
            return numpy.eye(len(rows))
        return of_ranks(*self.sides)

    def statistics_of_two(self, rows: Sequence[Row]) -> Array:
        if len(rows) <= MOST_RANKED:
            return self.statistics(rows)
        half, self.fixed = len(rows) // 2, True
        return numpy.concatenate([of_ranks(*columns(part)) for part in (rows[:half], rows[half:])])

    def of(self, sums: Array) -> Array:
        if self.fixed:
            return correlation_of(sums)
        draws = numpy.atleast_2d(sums)
        step = max(1, NUMBERS // draws.shape[-1])
        blocks = [self.ranked_anew(draws[at : at + step]) for at in range(0, len(draws), step)]
        return numpy.concatenate(blocks).reshape(sums.shape[:-1])

    def ranked_anew(self, counts: Array) -> Array:
        """Of how often each row is in each draw: (draws, rows) → (draws)."""
        drawn = counts.any(0)  # of two answers to each row, most draws have those of one
        counts = counts[:, drawn]
        middle = counts.sum(-1, keepdims=True) / 2  # the mean of all ranks
        answered, right = (ranks_of_draws(one[drawn], counts) - middle for one in self.sides)
        weighted = counts * answered
        return correlated(
            (weighted * right).sum(-1), (weighted * answered).sum(-1), (counts * right**2).sum(-1)
        )

    def interval(self, statistics: Array, value: float, drawn: Array) -> tuple[float, float, str]:
        if not self.fixed:
            return super().interval(statistics, value, drawn)
        off = NORMAL_95 * math.sqrt((1 + value**2 / 2) / (len(statistics) - 3))
        middle = math.atanh(max(-CLOSEST, min(CLOSEST, value)))
        low, high = math.tanh(middle - off), math.tanh(middle + off)
        return min(low, value), max(high, value), "Bonett and Wright"


def of_values(answered: Array, right: Array) -> Array:
    """What Pearson's correlation is made of: (rows, 6)."""
    return moments(standard(answered), standard(right))


def of_ranks(answered: Array, right: Array) -> Array:
    """What Spearman's correlation is made of, of rows that are ranked once: (rows, 6)."""
    return moments(*(ranks(one) / len(one) - 0.5 for one in (answered, right)))


def moments(answered: Array, right: Array) -> Array:
    """What a correlation is made of: (rows, 6)."""
    ones = numpy.ones(len(answered))
    return numpy.stack([ones, answered, right, answered**2, right**2, answered * right], axis=1)


def correlation_of(sums: Array) -> Array:
    """The correlation from sums of moments: (…, 6) → (…)."""
    count, answered, right, answered_2, right_2, product = numpy.moveaxis(sums, -1, 0)
    return correlated(
        divided(product - divided(answered * right, count), count),
        divided(answered_2 - divided(answered**2, count), count),
        divided(right_2 - divided(right**2, count), count),
    )


def correlated(product: Array, one: Array, other: Array) -> Array:
    """The correlation from a covariance and two variances; 0 where one varies no more than rounding
    does."""
    spread = numpy.where((one > ROUNDING) & (other > ROUNDING), numpy.sqrt(abs(one * other)), 0.0)
    found: Array = numpy.clip(divided(product, spread), -1.0, 1.0)
    return found


def standard(values: Array) -> Array:
    """From their mean, in their standard deviation; all 0 where they are equal."""
    away = values - values.mean()
    if numpy.ptp(values) == 0:
        return numpy.zeros(len(values))
    found: Array = away / numpy.sqrt((away**2).mean())
    return found


def ranks(values: Array) -> Array:
    """Places in order, from 0.5; equal values share the mean of theirs."""
    return ranks_of_draws(values, numpy.ones(len(values)))


def ranks_of_draws(values: Array, counts: Array) -> Array:
    """The rank of each of the values, (rows,), among draws that have each of them so many times,
    (…, rows): how many are less, and half of those that are equal."""
    _, places = numpy.unique(values, return_inverse=True)
    order = numpy.argsort(places, kind="stable")
    starts = numpy.flatnonzero(numpy.diff(places[order], prepend=-1))
    there = numpy.add.reduceat(counts[..., order], starts, axis=-1)
    middles = there.cumsum(-1) - there / 2
    found: Array = middles[..., places]
    return found
