"""A Table whose beginning is there at once, and the rest once a second Table was made of it.

Knows how the first gives way to the second; not where either comes from.
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data.engine import Stopped
from workbench.data.jsonlines import NAMED
from workbench.data.table import Advance, Broken, Column, Record, Table

if TYPE_CHECKING:
    import duckdb
    import numpy


class Growing:
    """What is shared by tables that convert or fetch: `make` is theirs."""

    def __init__(self, name: str, fingerprint: str, size: int) -> None:
        self.name, self.fingerprint, self.size = name, fingerprint, size
        self.inner: Table | None = None
        self.head: list[Record] = []
        self.head_columns: list[Column] = []
        self.found: list[Broken] = []  # broken places without a number
        self.found_count = 0
        self.own_notes: list[str] = []
        self.lock = threading.Lock()

    def make(self, advance: Advance, stopped: threading.Event) -> Table:
        """All rows.

        Raises:
            Stopped: when it was given up.
            SourceError: when it cannot be done.
        """
        raise NotImplementedError

    @property
    def columns(self) -> list[Column]:
        return self.inner.columns if self.inner else self.head_columns

    @property
    def count(self) -> int:
        return self.inner.count if self.inner else len(self.head)

    @property
    def complete(self) -> bool:
        return self.inner is not None and self.inner.complete

    @property
    def broken(self) -> list[Broken]:
        return (self.found + (self.inner.broken if self.inner else []))[:NAMED]

    @property
    def broken_count(self) -> int:
        return self.found_count + (self.inner.broken_count if self.inner else 0)

    @property
    def notes(self) -> list[str]:
        return self.own_notes + (self.inner.notes if self.inner else [])

    def broken_numbers(self) -> "numpy.ndarray[Any, Any]":
        import numpy

        return self.inner.broken_numbers() if self.inner else numpy.empty(0, numpy.int64)

    def read(self, start: int, stop: int) -> list[Record]:
        if self.inner:
            return self.inner.read(start, stop)
        return self.head[max(0, start) : max(0, stop)]

    def take(self, numbers: Sequence[int]) -> list[Record]:
        if self.inner:
            return self.inner.take(numbers)
        if any(not 0 <= number < len(self.head) for number in numbers):
            raise IndexError(f"{len(self.head)} rows are known by now")
        return [self.head[int(number)] for number in numbers]

    def relation(self, connection: "duckdb.DuckDBPyConnection", names: Sequence[str]) -> str:
        if self.inner is None:
            raise SourceError(f"{self.name} is not read to its end yet; wait until it is.")
        return self.inner.relation(connection, names)

    def index(self, advance: Advance, stopped: threading.Event) -> None:
        while not self.lock.acquire(timeout=0.05):
            if stopped.is_set():
                return
        try:
            whole = float(self.size)
            if self.inner is None:
                self.inner = self.make(lambda done, of: advance(0.8 * done, of), stopped)
            if not self.inner.complete:
                self.inner.index(
                    lambda done, of: advance(whole * (0.8 + 0.2 * done / max(of, 1)), whole),
                    stopped,
                )
        except Stopped:
            return
        finally:
            self.lock.release()
