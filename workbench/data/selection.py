"""Some rows of a Table, as a sequence: what training and evaluation read.

Knows numbers and blocks; not why these rows were chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data.table import Broken, Table

if TYPE_CHECKING:
    import numpy

BLOCK = 1000  # rows read at a time


@dataclass(frozen=True, eq=False)
class Selection(Sequence[dict[str, Any]]):
    """Rows by their position in `numbers` (sorted int64): values of JSON's types."""

    table: Table
    numbers: "numpy.ndarray[Any, Any]"

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        """The row at a position, or the rows of a slice.

        Raises:
            SourceError: where the row cannot be read.
        """
        if isinstance(index, slice):
            return self.rows(self.numbers[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no row {index}: there are {len(self)}")
        return self.rows(self.numbers[index : index + 1 or None])[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for _, rows in self.blocks():
            yield from rows

    def blocks(
        self, size: int = BLOCK
    ) -> Iterator[tuple["numpy.ndarray[Any, Any]", list[dict[str, Any]]]]:
        """The rows in order, some at a time, with their numbers."""
        for start in range(0, len(self), size):
            numbers = self.numbers[start : start + size]
            yield numbers, self.rows(numbers)

    def rows(self, numbers: "numpy.ndarray[Any, Any]") -> list[dict[str, Any]]:
        found = []
        for record in self.table.take([int(number) for number in numbers]):
            if isinstance(record, Broken):
                raise SourceError(f"{record.words}.")
            found.append(record)
        return found
