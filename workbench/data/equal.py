"""Finding equal hashes among more rows than fit in memory.

Knows hashes and numbers of rows; not what they are of.
"""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError, cache_folder

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

AT_ONCE = 500_000  # pairs kept in memory
BITS = 6  # of a hash: there are 2 ** BITS files


class Pairs:
    """Hashes (uint64) and rows: added in the order of the rows, given back by hash. Beyond AT_ONCE
    they wait in files that nobody else sees; close it when done."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Array, Array]] = []
        self.count = 0
        self.files: list[Any] = []

    def add(self, hashes: "Array", rows: "Array") -> None:
        self.waiting.append((hashes, rows))
        self.count += len(hashes)
        if self.count > AT_ONCE:
            self.flush()

    def joined(self) -> "Array":
        """What waits, as pairs of (hash, row)."""
        import numpy

        pairs = numpy.empty((self.count, 2), numpy.uint64)
        if self.waiting:
            pairs[:, 0] = numpy.concatenate([hashes for hashes, _ in self.waiting])
            pairs[:, 1] = numpy.concatenate([rows for _, rows in self.waiting])
        self.waiting, self.count = [], 0
        return pairs

    def flush(self) -> None:
        import numpy

        folder = cache_folder() / "spill"
        try:
            if not self.files:
                folder.mkdir(parents=True, exist_ok=True)
                self.files = [
                    tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed in `close`
                    for _ in range(1 << BITS)
                ]
            pairs = self.joined()
            buckets = (pairs[:, 0] >> numpy.uint64(64 - BITS)).astype(numpy.uint8)
            pairs = pairs[numpy.argsort(buckets, kind="stable")]
            ends = numpy.cumsum(numpy.bincount(buckets, minlength=1 << BITS))
            for file, part in zip(self.files, numpy.split(pairs, ends[:-1]), strict=True):
                file.write(part.tobytes())
        except OSError as error:
            raise SourceError(
                f"There is no room in {folder} to compare so many rows: {error.strerror}; make "
                "some and try again."
            ) from error

    def groups(self) -> "Iterator[tuple[Array, Array]]":
        """Hashes (ascending) and rows (ascending within equal hashes): all of a hash come at
        once."""
        import numpy

        if self.files:
            self.flush()
        for index in range(len(self.files) or 1):
            if self.files:
                file = self.files[index]
                file.seek(0)
                pairs = numpy.frombuffer(file.read(), numpy.uint64).reshape(-1, 2)
            else:
                pairs = self.joined()
                self.waiting, self.count = [(pairs[:, 0], pairs[:, 1])], len(pairs)
            order = numpy.argsort(pairs[:, 0], kind="stable")
            yield pairs[order, 0], pairs[order, 1].astype(numpy.int64)

    def repeated(self, count: int) -> "Array":
        """For each of `count` rows whether an earlier row has its hash."""
        import numpy

        found = numpy.zeros(count, bool)
        for hashes, rows in self.groups():
            found[rows[1:][hashes[1:] == hashes[:-1]]] = True
        return found

    def on_both_sides(self, side: "Array", other: "Array") -> "Array":
        """For each row whether `side` (a boolean for each row) is true of it, and `other` of one of
        the same hash."""
        import numpy

        found = numpy.zeros(len(side), bool)
        for hashes, rows in self.groups():
            theirs = numpy.unique(hashes[other[rows]])
            mine = rows[side[rows] & numpy.isin(hashes, theirs)]
            found[mine] = True
        return found

    def close(self) -> None:
        for file in self.files:
            with suppress(OSError):
                file.close()
        self.files, self.waiting, self.count = [], [], 0
