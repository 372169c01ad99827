"""Holding rows out for evaluation: by a hash of what is in them.

A row's side depends on the seed and its content (or its group's value) alone, so rows that are
added do not move old ones across, and equal rows are on one side. Only where too little would be
held out, or a number of rows is asked for, do the other rows have a say.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.catalogue import Report, SourceError
from workbench.data import scans
from workbench.data.table import Table
from workbench.session import DatasetSettings

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

CLASSES = 10_000  # the most that rows are stratified by
BATCHES_AT_ONCE = 4


@dataclass
class Class:
    """What was seen of one class: its units (rows, or groups of rows) by their hashes."""

    rows: int = 0
    held: int = 0
    low: int = 1 << 64
    high: int = -1


@dataclass
class Smallest:
    """The rows of the smallest hashes, at least `wanted` of them, every row of each hash kept."""

    wanted: int
    hashes: "list[Array]" = field(default_factory=list)
    rows: "list[Array]" = field(default_factory=list)
    waiting: int = 0
    cut: int = (1 << 64) - 1

    def add(self, hashes: "Array", rows: "Array") -> None:
        near = hashes <= self.cut
        self.hashes.append(hashes[near])
        self.rows.append(rows[near])
        self.waiting += int(near.sum())
        if self.waiting > BATCHES_AT_ONCE * (self.wanted + 10_000):
            self.settle()

    def settle(self) -> "tuple[Array, Array]":
        """Hashes (ascending) and rows so far, what is not among the smallest dropped."""
        import numpy

        hashes, rows = numpy.concatenate(self.hashes), numpy.concatenate(self.rows)
        if len(hashes) > self.wanted:
            self.cut = int(numpy.partition(hashes, self.wanted - 1)[self.wanted - 1])
            near = hashes <= self.cut
            hashes, rows = hashes[near], rows[near]
        order = numpy.argsort(hashes, kind="stable")
        hashes, rows = hashes[order], rows[order]
        self.hashes, self.rows, self.waiting = [hashes], [rows], 0
        return hashes, rows


def hold_out(
    table: Table,
    settings: DatasetSettings,
    used: "Array",
    stopped: threading.Event,
    report: Report,
) -> "Array":
    """Which rows are held out: a boolean for each row of the table. None is where the rows to use
    are all the same.

    Args:
        used: for each row, whether it is used at all.

    Raises:
        SourceError: for a column that is not there, or one of more values than classes make sense.
        Stopped: once `stopped` is set.
    """
    if settings.evaluation_count:
        return by_count(table, settings, used, stopped, report)
    return by_share(table, settings, used, stopped, report)


def by_share(
    table: Table,
    settings: DatasetSettings,
    used: "Array",
    stopped: threading.Event,
    report: Report,
) -> "Array":
    import numpy

    cut = numpy.uint64(min(int(settings.evaluation_share * 2.0**64), (1 << 64) - 1))
    held = numpy.zeros(len(used), bool)
    classes: dict[int, Class] = {}
    for rows, units, kinds in hashes(table, settings, used, stopped, report):
        below = units < cut
        held[rows[below]] = True
        for kind, places in parted(kinds):
            one = classes.setdefault(kind, Class())
            one.rows += len(places)
            one.held += int(below[places].sum())
            one.low = min(one.low, int(units[places].min()))
            one.high = max(one.high, int(units[places].max()))
        few_enough(classes, settings)
    # A class of at least two units has one on either side; rows without classes are one class.
    both = [one for one in classes.values() if one.low != one.high]
    more = numpy.array([one.low for one in both if not one.held], numpy.uint64)
    less = numpy.array([one.high for one in both if one.held == one.rows], numpy.uint64)
    if len(more) or len(less):
        for rows, units, _ in hashes(table, settings, used, stopped, report):
            held[rows[numpy.isin(units, less)]] = False
            held[rows[numpy.isin(units, more)]] = True
    if not settings.stratify_by and not both:
        held[:] = False
    return held


def by_count(
    table: Table,
    settings: DatasetSettings,
    used: "Array",
    stopped: threading.Event,
    report: Report,
) -> "Array":
    import numpy

    total = int(used.sum())
    wanted = {0: min(settings.evaluation_count, total)}
    if settings.stratify_by:
        wanted = quotas(class_sizes(table, settings, used, stopped, report), wanted[0])
    smallest = {kind: Smallest(count) for kind, count in wanted.items() if count}
    for rows, units, kinds in hashes(table, settings, used, stopped, report):
        for kind, places in parted(kinds):
            if kind in smallest:
                smallest[kind].add(units[places], rows[places])
    held = numpy.zeros(len(used), bool)
    chosen = []
    for one in smallest.values():
        units, rows = one.settle()
        if not len(units):
            continue
        last = units[min(one.wanted, len(units)) - 1]
        whole = units <= last
        if whole.sum() == total:  # something is left to train on
            whole = units < last
        held[rows[whole]] = True
        chosen.append(units[whole])
    if settings.stratify_by and settings.group_by:  # a group has rows of several classes
        apart = numpy.unique(numpy.concatenate(chosen)) if chosen else numpy.array([], numpy.uint64)
        for rows, units, _ in hashes(table, settings, used, stopped, report):
            held[rows[numpy.isin(units, apart)]] = True
    return held


def class_sizes(
    table: Table,
    settings: DatasetSettings,
    used: "Array",
    stopped: threading.Event,
    report: Report,
) -> dict[int, int]:
    """Rows to use of each class (by its hash)."""
    sizes: dict[int, int] = {}
    for _, _, kinds in hashes(table, settings, used, stopped, report, units=False):
        for kind, places in parted(kinds):
            sizes[kind] = sizes.get(kind, 0) + len(places)
        few_enough(sizes, settings)
    return sizes


def quotas(sizes: dict[int, int], wanted: int) -> dict[int, int]:
    """How many rows of each class, in proportion to its size: at least one of each that has two,
    and by the largest remainders."""
    total = sum(sizes.values()) or 1
    exact = {kind: wanted * size / total for kind, size in sizes.items()}
    found = {kind: max(int(exact[kind]), int(size > 1)) for kind, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda kind: (int(exact[kind]) - exact[kind], kind))
    for kind in by_remainder:
        if sum(found.values()) >= wanted:
            break
        if found[kind] < sizes[kind] and exact[kind] > found[kind]:
            found[kind] += 1
    return found


def hashes(
    table: Table,
    settings: DatasetSettings,
    used: "Array",
    stopped: threading.Event,
    report: Report,
    *,
    units: bool = True,
) -> "Iterator[tuple[Array, Array, Array]]":
    """Of the rows to use: their numbers, the hashes (uint64) of their content or group, and those
    of their class (0 where rows are not stratified)."""
    import numpy

    names = [column.name for column in table.columns] if units else []
    expressions = []
    if units:
        text = scans.content(table.columns)
        if settings.group_by:
            group = scans.known(table, settings.group_by, "group_by")
            # A row without a group is one by itself.
            text = f"coalesce('g' || {scans.as_text(group)}, 'c' || {text})"
        expressions.append(scans.fixed_hash(text, settings.split_seed))
    if settings.stratify_by:
        column = scans.known(table, settings.stratify_by, "stratify_by")
        names.append(column.name)
        expressions.append(f"hash({scans.as_text(column)})")
    for start, batch in scans.scan(table, dict.fromkeys(names), expressions, stopped):
        report("holding rows out", start, table.count, "rows")
        mine = used[start : start + batch.num_rows]
        rows = start + numpy.flatnonzero(mine)
        found = [scans.numbers(column)[mine] for column in batch.columns]
        none = numpy.zeros(len(rows), numpy.uint64)
        yield (
            rows,
            found[0] if units else none,
            found[-1] if settings.stratify_by else none,
        )


def parted(kinds: "Array") -> "Iterator[tuple[int, Array]]":
    """Each class of a batch, and the places of its rows in it."""
    import numpy

    if not len(kinds):
        return
    order = numpy.argsort(kinds, kind="stable")
    ordered = kinds[order]
    edges = numpy.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    for places in numpy.split(order, edges):
        yield int(kinds[places[0]]), places


def few_enough(classes: "dict[int, Any]", settings: DatasetSettings) -> None:
    if len(classes) > CLASSES:
        raise SourceError(
            f'The column "{settings.stratify_by}" has more than {CLASSES:,} different values; '
            "set stratify_by to a column of classes, such as a label."
        )
