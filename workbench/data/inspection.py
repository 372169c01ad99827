"""One look at all rows for what is wrong with them; gives numbers of rows, not words.

Knows SQL for each kind of problem; not what a problem means.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.catalogue import Report
from workbench.data import engine, scans, similar
from workbench.data.equal import Pairs
from workbench.data.sketches import PLACE, Frequent
from workbench.data.summary import JSON_TYPES, WORDS
from workbench.data.table import SQL_TYPES, Column, Table

if TYPE_CHECKING:
    import numpy
    import pyarrow

    Array = numpy.ndarray[Any, Any]

COMPARED_ROWS = 200_000  # whose wording is compared with every other's
COMPARED_TEXT = 64 << 20  # characters of them
LONGEST = 5_000  # characters of a row that are compared
MIXED = 20  # columns of several types whose rows are found
# Control characters but tab and line ends, bidirectional controls, zero-width signs but the
# joiners (which emoji and several scripts need), a byte order mark, and private use.
CONTROL = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}"
    r"\x{2060}-\x{2069}\x{feff}\x{e000}-\x{f8ff}]|\r[^\n]|\r\z"
)
# The same as JSON writes them; an even number of backslashes before is text.
ESCAPED_CONTROL = (
    r"(?i)(?:^|[^\\])(?:\\\\)*\\(?:[bf]|u(?:00(?:0[0-8bcef]|1[0-9a-f]|7f|[89][0-9a-f])"
    r"|200[bef]|202[a-e]|206[0-9]|feff|e[0-9a-f]{3}|f[0-8][0-9a-f]{2}))"
)
ESCAPED_REPLACEMENT = r"(?i)(?:^|[^\\])(?:\\\\)*\\ufffd"
EMPTY_TURN = r'"(?:content|value)"\s*:\s*"(?:\\[nrt]|\s)*"'
UNTOLD = r"[^\p{L}\p{N}\p{M}]+"  # what two wordings may differ in and be the same


@dataclass(frozen=True)
class Wanted:
    """What to look for. `needed` are columns that no row may lack, `wording` those whose text is
    what a row is about."""

    kinds: frozenset[str]
    needed: tuple[Column, ...]
    wording: tuple[Column, ...]


@dataclass
class Inspected:
    """Rows by the key of their problem, and what else was seen."""

    rows: "dict[str, Array]" = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    mixed: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  # column: type, count


def inspect(
    table: Table,
    wanted: Wanted,
    stopped: threading.Event,
    report: Report,
    sides: "tuple[Array, Array] | None" = None,
) -> Inspected:
    """Look at all rows but broken ones. With `sides` (for each row whether it is trained on, and
    whether it is measured on) the rows on the first that are on the second, too, are "overlap".

    Raises:
        Stopped, SourceError: as `scans.scan`.
    """
    import numpy

    looks = list(all_looks(table, wanted, sides))
    names = [column.name for look in looks for column in look.columns]
    expressions = [sql for look in looks for sql in look.expressions]
    good = numpy.ones(table.count, bool)
    good[table.broken_numbers()] = False
    found = Inspected()
    try:
        if expressions:
            for start, batch in scans.scan(table, names, expressions, stopped):
                report("looking for problems", start, table.count, "rows")
                kept = good[start : start + batch.num_rows]
                rows = start + numpy.flatnonzero(kept)
                arrays = iter(batch.columns)
                for look in looks:
                    look.add(rows, kept, [next(arrays) for _ in look.expressions])
        for look in looks:
            report("comparing rows", 0, 0, "")
            look.end(found, stopped)
    finally:
        for look in looks:
            look.close()
    return found


def all_looks(
    table: Table, wanted: Wanted, sides: "tuple[Array, Array] | None"
) -> "Iterable[Look]":
    texts = [one for one in table.columns if SQL_TYPES[one.type] in ("VARCHAR", "JSON")]
    kinds = wanted.kinds
    if kinds & {"duplicates", "near_duplicates"} or sides:
        yield Alike(table, wanted, sides)
    if "empty" in kinds:
        for column in wanted.needed:
            yield Flags(f"empty:{column.name}", [column], lacks(column))
    if "encoding" in kinds and texts:
        yield Flags(
            "encoding", texts, any_of(texts, "contains(TEXT, '\ufffd')", ESCAPED_REPLACEMENT)
        )
    if "control_characters" in kinds and texts:
        pattern = engine.text(CONTROL)
        sql = any_of(texts, f"regexp_matches(TEXT, {pattern})", ESCAPED_CONTROL)
        yield Flags("control_characters", texts, sql)
    if "mixed_types" in kinds:
        for column in [one for one in table.columns if one.type == "mixed"][:MIXED]:
            yield Mixed(column, table.count)


class Look:
    """A look for one thing, batch by batch. Rows come with what the expressions gave for them."""

    columns: Sequence[Column] = ()
    expressions: Sequence[str] = ()

    def add(self, rows: "Array", kept: "Array", arrays: "list[pyarrow.Array]") -> None:
        """`kept` says which rows of the batch are the `rows`."""
        raise NotImplementedError

    def end(self, found: Inspected, _stopped: threading.Event, /) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Flags(Look):
    """Rows that some SQL is true of."""

    def __init__(self, key: str, columns: Sequence[Column], sql: str) -> None:
        self.key, self.columns, self.expressions = key, columns, [sql]
        self.found: list[Array] = []

    def add(self, rows: "Array", kept: "Array", arrays: "list[pyarrow.Array]") -> None:
        self.found.append(rows[scans.numbers(arrays[0])[kept]])

    def end(self, found: Inspected, _stopped: threading.Event) -> None:
        import numpy

        found.rows[self.key] = numpy.concatenate([numpy.empty(0, numpy.int64), *self.found])


class Mixed(Look):
    """Rows whose value is not of the type that most are of."""

    def __init__(self, column: Column, count: int) -> None:
        import numpy

        kinds = " ".join(
            f"WHEN '{kind}' THEN {WORDS.index(word) + 1}" for kind, word in JSON_TYPES.items()
        )
        name = scans.reference(column.name)
        self.column, self.columns = column, [column]
        self.expressions = [f"(CASE json_type({name}) {kinds} ELSE 0 END)::UTINYINT"]
        self.kinds = numpy.zeros(count, numpy.uint8)  # of each row; 0: it is missing

    def add(self, rows: "Array", kept: "Array", arrays: "list[pyarrow.Array]") -> None:
        self.kinds[rows] = scans.numbers(arrays[0])[kept]

    def end(self, found: Inspected, _stopped: threading.Event) -> None:
        import numpy

        counts = numpy.bincount(self.kinds, minlength=len(WORDS) + 1)
        counts[0] = 0
        usual = int(counts.argmax())
        key = f"mixed_types:{self.column.name}"
        found.rows[key] = numpy.flatnonzero((self.kinds != usual) & (self.kinds != 0))
        there = sorted(((int(n), WORDS[i - 1]) for i, n in enumerate(counts) if n), reverse=True)
        found.mixed[self.column.name] = [(word, count) for count, word in there]


class Alike(Look):
    """Rows that are the same, nearly the same, or the same on both sides."""

    def __init__(
        self, table: Table, wanted: Wanted, sides: "tuple[Array, Array] | None" = None
    ) -> None:
        self.table, self.wanted, self.sides = table, wanted, sides
        self.columns = table.columns
        every = ", ".join(scans.reference(one.name) for one in table.columns)
        self.words = bool(wanted.wording) and ("near_duplicates" in wanted.kinds or bool(sides))
        # Rows to compare are chosen by what they say, so that rows added later change no choice.
        self.one_in = -(-max(table.count, 1) // COMPARED_ROWS)
        self.expressions = [f"hash({every})" if every else "hash(0)"]
        if self.words:
            text = wording(wanted.wording)
            self.expressions += [
                f"hash({text})",
                f"CASE WHEN hash({text}) % {self.one_in} = 0 THEN left({text}, {LONGEST}) END",
            ]
        self.exact, self.worded = Pairs(), Pairs()
        self.texts: dict[int, tuple[int, str]] = {}  # hash: row, wording; of the rows chosen
        self.characters, self.full_at = 0, 0

    def add(self, rows: "Array", kept: "Array", arrays: "list[pyarrow.Array]") -> None:
        self.exact.add(scans.numbers(arrays[0])[kept], rows)
        if not self.words:
            return
        self.worded.add(scans.numbers(arrays[1])[kept], rows)
        if "near_duplicates" not in self.wanted.kinds or self.characters > COMPARED_TEXT:
            return
        import numpy
        import pyarrow

        hashes = scans.numbers(arrays[1])[kept]
        chosen = arrays[2].filter(pyarrow.array(kept))
        for place in numpy.flatnonzero(chosen.is_valid().to_numpy(zero_copy_only=False)):
            code = int(hashes[place])
            if code in self.texts:  # the same wording: nothing to compare
                continue
            text = chosen[int(place)].as_py()
            self.texts[code] = (int(rows[place]), text)
            self.characters += len(text)
            if self.characters > COMPARED_TEXT:
                self.full_at = int(rows[place])
                return

    def end(self, found: Inspected, stopped: threading.Event) -> None:
        import numpy

        same = self.exact.repeated(self.table.count)
        found.rows["duplicates"] = scans.places(same)
        if not self.words:
            return
        if self.sides:
            found.rows["overlap"] = scans.places(self.worded.on_both_sides(*self.sides))
        if "near_duplicates" not in self.wanted.kinds:
            return
        alike = self.worded.repeated(self.table.count)
        alike[same] = False
        alone = [one for one in self.texts.values() if not alike[one[0]] and not same[one[0]]]
        chosen, texts = [row for row, _ in alone], [text for _, text in alone]
        self.texts = {}
        del same
        places = numpy.array(similar.repeated(texts, stopped), int)
        alike[numpy.array(chosen, int)[places]] = True
        found.rows["near_duplicates"] = scans.places(alike)
        if self.one_in > 1 or self.full_at:
            found.notes.append(
                f"Wordings that differ in a few words were looked for in {len(chosen):,} of the "
                f"{self.table.count:,} rows; those that differ in case, spaces or punctuation "
                "only, in all."
            )

    def close(self) -> None:
        self.exact.close()
        self.worded.close()


# --- SQL -----------------------------------------------------------------------------------------


def any_of(columns: Sequence[Column], test: str, escaped: str) -> str:
    """Whether a test (TEXT stands for the text) is true of any column, or the pattern `escaped` is
    in any that holds JSON."""
    parts = []
    for column in columns:
        name = scans.reference(column.name)
        parts.append(test.replace("TEXT", f"{name}::VARCHAR"))
        if SQL_TYPES[column.type] == "JSON":
            parts.append(f"regexp_matches({name}::VARCHAR, {engine.text(escaped)})")
    return " OR ".join(f"coalesce({part}, false)" for part in parts)


def lacks(column: Column) -> str:
    """Whether a column's value is missing or empty, or a turn of it says nothing."""
    name, text = scans.reference(column.name), scans.as_text(column)
    if SQL_TYPES[column.type] == "VARCHAR":
        return f"{name} IS NULL OR {scans.is_blank(name)}"
    if SQL_TYPES[column.type] == "JSON":
        turn = f"regexp_matches({name}::VARCHAR, {engine.text(EMPTY_TURN)})"
        return f"{text} IS NULL OR {text} IN ('[]', '{{}}') OR {scans.is_blank(text)} OR {turn}"
    return f"{name} IS NULL"


