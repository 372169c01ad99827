"""Intervals and tests: how sure a figure is, and whether a difference is more than chance.

Knows counts, sums of statistics over rows and functions of such sums; knows nothing of metrics.
Every figure here is a function of sums over rows, so that one draw of the bootstrap is a weighted
sum and thousands of them are a product of two matrices. Draws have a fixed seed: the same rows
give the same interval.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy

Array = numpy.ndarray[Any, numpy.dtype[numpy.float64]]
Of = Callable[[Array], Array]  # sums (draws, statistics) → figures (draws)

NORMAL_95 = 1.959963984540054  # the normal distribution's quantile at 97.5 %
POWER_80 = 0.8416212335729143  # at 80 %
SEED = 20_231
AT_ONCE = 4_000_000  # weights that are in memory at once
NORMAL = NormalDist()


def wilson(right: float, total: int, z: float = NORMAL_95) -> tuple[float, float]:
    """Wilson's score interval of a share, at 95 % unless told otherwise (Wilson, 1927); (0, 1)
    where there are no rows."""
    if total == 0:
        return 0.0, 1.0
    share = right / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # Rounding must not put the share itself outside of its interval.
    return (
        min(share, max(0.0, (middle - spread) / scale)),
        max(share, min(1.0, (middle + spread) / scale)),
    )


def resamples(rows: int, draws: int, seed: int = SEED) -> Iterator[Array]:
    """How often each row is in each draw of `rows` rows with replacement: (some draws, rows)."""
    generator = numpy.random.default_rng(seed)
    step = max(1, AT_ONCE // max(rows, 1))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        places = generator.integers(0, rows, (count, rows))
        places += rows * numpy.arange(count)[:, None]
        counts = numpy.bincount(places.ravel(), minlength=count * rows)
        yield counts.reshape(count, rows).astype(numpy.float64)


def bootstrap(statistics: Array, of: Of, draws: int = 2_000, seed: int = SEED) -> Array:
    """The figure of each of so many draws of the rows with replacement: (draws,).

    `statistics`: (rows, statistics), what each row adds to the sums that `of` makes a figure of.
    """
    return numpy.concatenate(
        [of(weights @ statistics) for weights in resamples(len(statistics), draws, seed)]
    )


def without_each(statistics: Array, of: Of) -> Array:
    """The figure without each of the rows in turn, the jackknife's: (rows,)."""
    return of(statistics.sum(0) - statistics)


def accelerated(value: float, drawn: Array, jackknife: Array) -> tuple[float, float]:
    """The bias-corrected and accelerated 95 % interval (BCa; Efron, 1987) from the figures of the
    draws and those without each row; the percentile interval where BCa is not defined: all draws
    lie on one side of the value, or no row changes it."""
    below = (numpy.count_nonzero(drawn < value) + numpy.count_nonzero(drawn <= value)) / 2
    share = below / len(drawn)
    away = jackknife.mean() - jackknife
    spread = float((away**2).sum()) ** 1.5
    if not 0 < share < 1 or spread < 1e-300:
        low, high = numpy.quantile(drawn, (0.025, 0.975))
        return float(low), float(high)
    bias = NORMAL.inv_cdf(share)
    acceleration = float((away**3).sum()) / (6 * spread)
    low, high = (
        NORMAL.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        for z in (-NORMAL_95, NORMAL_95)
    )
    ends = numpy.quantile(drawn, sorted((low, high)))
    return float(ends[0]), float(ends[1])


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided p-value of McNemar's exact test: how likely so uneven a split (or one more
    uneven) of the rows that changed is, were both directions equally likely. 1 where none did."""
    changed = gained + lost
    if changed == 0:
        return 1.0
    # log of the binomial coefficients, one from the other: log C(n, k + 1) = log C(n, k) + …
    tail = numpy.arange(min(gained, lost), dtype=numpy.float64)
    steps = numpy.log(changed - tail) - numpy.log(tail + 1)
    logs = numpy.concatenate([[0.0], numpy.cumsum(steps)]) - changed * math.log(2)
    return min(1.0, 2 * float(numpy.exp(logs).sum()))


def paired_shares(gained: int, lost: int, rows: int, z: float = NORMAL_95) -> tuple[float, float]:
    """Tango's score interval of the difference of two shares on the same rows (Tango, Statistics in
    Medicine 17, 1998), at 95 %: the differences that a score test does not reject.

    It excludes 0 just where McNemar's test without continuity correction rejects at 5 %."""
    if rows == 0:
        return -1.0, 1.0
    difference = (gained - lost) / rows

    def score(delta: float) -> float:
        """The score statistic of the hypothesis that the difference is `delta`."""
        a = 2 * rows
        b = -gained - lost + (2 * rows - gained + lost) * delta
        c = -lost * delta * (1 - delta)
        other = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        variance = rows * (2 * other + delta * (1 - delta))
        distance = gained - lost - rows * delta
        if variance <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        return distance / math.sqrt(variance)

    def end(outside: float, target: float) -> float:
        inside = difference
        for _ in range(60):
            middle = (inside + outside) / 2
            if abs(score(middle)) > target:
                outside = middle
            else:
                inside = middle
        return inside

    return end(-1.0, z), end(1.0, z)


