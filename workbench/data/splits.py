"""Which rows are trained on and which are measured on, and which are not used at all.

Knows rows by their numbers; not where they come from.
"""

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.catalogue import Report, SourceError
from workbench.data import engine, expressions, holdout, scans
from workbench.data.table import Table
from workbench.session import DatasetSettings

if TYPE_CHECKING:
    import numpy

    from workbench.data.sources import Source

    Array = numpy.ndarray[Any, Any]

OWN_SPLITS = ("validation", "valid", "dev", "evaluation", "eval", "test")
NAMED = 3  # rows that a note names
DIGITS = 18  # of a row's number


@dataclass(frozen=True)
class Division:
    """The rows of a split by what they are for. Numbers are sorted; of int32 where that is enough,
    so take `int(number)` before reckoning with one."""

    table: Table  # the split looked at and trained on
    train: "Array"  # numbers of `table` to train on
    evaluation_table: Table | None  # `table` itself where rows of it are held out
    evaluation: "Array"  # numbers of `evaluation_table`
    left_out: "Array"  # of `table`, by where, leave_out and leave_out_rows
    words: str  # where the evaluation rows come from; empty: there are none
    notes: list[str]
    settings: DatasetSettings


def divide(
    source: "Source", settings: DatasetSettings, stopped: threading.Event, report: Report
) -> Division:
    """The sides of a source; reads to the end what was not yet read. Where the source has a split
    to measure on and nothing is left out, no row is looked at.

    Raises:
        SourceError: when a split or a column is not there, a split is empty, or no row is left.
        Stopped: once `stopped` is set.
    """

    table = whole(source, settings.split, stopped, report)
    if table.count == len(table.broken_numbers()):
        where = f'The split "{settings.split}" of ' if len(source.tables) > 1 else ""
        raise SourceError(
            f"{where}{source.description} has no rows; choose a source that has some."
        )
    other = other_split(source, settings, stopped, report)
    used = good(table)
    notes: list[str] = []
    out = used & unwanted(table, settings, stopped, report, notes)
    used &= ~out
    apart = used & False
    measured: Table | None
    if other:
        measured, evaluation, words = of_its_own(
            source, settings, other, used, stopped=stopped, report=report
        )
    else:
        apart = apart_from(table, settings, used, notes=notes, stopped=stopped, report=report)
        evaluation = scans.places(apart)
        measured = table if len(evaluation) else None
        words = in_words(settings, len(evaluation)) if len(evaluation) else ""
    train = used & ~apart
    if "overlap" in settings.leave_out and measured is not None and other != settings.split:
        from workbench.data import problems

        common = problems.overlap(
            (table, scans.places(train)), (measured, evaluation), settings, stopped, report
        )
        train[common], out[common] = False, True
    if not train.any():
        raise SourceError(
            f"No row of {source.description} is left to train on: all are left out; change "
            "dataset.where, leave_out or leave_out_rows."
        )
    return Division(
        table=table,
        train=scans.places(train),
        evaluation_table=measured,
        evaluation=evaluation,
        left_out=scans.places(out),
        words=words,
        notes=notes,
        settings=settings,
    )


def of_its_own(
    source: "Source",
    settings: DatasetSettings,
    other: str,
    used: "Array",
    *,
    stopped: threading.Event,
    report: Report,
) -> tuple[Table, "Array", str]:
    """The table of a split to measure on, its rows that are measured, and what to say of it; of the
    split that is trained on, those `used` there.

    Raises:
        SourceError: where it lacks a column, or has no row to measure.
    """
    if other == settings.split:
        words = f"split {other}: the rows trained on, so the measure flatters"
        return source.table(other), scans.places(used), words
    measured = whole(source, other, stopped, report)
    compatible(source, settings.split, other)
    rows = scans.places(to_measure(measured, settings, other, stopped, report))
    return measured, rows, f"split {other}"


def apart_from(
    table: Table,
    settings: DatasetSettings,
    used: "Array",
    *,
    notes: list[str],
    stopped: threading.Event,
    report: Report,
) -> "Array":
    """For each row whether it is held out of those `used`; `notes` says where none can be."""
    if not (settings.evaluation_count or settings.evaluation_share):
        return used & False
    apart = holdout.hold_out(table, settings, used, stopped, report)
    if not apart.any() and settings.group_by and used.sum() > 1:
        notes.append(
            f"No row is held out: all rows to use have the same {settings.group_by}, and equal "
            'values stay on one side; group by another column, or set dataset.group_by to "".'
        )
    return apart


def whole(source: "Source", split: str, stopped: threading.Event, report: Report) -> Table:
    """A split's table, read to its end."""
    table = source.table(split)
    if not table.complete:
        table.index(lambda done, total: report("reading the dataset", done, total, "B"), stopped)
    if not table.complete:
        raise engine.Stopped
    return table


def other_split(
    source: "Source", settings: DatasetSettings, stopped: threading.Event, report: Report
) -> str:
    """The split to measure on: as the session says, or the source's own; empty: there is none.

    Raises:
        SourceError: where the session's is not there or has no rows.
    """
    if wanted := settings.evaluation_split:
        table = whole(source, wanted, stopped, report)
        if table.count == len(table.broken_numbers()):
            raise SourceError(
                f'The split "{wanted}" of {source.description} has no rows; set evaluation_split '
                "to another."
            )
        return wanted
    for name in OWN_SPLITS:
        if name in source.tables and name != settings.split:
            table = whole(source, name, stopped, report)
            if table.count > len(table.broken_numbers()):
                return name
    return ""


