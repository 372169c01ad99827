"""The development rows of a search: drawn from the rows to train on, apart from those that examples
are taken from, and never from the rows that are measured on.

Knows rows and answers; knows nothing of how a search uses them.
"""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.catalogue import SourceError
from workbench.data.selection import Selection
from workbench.prompting.drawing import drawn
from workbench.prompting.shots import MOST_ANSWERS, Shot, Shots
from workbench.protocol import FormatFound
from workbench.session import Prompt

FEWEST = 8  # rows to train on with which a search makes sense
LOOKED_AT = 2_000  # rows from which the shares of the answers are known
APART = 1_000_003  # added to the seed: examples of the same seed are drawn in another order


@dataclass(frozen=True)
class Development:
    """`rows` to measure candidates on; a position is one in them. `pool` is what examples may be
    taken from."""

    rows: Selection
    pool: Selection
    order: list[int]  # positions, so that each beginning has all answers in their shares
    labels: list[str] = field(default_factory=list)  # distinct answers; none: they are free text
    words: str = ""


def develop(
    prompt: Prompt, found: FormatFound, pool: Selection, count: int, seed: int
) -> Development:
    """Draw `count` rows by the seed, each answer in its share; of a small pool at most half of it.

    Raises:
        SourceError: where there are too few rows with an answer, or one cannot be read.
    """
    reader = Shots(prompt, found, pool, Path(), lambda *_: None, threading.Event())
    count = min(count, len(pool) // 2)
    looked = itertools.islice(drawn(pool, seed + APART), max(LOOKED_AT, 2 * count))
    shots = list(reader.distinct(looked))
    count = min(count, len(shots))
    if count < FEWEST // 2:
        raise SourceError(
            f"A search needs at least {FEWEST} rows to train on that fill the template and the "
            f"completion, and there are {len(shots)}; check both, or take more rows."
        )
    groups = by_answer(shots)
    free = len(groups) > min(MOST_ANSWERS, max(2, len(shots) // 2))
    taken = shots[:count] if free else stratified(groups, count)
    return divided(pool, taken, [] if free else sorted(groups), seed)


def divided(pool: Selection, taken: Sequence[Shot], labels: list[str], seed: int) -> Development:
    import numpy

    numbers = numpy.array(sorted(shot.number for shot in taken), dtype=pool.numbers.dtype)
    place = {int(number): position for position, number in enumerate(numbers)}
    rest = numpy.delete(pool.numbers, numpy.searchsorted(pool.numbers, numbers))
    evenly = f", each of {len(labels)} answers in its share" if labels else ""
    return Development(
        rows=Selection(pool.table, numbers),
        pool=Selection(pool.table, rest),
        order=[place[shot.number] for shot in taken],
        labels=labels,
        words=f"{len(taken):,} of {len(pool):,} rows to train on, drawn by seed {seed}{evenly}",
    )


def by_answer(shots: Sequence[Shot]) -> dict[str, list[Shot]]:
    groups: dict[str, list[Shot]] = {}
    for shot in shots:
        groups.setdefault(shot.answer, []).append(shot)
    return groups


def stratified(groups: dict[str, list[Shot]], count: int) -> list[Shot]:
    """So many, of each group in its share (by the largest remainders, at least one where there is
    room), in an order whose every beginning has the shares, too."""
    total = sum(map(len, groups.values()))
    exact = {answer: count * len(shots) / total for answer, shots in groups.items()}
    shares = {answer: int(share) for answer, share in exact.items()}
    rarest_first = sorted(groups, key=lambda one: (shares[one] > 0, shares[one] - exact[one], one))
    for answer in itertools.islice(rarest_first, count - sum(shares.values())):
        shares[answer] += 1
    placed = [
        ((place + 0.5) / shares[answer], answer, shot)
        for answer, shots in groups.items()
        for place, shot in enumerate(shots[: shares[answer]])
    ]
    return [shot for _, _, shot in sorted(placed, key=lambda one: one[:2])]