@dataclass(frozen=True)
class Difference:
    """Of a figure on the same rows: b less a, its 95 % interval, and a two-sided p-value."""

    value: float
    low: float
    high: float
    p_value: float
    deviation: float  # standard deviation of the difference over the draws


def paired(a: Array, b: Array, of: Of, draws: int = 10_000, seed: int = SEED) -> Difference:
    """The difference of a figure between two answers to the same rows.

    `a`, `b`: (rows, statistics), aligned. The interval is BCa over draws of rows, the same rows
    for both. The p-value is that of the paired permutation test, also called approximate
    randomisation (Noreen, 1989; Riezler and Maxwell, 2005): in each draw the two answers to each
    row are exchanged at random, and (1 + draws at least as far apart) / (1 + draws) is told. It
    holds its level where a p-value read off the bootstrap is too small on few rows.
    """
    together = numpy.concatenate([a, b], axis=1)
    width = a.shape[1]

    def between(sums: Array) -> Array:
        return of(sums[:, width:]) - of(sums[:, :width])

    value = float(between(together.sum(0)[None])[0])
    drawn = bootstrap(together, between, draws, seed)
    low, high = accelerated(value, drawn, without_each(together, between))
    return Difference(
        value=value,
        low=min(low, value),
        high=max(high, value),
        p_value=exchanged(a, b, of, draws, seed + 1),
        deviation=float(drawn.std()),
    )


def exchanged(a: Array, b: Array, of: Of, draws: int, seed: int) -> float:
    """The p-value of the paired permutation test, see `paired`."""
    sums_a, sums_b, change = a.sum(0), b.sum(0), b - a
    observed = abs(float(of(sums_b[None])[0] - of(sums_a[None])[0]))
    # Rounding must not make a draw that is the observed one less extreme than it.
    least = observed - 1e-9 * max(1.0, observed)
    generator = numpy.random.default_rng(seed)
    step = max(1, AT_ONCE // max(len(a), 1))
    far = 0
    for start in range(0, draws, step):
        count = min(step, draws - start)
        moved = (generator.random((count, len(a))) < 0.5).astype(numpy.float64) @ change
        far += int(numpy.count_nonzero(abs(of(sums_b - moved) - of(sums_a + moved)) >= least))
    return (1 + far) / (1 + draws)


def rows_needed(difference: float, deviation: float, rows: int) -> int:
    """How many rows would show a difference of this size at 5 % in four of five attempts (power
    80 %), given its standard deviation on so many rows; 0 where no number would."""
    if difference == 0 or deviation == 0:
        return 0
    share = (NORMAL_95 + POWER_80) * deviation / abs(difference)
    return max(rows, math.ceil(rows * share * share))