def wording(columns: Sequence[Column]) -> str:
    """What the columns say, without case, spaces and punctuation; all of it where there is nothing
    else. Of turns it is what they say, without who says it."""
    parts = []
    for column in columns:
        text = scans.as_text(column)
        if SQL_TYPES[column.type] == "JSON":
            name = scans.reference(column.name)
            turns = [f"nullif(array_to_string({name} ->> '$[*].{key}', ' '), '')"
                     for key in ("content", "value")]  # fmt: skip
            text = f"coalesce({', '.join(turns)}, {text})"
        parts.append(text)
    whole = f"lower(concat_ws(' ', {', '.join(parts)}))"
    # Spaces first: taking out each of them by the pattern takes twice as long.
    plain = f"regexp_replace(replace({whole}, ' ', ''), {engine.text(UNTOLD)}, '', 'g')"
    return f"coalesce(nullif({plain}, ''), {whole})"


def said_hashes(
    table: Table, columns: Sequence[Column], stopped: threading.Event, report: Report
) -> "Iterable[tuple[int, Array]]":
    """Hashes of what rows say, and the first row of each batch of them."""
    names = [column.name for column in columns]
    for start, batch in scans.scan(table, names, [f"hash({wording(columns)})"], stopped):
        report("comparing the sides", start, table.count, "rows")
        yield start, scans.numbers(batch.column(0))


def class_counts(
    table: Table, column: Column, most: int, stopped: threading.Event
) -> "Frequent | None":
    """How many rows each value of a column has; None where more than `most` are there."""
    import numpy

    found = Frequent()
    sql = f"hash({scans.as_text(column)})"
    missing = f"{scans.as_text(column)} IS NULL"
    for start, batch in scans.scan(table, [column.name], [sql, missing], stopped):
        there = ~scans.numbers(batch.column(1))
        rows = start + numpy.flatnonzero(there)
        found.add(scans.numbers(batch.column(0))[there], rows)
        if len(found.hashes) > most:
            return None
    return found


def rows_of_class(table: Table, column: Column, code: int, stopped: threading.Event) -> "Array":
    """The rows whose value of a column has this hash."""
    import numpy

    found = [numpy.empty(0, numpy.int64)]
    sql = f"hash({scans.as_text(column)})"
    for start, batch in scans.scan(table, [column.name], [sql], stopped):
        same = scans.numbers(batch.column(0)) >> numpy.uint64(PLACE) == numpy.uint64(code >> PLACE)
        found.append(start + numpy.flatnonzero(same))
    return numpy.concatenate(found)