def compatible(source: "Source", split: str, other: str) -> None:
    """
    Raises:
        SourceError: where the other split lacks a column of the one trained on.
    """
    names = [column.name for column in source.table(other).columns]
    for column in source.table(split).columns:
        if column.name not in names and column.type != "empty":
            raise SourceError(
                f'The split "{other}" of {source.description} lacks the column "{column.name}" '
                f'that "{split}" has; it has {", ".join(names)}. Set evaluation_split to another.'
            )


def to_measure(
    table: Table, settings: DatasetSettings, name: str, stopped: threading.Event, report: Report
) -> "Array":
    """For each row of another split, whether it is measured on. Problems stay in: what is measured
    on is as its makers gave it; `where` says what the task is, so it counts there, too."""
    used = good(table)
    if settings.where.strip():
        used &= true_of(table, settings.where, stopped, report)
    if not used.any():
        raise SourceError(
            f'dataset.where is true of no row of the split "{name}"; change it or evaluation_split.'
        )
    return used


def good(table: Table) -> "Array":
    """For each row whether it could be read."""
    import numpy

    found = numpy.ones(table.count, bool)
    found[table.broken_numbers()] = False
    return found


def unwanted(
    table: Table,
    settings: DatasetSettings,
    stopped: threading.Event,
    report: Report,
    notes: list[str],
) -> "Array":
    """For each row whether the session leaves it out, whatever side it would be on."""
    import numpy

    out = numpy.zeros(table.count, bool)
    if settings.where.strip():
        out |= ~true_of(table, settings.where, stopped, report)
    if set(settings.leave_out) - {"overlap"}:
        from workbench.data import problems  # here: most sessions leave nothing out

        out |= problems.rows_of(settings.leave_out, table, settings, stopped, report)
    out[single_rows(table, settings.leave_out_rows, notes)] = True
    return out


def true_of(table: Table, where: str, stopped: threading.Event, report: Report) -> "Array":
    """For each row whether an expression is true of it.

    Raises:
        SourceError: where the expression cannot be understood.
    """
    import numpy

    found = numpy.zeros(table.count, bool)
    try:
        condition = expressions.condition(where, table.columns)
    except expressions.QueryError as error:
        raise SourceError(f"dataset.where: {error}") from None
    for start, batch in scans.scan(table, condition.columns, [condition.sql], stopped):
        report("choosing rows", start, table.count, "rows")
        found[start : start + batch.num_rows] = scans.numbers(batch.column(0))
    return found


def single_rows(table: Table, keys: list[str], notes: list[str]) -> list[int]:
    """The rows of these keys that are still what they were; `notes` says of the others."""
    wanted: dict[int, str] = {}
    lost = []
    for key in keys:
        number, _, _ = key.partition(":")
        if number.isdecimal() and len(number) <= DIGITS and int(number) < table.count:
            wanted[int(number)] = key
        else:
            lost.append(key)
    found = []
    for row, record in zip(wanted, table.take(list(wanted)), strict=True):
        if isinstance(record, dict) and row_key(row, record) == wanted[row]:
            found.append(row)
        else:
            lost.append(wanted[row])
    if lost:
        rows = [key.partition(":")[0] for key in lost]
        spoken = [spoken_row(row) for row in rows[:NAMED]]
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        notes.append(
            f"leave_out_rows names row {', '.join(spoken)}{more}, which is not there any more or "
            "holds something else now; it is not left out."
            if len(lost) == 1
            else f"leave_out_rows names rows {', '.join(spoken)}{more}, which are not there any "
            "more or hold something else now; they are not left out."
        )
    return found


def spoken_row(number: str) -> str:
    """A row's number as a person counts, or what stands where it should."""
    if number.isdecimal() and len(number) <= DIGITS:
        return f"{int(number) + 1:,}"
    return repr(number[: 2 * DIGITS])


def row_key(number: int, values: dict[str, Any]) -> str:
    """What names a row in `leave_out_rows`: its number and a hash of what it holds."""
    there = {
        # 2 and 2.0 are the same number, whatever the other rows have.
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in values.items()
        if value is not None
    }
    text = json.dumps(there, sort_keys=True, default=repr, ensure_ascii=False)
    digest = hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return f"{number}:{digest.hexdigest()[:16]}"


def in_words(settings: DatasetSettings, held: int) -> str:
    """How rows were held out."""
    share = settings.evaluation_share
    if settings.evaluation_count:
        said = f"{held:,} rows of {settings.split}"
    elif settings.group_by:
        said = f"{held:,} rows of {settings.split} ({100 * share:.3g} % of the groups)"
    elif abs(1 / share - round(1 / share)) < 1e-9:
        said = f"1 row in {round(1 / share)} of {settings.split}"
    else:
        said = f"{100 * share:.3g} % of the rows of {settings.split}"
    by = "by content"
    if settings.group_by:
        by = f"by {settings.group_by}, each of its values on one side"
    evenly = f", the same share of each {settings.stratify_by}" if settings.stratify_by else ""
    return f"{said}, held out {by}{evenly}"
