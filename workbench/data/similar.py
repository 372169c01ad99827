"""Texts that are nearly the same: MinHash and locality-sensitive hashing find pairs that may be,
and the Jaccard index of their sets of SHINGLE characters says which are (Broder, 1997).

Knows texts; not which rows they are of.
"""

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.data.engine import Stopped

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

SHINGLE = 5  # characters
ALIKE = 0.8  # Jaccard index from which two texts are nearly the same
# A pair of index 0.8 shares one of 21 bands of 6 rows with a chance of 99.8 %.
BANDS, ROWS = 21, 6
AT_ONCE = 1000  # texts
COMPARED = 50  # earlier texts that one is compared with
CACHED = 500  # sets of shingles, of up to a megabyte each


def shingles(text: str) -> frozenset[str]:
    """All runs of SHINGLE characters; of a shorter text the text itself."""
    if len(text) <= SHINGLE:
        return frozenset([text])
    return frozenset(text[at : at + SHINGLE] for at in range(len(text) - SHINGLE + 1))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def repeated(texts: Sequence[str], stopped: threading.Event) -> list[int]:
    """The places of texts that are nearly the same as an earlier one that is not among them.

    Raises:
        Stopped: once `stopped` is set.
    """
    sets = lru_cache(maxsize=CACHED)(lambda place: shingles(texts[place]))
    out: set[int] = set()
    for later, earlier in candidates(texts, stopped):
        if stopped.is_set():
            raise Stopped
        kept = [one for one in earlier if one not in out][:COMPARED]
        mine = sets(later)
        if any(jaccard(mine, sets(one)) >= ALIKE for one in kept):
            out.add(later)
    return sorted(out)


def candidates(texts: Sequence[str], stopped: threading.Event) -> Iterator[tuple[int, list[int]]]:
    """Each text in turn that may be like earlier ones, and those."""
    bands = signatures(texts, stopped)  # [text][band]
    seen: list[dict[int, list[int]]] = [{} for _ in range(BANDS)]
    repeats = [repeating(bands[:, band]) for band in range(BANDS)]
    for place in range(len(texts)):
        found: dict[int, None] = {}
        for band in range(BANDS):
            if repeats[band][place]:
                alike = seen[band].setdefault(int(bands[place, band]), [])
                found.update(dict.fromkeys(alike))
                if len(alike) < COMPARED:
                    alike.append(place)
        if found:
            yield place, sorted(found)


def repeating(codes: "Array") -> "Array":
    """For each code whether it comes more than once: no other needs to be remembered."""
    import numpy

    order = numpy.argsort(codes, kind="stable")
    ordered = codes[order]
    same = ordered[1:] == ordered[:-1]
    found = numpy.zeros(len(codes), bool)
    found[order[1:][same]] = True
    found[order[:-1][same]] = True
    return found


def signatures(texts: Sequence[str], stopped: threading.Event) -> "Array":
    """A number for each band of each text's MinHash: [text, band] of uint64."""
    import numpy
    from rensa import RMinHash

    found = numpy.empty((len(texts), BANDS), numpy.uint64)
    weights = numpy.random.default_rng(0).integers(1, 1 << 63, ROWS, numpy.uint64)
    for start in range(0, len(texts), AT_ONCE):
        if stopped.is_set():
            raise Stopped
        block = texts[start : start + AT_ONCE]
        hashes, offsets = hashed(block)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, BANDS * ROWS, 1)
        rows = numpy.array(matrix.to_rows(), numpy.uint64).reshape(len(block), BANDS, ROWS)
        found[start : start + len(block)] = (rows * weights * 2 + rows).sum(axis=2)
    return found


def hashed(texts: Sequence[str]) -> "tuple[Array, Array]":
    """Hashes (uint64) of all shingles of all texts, and where each text's begin (and all end)."""
    import numpy

    padded = [text.ljust(SHINGLE) for text in texts]
    codes = numpy.frombuffer(
        "".join(padded).encode("utf-32-le", "surrogatepass"), numpy.uint32
    ).astype(numpy.uint64)
    lengths = numpy.array([len(text) for text in padded])
    weights = numpy.random.default_rng(1).integers(1, 1 << 63, SHINGLE, numpy.uint64)
    count = len(codes) - SHINGLE + 1
    hashes = numpy.zeros(count, numpy.uint64)
    for place in range(SHINGLE):
        hashes += codes[place : place + count] * (
            weights[place] * numpy.uint64(2) + numpy.uint64(1)
        )
    hashes ^= hashes >> numpy.uint64(32)  # the low bits count, too
    ends = numpy.cumsum(lengths)
    # What crosses from one text into the next is none of theirs.
    inside = numpy.ones(count, bool)
    for back in range(1, SHINGLE):
        inside[ends[:-1] - back] = False
    offsets = numpy.concatenate([[0], numpy.cumsum(lengths - SHINGLE + 1)]).astype(numpy.uint64)
    return hashes[inside], offsets
