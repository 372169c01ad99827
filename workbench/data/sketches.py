"""What can be said of millions of values while they pass by, in little memory.

Knows hashes, lengths and numbers; not what they are of. Exact until there is too much to keep.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

KEPT = 65_536  # hashes counted
SMALLEST = 262_144  # hashes kept: a count of more different values is off by some 0.2 %
PLACE = 17  # bits of a place in a batch
NOTICED = 16
SAMPLE = 200_000  # numbers kept; quantiles of more are those of a sample
COUNTED = 1 << 16  # sizes that are counted one by one
BINS = 24


def different(hashes: "Array") -> "tuple[Array, Array, Array]":
    """The different ones (sorted, without their lowest PLACE bits), how often each comes, and the
    first place where it does; of fewer than 2 ** PLACE hashes.

    The place takes the lowest bits, so that one plain sort, which is vectorised, does it all.
    """
    import numpy

    places = numpy.arange(len(hashes), dtype=numpy.uint64)
    ordered = numpy.sort((hashes >> numpy.uint64(PLACE) << numpy.uint64(PLACE)) | places)
    codes = ordered >> numpy.uint64(PLACE)
    new = numpy.flatnonzero(numpy.concatenate([[True], codes[1:] != codes[:-1]]))
    counts = numpy.diff(new, append=len(codes))
    first = ordered[new] & numpy.uint64((1 << PLACE) - 1)
    return codes[new] << numpy.uint64(PLACE), counts, first.astype(numpy.int64)


class Frequent:
    """How often each hash comes.

    Beyond KEPT different ones the rarest are forgotten now and then, and a new one is noticed at
    its second appearance in a batch, or with a chance of one in NOTICED: counts are a little low.
    """

    def __init__(self) -> None:
        import numpy

        self.hashes = numpy.empty(0, numpy.uint64)  # sorted
        self.counts = numpy.empty(0, numpy.int64)
        self.rows = numpy.empty(0, numpy.int64)  # one in which the value is
        self.exact = True

    def add(self, hashes: "Array", rows: "Array") -> "Array":
        """Returns the different hashes, sorted."""
        import numpy

        if not len(hashes):
            return hashes
        new, counts, first = different(hashes)
        places = numpy.searchsorted(self.hashes, new)
        known = numpy.zeros(len(new), bool)
        inside = places < len(self.hashes)
        known[inside] = self.hashes[places[inside]] == new[inside]
        self.counts[places[known]] += counts[known]
        other = ~known
        if not self.exact:
            other &= (counts > 1) | (first % NOTICED == 0)
        if other.any():
            self.hashes = numpy.insert(self.hashes, places[other], new[other])
            self.counts = numpy.insert(self.counts, places[other], counts[other])
            self.rows = numpy.insert(self.rows, places[other], rows[first[other]])
        if len(self.hashes) > 2 * KEPT:
            self.forget()
        return new

    def forget(self) -> None:
        import numpy

        self.exact = False
        kept = numpy.sort(numpy.argpartition(self.counts, -KEPT)[-KEPT:])
        self.hashes, self.counts, self.rows = (
            self.hashes[kept],
            self.counts[kept],
            self.rows[kept],
        )

    def most(self, count: int) -> list[tuple[int, int, int]]:
        """The most frequent: hash, count, a row in which it is; by count, then by row."""
        import numpy

        order = numpy.lexsort((self.rows, -self.counts))[:count]
        return [(int(self.hashes[i]), int(self.counts[i]), int(self.rows[i])) for i in order]


class Distinct:
    """How many different hashes: by the SMALLEST smallest of them (Bar-Yossef et al., 2002)."""

    def __init__(self) -> None:
        import numpy

        self.smallest = numpy.empty(0, numpy.uint64)  # sorted
        self.waiting: list[Array] = []
        self.exact = True

    def add(self, hashes: "Array") -> None:
        """Of hashes as `different` gives them."""
        if not self.exact:
            hashes = hashes[hashes < self.smallest[-1]]
        self.waiting.append(hashes)
        if sum(map(len, self.waiting)) > SMALLEST // 4:
            self.settle()

    def settle(self) -> None:
        import numpy

        both = numpy.sort(numpy.concatenate([self.smallest, *self.waiting]))
        self.waiting = []
        if len(both):
            both = both[numpy.concatenate([[True], both[1:] != both[:-1]])]
        self.exact = self.exact and len(both) <= SMALLEST
        self.smallest = both[:SMALLEST]

    def count(self) -> int:
        self.settle()
        if self.exact:
            return len(self.smallest)
        return round((SMALLEST - 1) / (int(self.smallest[-1]) / 2.0**64))


class Sizes:
    """Whole numbers from 0, such as lengths: counted one by one, so that all is exact."""

    def __init__(self) -> None:
        import numpy

        self.counts = numpy.zeros(0, numpy.int64)  # of the sizes below COUNTED
        self.large: dict[int, int] = {}

    def add(self, sizes: "Array") -> None:
        import numpy

        small = sizes[sizes < COUNTED]
        found = numpy.bincount(small) if len(small) else numpy.zeros(0, numpy.int64)
        if len(found) > len(self.counts):
            found, self.counts = self.counts, found
        self.counts[: len(found)] += found
        if len(small) < len(sizes):
            for size, count in zip(
                *numpy.unique(sizes[sizes >= COUNTED], return_counts=True), strict=True
            ):
                self.large[int(size)] = self.large.get(int(size), 0) + int(count)

    def statistics(self) -> dict[str, Any]:
        import numpy

        small = numpy.flatnonzero(self.counts)
        large = sorted(self.large)
        values = numpy.concatenate([small, numpy.array(large, numpy.int64)])
        counts = numpy.concatenate(
            [self.counts[small], numpy.array([self.large[one] for one in large], numpy.int64)]
        )
        return statistics(values.astype(float), counts)


class Numbers:
    """Any numbers: their ends and mean are exact, their quantiles those of a sample of SAMPLE."""

    def __init__(self) -> None:
        import numpy

        self.count, self.total = 0, 0.0
        self.low, self.high = float("inf"), float("-inf")
        self.sample = numpy.empty(0)
        self.rate = 1.0
        self.random = numpy.random.default_rng(0)

    def add(self, values: "Array") -> None:
        import numpy

        values = values[numpy.isfinite(values)]
        if not len(values):
            return
        self.count += len(values)
        self.total += float(values.sum())
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        chosen = values if self.rate == 1 else values[self.random.random(len(values)) < self.rate]
        self.sample = numpy.concatenate([self.sample, chosen])
        while len(self.sample) > SAMPLE:
            self.sample = self.sample[self.random.random(len(self.sample)) < 0.5]
            self.rate /= 2

    def statistics(self) -> dict[str, Any]:
        import numpy

        if not self.count:
            return {}
        values = numpy.concatenate([self.sample, [self.low, self.high]])
        weights = numpy.concatenate([numpy.full(len(self.sample), 1 / self.rate), [0, 0]])
        found = statistics(values, weights, self.count)
        return {**found, "mean": self.total / self.count}


def statistics(values: "Array", weights: "Array", count: int = 0) -> dict[str, Any]:
    """Ends, mean, quantiles and histogram of values that come so often each; {} of none.

    Quantiles are values that are there (the lower of two): half of all are at most the median.
    """
    import numpy

    if not len(values):
        return {}
    order = numpy.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    below = numpy.cumsum(weights)
    total = below[-1]
    median, p95 = (
        float(values[min(numpy.searchsorted(below, share * total), len(values) - 1)])
        for share in (0.5, 0.95)
    )
    low, high = float(values[0]), float(values[-1])
    if low == high:
        bins = numpy.array([float(total)] + [0.0] * (BINS - 1))
    else:
        scaled = (values / 2 - low / 2) / (high / 2 - low / 2)  # halves: no overflow
        places = numpy.minimum((scaled * BINS).astype(int), BINS - 1)
        bins = numpy.bincount(places, weights, BINS).astype(float)
    if count:  # of a sample: as if of all
        bins = bins * (count / total)
    return {
        "low": low,
        "mean": float((values * weights).sum() / total),
        "median": median,
        "p95": p95,
        "high": high,
        "histogram": [round(one) for one in bins],
    }
