"""Rows of a pool in an order of their own, read only as far as someone looks.

Knows positions and seeds; knows nothing of what rows are for. A pool may have millions of rows: to
draw from it takes neither a list of its positions nor a read of its rows.
"""

import itertools
import random
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from workbench.data.selection import Selection
from workbench.protocol import Values

BLOCK = 64  # rows read at a time
REMEMBERED = 8  # orders whose rows are kept: a prompt is shown anew with every key


class Order:
    """Positions in the order of a seed and the rows that were read so far; knows no pool, so it
    keeps none in memory."""

    def __init__(self, count: int, seed: int | None) -> None:
        self.positions = positions(count, seed)
        self.known: list[tuple[int, Values]] = []  # number of the row in its table, the row
        self.lock = threading.Lock()

    def read_on(self, pool: Selection, place: int) -> bool:
        """Read some more rows; whether there is one at this place now.

        Raises:
            SourceError: where one cannot be read.
        """
        with self.lock:
            if place < len(self.known):
                return True
            ahead = list(itertools.islice(self.positions, BLOCK))
            numbers = pool.numbers[ahead]
            self.known += zip(map(int, numbers), pool.rows(numbers), strict=True)
            return bool(ahead)


# Of a table: whose numbers, the seed, the order.
Kept = list[tuple["weakref.ref[Any]", int | None, Order]]
MEMORY: "weakref.WeakKeyDictionary[Any, Kept]" = weakref.WeakKeyDictionary()
GUARD = threading.Lock()


def drawn(pool: Selection, seed: int | None) -> Iterator[tuple[int, Values]]:
    """The pool's rows at random by a seed, each once; without a seed in the pool's own order. With
    each comes its number.

    What is drawn for 4 examples begins what is drawn for 16, and the same seed, pool and machine
    give the same rows. As long as the table is in use the rows of its last orders are kept: a
    prompt is shown anew with every key that is pressed.
    """
    order = order_of(pool, seed)
    place = 0
    while place < len(order.known) or order.read_on(pool, place):
        yield order.known[place]
        place += 1


def order_of(pool: Selection, seed: int | None) -> Order:
    with GUARD:
        kept = MEMORY.setdefault(pool.table, [])
        for numbers, known, order in kept:
            if known == seed and numbers() is pool.numbers:
                return order
        made = Order(len(pool), seed)
        kept[:] = [(weakref.ref(pool.numbers), seed, made), *kept[: REMEMBERED - 1]]
        return made


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
