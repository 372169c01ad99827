"""What in the rows would spoil a fine-tune, which rows those are, and what to do.

Knows what a problem means and how to say it; `inspection` finds the rows.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from workbench.catalogue import Report
from workbench.data import scans
from workbench.data.inspection import (
    Inspected,
    Wanted,
    class_counts,
    inspect,
    rows_of_class,
    said_hashes,
)
from workbench.data.roles import column_of
from workbench.data.summary import percent, shown
from workbench.data.table import SQL_TYPES, Column, Table
from workbench.protocol import FormatFound, Problem
from workbench.session import DatasetSettings, Prompt

if TYPE_CHECKING:
    import numpy

    from workbench.data.sources import Source
    from workbench.data.splits import Division

    Array = numpy.ndarray[Any, Any]

HEAD = 200  # rows by which a format is recognised
FIRST = 10  # rows that a problem names
CLASSES = 1_000  # more different values are no classes
UNEVEN = 4  # times as many rows in the largest class as in the smallest: an imbalance
KINDS = frozenset(
    ("duplicates", "near_duplicates", "empty", "encoding", "mixed_types", "control_characters")
)


def find_problems(
    source: "Source",  # noqa: ARG001 - a problem may need the other splits
    division: "Division",
    found: FormatFound,
    stopped: threading.Event,
    report: Report,
) -> "tuple[list[Problem], dict[str, Array], list[str]]":
    """The problems of the split looked at, the numbers of each one's rows by its key, and notes.

    Raises:
        Stopped: once `stopped` is set.
        SourceError: where the source cannot be read any more.
    """
    table = division.table
    plain = as_recognised(table, division.settings)
    wanted = to_look_for(table, plain, KINDS)
    held_out = division.evaluation_table is table and len(division.evaluation) > 0
    apart = mask(table, division.evaluation) if held_out else None
    used = None
    train = mask(table, division.train)
    if "overlap" in division.settings.leave_out:  # what is left out for it is still shown
        train |= mask(table, division.left_out)
    if apart is not None:
        if (train & apart).any():  # measured on what is trained on: the division says so
            apart = None
        else:
            used = (train, apart)
    seen = inspect(table, wanted, stopped, report, used)
    rows = seen.rows
    if division.evaluation_table is not None and not held_out:
        rows["overlap"] = overlap(
            (table, scans.places(train)),
            (division.evaluation_table, division.evaluation),
            division.settings,
            stopped,
            report,
        )
    rows["broken"] = table.broken_numbers()
    problems = list(described(table, seen, division))
    if uneven := imbalance(table, label_of(table, found) or label_of(table, plain), stopped):
        problem, rows["imbalance"] = uneven
        problems.append(problem)
    return problems, {problem.key: rows[problem.key] for problem in problems}, seen.notes


def rows_of(
    kinds: Iterable[str],
    table: Table,
    settings: DatasetSettings,
    stopped: threading.Event,
    report: Report,
) -> "Array":
    """For each row whether it has a problem of one of these kinds ("overlap" is none of a table
    alone): those that `find_problems` finds.

    Raises:
        Stopped, SourceError: as `find_problems`.
    """
    wanted = to_look_for(table, as_recognised(table, settings), KINDS & set(kinds))
    seen = inspect(table, wanted, stopped, report)
    out = mask(table, None) & False
    for key, rows in seen.rows.items():
        if key.partition(":")[0] in wanted.kinds:
            out[rows] = True
    return out


def overlap(
    train: "tuple[Table, Array]",
    evaluation: "tuple[Table, Array]",
    settings: DatasetSettings,
    stopped: threading.Event,
    report: Report,
) -> "Array":
    """Those of the rows to train on (numbers of a table) that say the same, but for case, spaces
    and punctuation, as one of the rows to measure on."""
    import numpy

    table, measured = train[0], evaluation[0]
    there = {column.name for column in measured.columns}
    columns = to_look_for(table, as_recognised(table, settings), frozenset()).wording
    mine = [column for column in columns if column.name in there]
    theirs = [one for name in mine for one in measured.columns if one.name == name.name]
    if not mine:
        return numpy.empty(0, numpy.int64)
    wanted = mask(measured, evaluation[1])
    said: list[Array] = [numpy.empty(0, numpy.uint64)]
    for start, hashes in said_hashes(measured, theirs, stopped, report):
        said.append(numpy.unique(hashes[wanted[start : start + len(hashes)]]))
    known = numpy.unique(numpy.concatenate(said))
    trained, found = mask(table, train[1]), mask(table, None) & False
    for start, hashes in said_hashes(table, mine, stopped, report):
        found[start : start + len(hashes)] = numpy.isin(hashes, known)
    return scans.places(found & trained)


def mask(table: Table, numbers: "Array | None") -> "Array":
    """For each row whether it is among these numbers; of None: whether it could be read."""
    import numpy

    if numbers is None:
        found = numpy.ones(table.count, bool)
        found[table.broken_numbers()] = False
        return found
    found = numpy.zeros(table.count, bool)
    found[numbers] = True
    return found


# --- what matters in a row -----------------------------------------------------------------------


def as_recognised(table: Table, settings: DatasetSettings) -> FormatFound:
    """The format by columns and session alone: what is left out must not change with a wording."""
    from workbench.data.formats import recognise

    rows = [row for row in table.read(0, HEAD) if isinstance(row, dict)]
    return recognise(table.columns, rows, settings, Prompt())


def to_look_for(table: Table, found: FormatFound, kinds: frozenset[str]) -> Wanted:
    columns = {column.name: column for column in table.columns}
    names = {role: column_of(path, dict(columns)) for role, path in found.mapping.items()}
    texts = [
        column
        for column in table.columns
        if SQL_TYPES[column.type] in ("VARCHAR", "JSON") and column.type != "empty"
    ]
    needed = [
        columns[names[role]]
        for role in found.roles
        if not role.endswith("?") and names.get(role) in columns
    ]
    said = [
        columns[name]
        for role, name in names.items()
        if role != "label" and name in columns and columns[name] in texts
    ]
    if found.problem or not needed:
        return Wanted(kinds, tuple(texts), tuple(texts))
    return Wanted(kinds, tuple(dict.fromkeys(needed)), tuple(dict.fromkeys(said)) or tuple(texts))


def label_of(table: Table, found: FormatFound) -> Column | None:
    """The column of classes, where the rows have one."""
    name = found.mapping.get("label", "") if found.format == "classification" else ""
    for column in table.columns:
        if column.name == name and column.type in ("text", "integer", "boolean", "mixed"):
            return column
    return None


# --- in words ------------------------------------------------------------------------------------


def described(table: Table, seen: Inspected, division: "Division") -> Iterator[Problem]:
    """A Problem for each key that has rows, the worst first."""
    for kind in MEANING:
        for key in sorted(one for one in seen.rows if one.partition(":")[0] == kind):
            rows = seen.rows[key]
            count = max(len(rows), table.broken_count if kind == "broken" else 0)
            if not count:
                continue
            column = key.partition(":")[2]
            title, why = words(kind, count, column, seen, division.words)
            yield Problem(
                key=key,
                kind=kind,  # type: ignore[arg-type]
                title=title,
                why=why,
                rows=count,
                first=[int(row) for row in rows[:FIRST]],
                left_out=kind in division.settings.leave_out,
                can_leave_out=kind != "broken",
            )


# Of each kind, the worst first: what it is called, and what it does to a fine-tune and what to do.
MEANING = {
    "broken": (
        "{rows} could not be read",
        "They are not trained on. Correct them in the source, or do without them.",
    ),
    "overlap": (
        "{rows} to train on {be} also among those to measure on",
        "What was learnt by heart is then taken for skill, so the measure flatters. Leave them out "
        "of training; they stay among those to measure on ({evaluation}).",
    ),
    "empty": (
        '{rows} with nothing in "{column}"',
        "An empty text teaches the model to say nothing, or to answer nothing. Leave them out.",
    ),
    "duplicates": (
        "{rows} repeat{s} an earlier one exactly",
        "What is there twice weighs twice and is learnt by heart. Leave out all but the first.",
    ),
    "near_duplicates": (
        "{rows} say{s} nearly the same as an earlier one",
        "They weigh like copies: the model learns their wording rather than the task. Look at "
        "them; leave out all but the first unless the small differences are what is to learn.",
    ),
    "encoding": (
        "{rows} with signs that were lost (\ufffd)",
        "The text was read in a wrong encoding once, and the model would learn to write such "
        "signs. Make the source again from the original as UTF-8, or leave them out.",
    ),
    "mixed_types": (
        '{rows} with another type in "{column}" than most ({shares})',
        "A number among texts, say, is often a shifted column or a failed conversion. Look at "
        "them; correct the source, or leave them out.",
    ),
    "control_characters": (
        "{rows} with control or invisible characters",
        "They take tokens, split words and are learnt, and nobody sees them. Look where they come "
        "from; clean the source, or leave the rows out.",
    ),
}


def words(kind: str, count: int, column: str, seen: Inspected, evaluation: str) -> tuple[str, str]:
    """What a problem is called, and what it does to a fine-tune and what to do."""
    there = seen.mixed.get(column, [])
    total = sum(number for _, number in there)
    filling = {
        "rows": f"{count:,} row" if count == 1 else f"{count:,} rows",
        "be": "is" if count == 1 else "are",
        "s": "s" if count == 1 else "",
        "column": column,
        "shares": ", ".join(f"{word} {percent(number, total)}" for word, number in there),
        "evaluation": evaluation,
    }
    title, why = MEANING[kind]
    return title.format(**filling), why.format(**filling)


def imbalance(
    table: Table, column: Column | None, stopped: threading.Event
) -> "tuple[Problem, Array] | None":
    """What is wrong with the sizes of classes, and the rows of the smallest."""
    import numpy

    counts = class_counts(table, column, CLASSES, stopped) if column else None
    if column is None or counts is None or len(counts.hashes) < 2:
        return None
    order = numpy.lexsort((counts.rows, counts.counts))
    least, most = int(order[0]), int(order[-1])
    total = int(counts.counts.sum())
    small, large = int(counts.counts[least]), int(counts.counts[most])
    if large < UNEVEN * small:
        return None
    names = [
        shown(record.get(column.name)) if isinstance(record, dict) else ""
        for record in table.take([int(counts.rows[least]), int(counts.rows[most])])
    ]
    rows = rows_of_class(table, column, int(counts.hashes[least]), stopped)
    problem = Problem(
        key="imbalance",
        kind="imbalance",
        title=f'Of {len(order):,} classes "{names[1]}" has {percent(large, total)} of the rows, '
        f'"{names[0]}" {percent(small, total)}',
        why=f'A model that always says "{names[1]}" is right in {percent(large, total)} of them, '
        "and a fine-tune leans that way. Add rows of the small classes, measure each class by "
        "itself, and set dataset.stratify_by.",
        rows=len(rows),
        first=[int(row) for row in rows[:FIRST]],
        can_leave_out=False,
    )
    return problem, rows
