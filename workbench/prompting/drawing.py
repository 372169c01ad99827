"""Rows of a pool in an order of their own, read only as far as someone looks.

Knows positions and seeds; knows nothing of what rows are for. A pool may have millions of rows: to
draw from it takes neither a list of its positions nor a read of its rows.
"""

import itertools
import random
import threading
import weakref
from collections.abc import Iterator

from workbench.data.selection import Selection
from workbench.protocol import Values

BLOCK = 64  # rows read at a time
REMEMBERED = 8  # orders whose rows are kept: a prompt is shown anew with every key


class Draw:
    """The pool's rows at random by a seed, each once; without a seed in the pool's own order.

    The order of a seed is that of its pool: what is drawn for 4 examples begins what is drawn for
    16, and the same seed, pool and machine give the same rows. Several threads may look at once.
    """

    def __init__(self, pool: Selection, seed: int | None) -> None:
        # Not the pool itself, which this must not keep alive: see `drawn`.
        self.table, self.numbers, self.seed = pool.table, pool.numbers, seed
        self.positions = positions(len(pool), seed)
        self.known: list[tuple[int, Values]] = []  # number of the row in its table, the row
        self.lock = threading.Lock()

    def __iter__(self) -> Iterator[tuple[int, Values]]:
        place = 0
        while place < len(self.known) or self.read_on(place):
            yield self.known[place]
            place += 1

    def read_on(self, place: int) -> bool:
        """Read some more rows; whether there is one at this place now.

        Raises:
            SourceError: where one cannot be read.
        """
        with self.lock:
            if place < len(self.known):
                return True
            ahead = list(itertools.islice(self.positions, BLOCK))
            numbers = self.numbers[ahead]
            rows = Selection(self.table, self.numbers).rows(numbers)
            self.known += zip(map(int, numbers), rows, strict=True)
            return bool(ahead)


MEMORY: "weakref.WeakKeyDictionary[Selection, dict[int | None, Draw]]"
MEMORY = weakref.WeakKeyDictionary()


def drawn(pool: Selection, seed: int | None) -> Draw:
    """The pool's rows in the order of a seed. As long as the pool is in use its last orders are
    kept, with the rows that were read: a prompt is shown anew with every key that is pressed."""
    kept = MEMORY.setdefault(pool, {})
    if seed not in kept:
        while len(kept) >= REMEMBERED:
            kept.pop(next(iter(kept)))
        kept[seed] = Draw(pool, seed)
    return kept[seed]


def positions(count: int, seed: int | None) -> Iterator[int]:
    """All of 0 … count - 1, each once: in order, or at random by the seed."""
    if seed is None:
        yield from range(count)
        return
    dice = random.Random(seed)
    drawn: set[int] = set()
    # By rejection while that is quick; what is left then, if anyone goes on so far, is shuffled.
    while len(drawn) < count // 2:
        place = dice.randrange(count)
        if place not in drawn:
            drawn.add(place)
            yield place
    rest = [place for place in range(count) if place not in drawn]
    dice.shuffle(rest)
    yield from rest
