"""Examples that a person picked: rows named by number and content.

Knows numbers and hashes; not what the rows are picked for.
"""

from collections.abc import Sequence

from workbench.data.selection import Selection
from workbench.data.splits import DIGITS, row_key, spoken_row
from workbench.protocol import Values

NAMED = 3  # rows that a sentence names


def rows(pool: Selection, keys: Sequence[str], problems: list[str]) -> list[tuple[int, Values]]:
    """The rows of these keys (`splits.row_key`), in the order of the keys. `problems` says of those
    that are gone or changed, and of those that are not in the pool.

    Raises:
        SourceError: where a row cannot be read.
    """
    wanted: dict[str, int] = {}
    gone, outside = [], []
    for key in dict.fromkeys(keys):
        number = key.partition(":")[0]
        if number.isdecimal() and len(number) <= DIGITS and int(number) < pool.table.count:
            wanted[key] = int(number)
        else:
            gone.append(key)
    found = []
    for key, record in zip(wanted, pool.table.take(list(wanted.values())), strict=True):
        if not isinstance(record, dict) or row_key(wanted[key], record) != key:
            gone.append(key)
        elif not holds(pool, wanted[key]):
            outside.append(key)
        else:
            found.append((wanted[key], record))
    if gone:
        problems.append(
            f"Picked {spoken(gone)} not there any more, or changed; pick another instead."
        )
    if outside:
        problems.append(
            f"Picked {spoken(outside)} not among those to train on (measured on, or left out), so "
            "not shown as an example; pick another instead."
        )
    return found


def holds(pool: Selection, number: int) -> bool:
    """Whether a row is one of the pool's."""
    import numpy

    place = int(numpy.searchsorted(pool.numbers, number))
    return place < len(pool) and int(pool.numbers[place]) == number


def spoken(keys: Sequence[str]) -> str:
    """Rows as a person counts, as the subject of a sentence."""
    named = ", ".join(spoken_row(key.partition(":")[0]) for key in keys[:NAMED])
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return f"row {named} is" if len(keys) == 1 else f"rows {named}{more} are"
