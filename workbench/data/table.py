"""The rows of one split of a source: the one way in which all else reads data.

A Table reads rows by their number at once, and gives itself to DuckDB for everything that looks at
all of them. Knows nothing of what rows are for.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import duckdb
    import numpy

ColumnType = Literal[
    "text", "integer", "number", "boolean", "time", "list", "object", "bytes", "mixed", "empty"
]
# The DuckDB type in which a relation gives each: what is nested or mixed is JSON text.
SQL_TYPES: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "list": "JSON",
    "object": "JSON",
    "bytes": "BLOB",
    "mixed": "JSON",
    "empty": "VARCHAR",
}
ROW = "⟨row⟩"  # the name of a relation's column that holds the row's number
Advance = Callable[[float, float], None]  # bytes (or rows) read, of how many


@dataclass(frozen=True)
class Column:
    name: str
    type: ColumnType


@dataclass(frozen=True)
class Broken:
    """A place in a file where a row was expected and could not be read."""

    file: str
    line: int  # from 1; 0: unknown
    reason: str  # such as: this is not JSON (Expecting value, at column 12)
    text: str  # its beginning, at most 200 characters, what is no UTF-8 replaced

    @property
    def words(self) -> str:
        """Where it is and why it is no row."""
        place = f"{self.file}, line {self.line:,}" if self.line else self.file
        return f"{place}: {self.reason}"


Record = dict[str, Any] | Broken  # values of JSON's types (see `sources.plain_values`)


class Table(Protocol):
    """Rows numbered from 0 in the source's own order; a number never changes its row.

    A place that is broken has a number, too, where its format lets one go on after it (JSON Lines);
    else it is only counted. All methods may be called from several threads at once.
    """

    @property
    def columns(self) -> list[Column]:
        """Found so far; final once complete."""

    @property
    def count(self) -> int:
        """Rows known so far, broken ones with a number included."""

    @property
    def complete(self) -> bool:
        """`index` was there to the end."""

    @property
    def size(self) -> int:
        """Bytes to read; 0: unknown."""

    @property
    def fingerprint(self) -> str:
        """Changes when the content does; known from the beginning."""

    @property
    def broken_count(self) -> int: ...

    @property
    def broken(self) -> list[Broken]:
        """The first 1,000."""

    @property
    def notes(self) -> list[str]:
        """Sentences for the person: a column found late, a file that was transcoded."""

    def broken_numbers(self) -> "numpy.ndarray[Any, Any]":
        """Sorted numbers (int64) of the rows that are broken."""

    def read(self, start: int, stop: int) -> list[Record]:
        """Rows [start, stop), fewer where not so many are known.

        Raises:
            SourceError: when the source is gone or changed.
        """

    def take(self, numbers: Sequence[int]) -> list[Record]:
        """The rows of these numbers, in their order.

        Raises:
            SourceError: as `read`.
            IndexError: where there is no such row.
        """

    def index(self, advance: Advance, stopped: threading.Event) -> None:
        """Read to the end: find every row, what is broken, all columns and their types.

        Does nothing where it was done; waits where another thread does it. Returns early, not
        complete, once `stopped` is set.

        Raises:
            SourceError: when the source disappears meanwhile.
        """

    def relation(self, connection: "duckdb.DuckDBPyConnection", names: Sequence[str]) -> str:
        """SQL that may stand after FROM: a SELECT in parentheses of `ROW` (BIGINT, the number) and
        of the named columns in their `SQL_TYPES`; a broken row has NULL in every column. Rows come
        in order of their numbers where the connection preserves insertion order. For `names` of
        JSON type a text column's value is a JSON string. Only what is named is parsed.
        """
