"""From a person's expression to SQL that holds nothing but columns, values and known functions.

A session may come from a stranger: no text of it reaches DuckDB but as a quoted value, and no
function that is not in the table here. Values behave as a person expects: a text that looks like a
number equals the number; what is missing is equal to nothing, so `!=` and `not` are true of it.
"""

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.data import engine, scans
from workbench.data.syntax import (
    COMPARISONS,
    Call,
    Name,
    Node,
    Operation,
    Part,
    QueryError,
    Value,
    parse,
    wrong,
)
from workbench.data.table import Column

__all__ = ["Condition", "QueryError", "condition"]

Kind = Literal["text", "number", "boolean", "time", "json", "bytes", "null"]
KINDS: dict[str, Kind] = {
    "text": "text",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "time": "time",
    "list": "json",
    "object": "json",
    "mixed": "json",
    "bytes": "bytes",
    "empty": "text",
}
HOLDS = {
    "text": "a text",
    "number": "a number",
    "boolean": "true or false",
    "time": "a time",
    "json": "something nested",
    "bytes": "bytes",
    "null": "null",
}
TIME = re.compile(r"\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")


@dataclass(frozen=True)
class Condition:
    """SQL that is true of the rows wanted (false or NULL of others), over these columns."""

    sql: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Typed:
    """SQL and what it gives. `value` is what a person typed, where it is a constant."""

    sql: str
    kind: Kind
    at: int
    value: str | int | float | bool | None = None


def condition(text: str, columns: Sequence[Column]) -> Condition:
    """What an expression asks of a row of these columns.

    Raises:
        QueryError: naming the character, and what was expected or is like it.
    """
    writer = Writer(columns)
    sql = writer.truth(writer.write(parse(text)))
    return Condition(sql, tuple(writer.used))


class Writer:
    """Writes SQL from a tree, and notes which columns it reads."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = {column.name: column for column in columns}
        self.used: dict[str, None] = {}

    def write(self, node: Node) -> Typed:
        if isinstance(node, Value):
            return constant(node)
        if isinstance(node, Name):
            return self.column(node)
        if isinstance(node, Part):
            return self.part(node)
        if isinstance(node, Call):
            return self.call(node)
        return self.operation(node)

    # --- columns and their parts ----------------------------------------------------------------

    def column(self, node: Name) -> Typed:
        found = self.columns.get(node.name)
        if found is None:
            alike = [c for c in self.columns.values() if c.name.lower() == node.name.lower()]
            if len(alike) != 1:
                self.unknown(node)
            found = alike[0]
        self.used[found.name] = None
        return Typed(scans.reference(found.name), KINDS[found.type], node.at)

    def unknown(self, node: Name) -> None:
        close = difflib.get_close_matches(node.name, self.columns, 1)
        if close:
            plain = re.fullmatch(r"[^\W\d]\w*", close[0])
            hint = f"did you mean {close[0] if plain else f'`{close[0]}`'}?"
            raise QueryError(
                f'At character {node.at + 1}: there is no column "{node.name}"; {hint}'
            )
        names = ", ".join(list(self.columns)[:12])
        more = " …" if len(self.columns) > 12 else ""
        wrong(
            node.at,
            f'there is no column "{node.name}" (a text stands in quotes); there is {names}{more}',
        )

    def part(self, node: Part) -> Typed:
        if dotted := self.dotted(node):
            return self.column(Name(dotted, node.at))
        of = self.write(node.of)
        if of.kind != "json":
            wrong(node.at, f"this has no parts, because it is {HOLDS[of.kind]}")
        if isinstance(node.key, int):
            path = f"$[{node.key}]" if node.key >= 0 else f"$[#{node.key}]"
        else:
            path = "/" + node.key.replace("~", "~0").replace("/", "~1")
        return Typed(f"json_extract({of.sql}, {engine.text(path)})", "json", node.at)

    def dotted(self, node: Node) -> str:
        """The column that is named with dots, such as `meta.source`, where there is one."""
        names: list[str] = []
        while isinstance(node, Part) and isinstance(node.key, str):
            names.insert(0, node.key)
            node = node.of
        if not isinstance(node, Name) or node.quoted or node.name in self.columns:
            return ""
        whole = ".".join([node.name, *names])
        return whole if whole in self.columns else ""

    # --- operations ------------------------------------------------------------------------------

    def operation(self, node: Operation) -> Typed:
        if node.sign in ("and", "or"):
            parts = [f"({self.truth(self.write(one))})" for one in node.given]
            return Typed(f" {node.sign.upper()} ".join(parts), "boolean", node.at)
        if node.sign == "in":
            return self.member(node)
        if node.sign == "list":
            wrong(node.at, 'several values can only stand after "in"')
        given = [self.write(one) for one in node.given]
        if node.sign in ("+", "-", "*", "/", "//", "%", "negative"):
            return arithmetic(node, given)
        if node.sign == "not":
            sql = f"NOT coalesce({self.truth(given[0])}, false)"
        elif node.sign == "is null":
            sql = f"({text(given[0]) if given[0].kind == 'json' else given[0].sql}) IS NULL"
        elif node.sign in COMPARISONS:
            sql = compare(node.sign, given[0], given[1], node.at)
        else:
            sql = f"({text(given[0])} {node.sign.upper()} {text(given[1])})"
        return Typed(sql, "boolean", node.at)

    def member(self, node: Operation) -> Typed:
        """label in ("a", "b"); "a" in text; "a" in a list of texts."""
        left, place = node.given
        one = self.write(left)
        if isinstance(place, Operation) and place.sign == "list":
            parts = [compare("==", one, self.write(item), node.at) for item in place.given]
            return Typed("(" + " OR ".join(parts) + ")", "boolean", node.at)
        whole = self.write(place)
        if whole.kind == "text":
            return Typed(f"contains({whole.sql}, {text(one)})", "boolean", node.at)
        if whole.kind != "json":
            wrong(whole.at, f'expected values in brackets or a text after "in", not '
                            f"{HOLDS[whole.kind]}")  # fmt: skip
        sql = (
            f"(CASE json_type({whole.sql}) WHEN 'ARRAY' THEN "
            f"list_contains({whole.sql} ->> '$[*]', {text(one)}) "
            f"ELSE contains({text(whole)}, {text(one)}) END)"
        )
        return Typed(sql, "boolean", node.at)

    def call(self, node: Call) -> Typed:
        found = FUNCTIONS.get(node.name.lower())
        if found is None:
            close = difflib.get_close_matches(node.name.lower(), FUNCTIONS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(FUNCTIONS)}."
            raise QueryError(
                f'At character {node.at + 1}: there is no function "{node.name}"; {hint}'
            )
        least, most, write = found
        if not least <= len(node.given) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            wrong(node.at, f"{node.name} takes {count} value{'s' * (most > 1)}")
        sql, kind = write([self.write(one) for one in node.given])
        return Typed(sql, kind, node.at)

    def truth(self, one: Typed) -> str:
        """A condition, of what may be one."""
        if one.kind == "boolean":
            return one.sql
        if one.kind == "json":
            return f"TRY_CAST({text(one)} AS BOOLEAN)"
        return wrong(
            one.at,
            f"expected something that is true or false, such as a comparison; this is "
            f"{HOLDS[one.kind]}",
        )


# --- values --------------------------------------------------------------------------------------


def constant(node: Value) -> Typed:
    value = node.value
    if value is None:
        return Typed("NULL", "null", node.at)
    if isinstance(value, bool):
        return Typed("true" if value else "false", "boolean", node.at, value)
    if isinstance(value, str):
        return Typed(engine.text(value), "text", node.at, value)
    sql = str(value) if isinstance(value, int) else f"{value!r}::DOUBLE"
    return Typed(f"({sql})", "number", node.at, value)


def text(one: Typed) -> str:
    """SQL: a value as text."""
    if one.kind == "text":
        return one.sql
    if one.kind == "json":
        return f"({one.sql} ->> '$')"
    return f"({one.sql})::VARCHAR"


def number(one: Typed) -> str:
    """SQL: a value as a number, NULL where it is none."""
    if one.kind in ("number", "null"):
        return one.sql
    if one.kind == "boolean":
        return f"({one.sql})::INTEGER"
    if one.kind in ("time", "bytes"):
        wrong(one.at, f"expected a number; this is {HOLDS[one.kind]}")
    if isinstance(one.value, str) and numeric(one.value) is None:
        wrong(one.at, f'expected a number; "{one.value[:40]}" is none')
    return f"TRY_CAST({text(one)} AS DOUBLE)"


def numeric(value: str) -> float | None:
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def arithmetic(node: Operation, given: list[Typed]) -> Typed:
    if node.sign == "+" and all(one.kind == "text" for one in given):
        return Typed(f"({given[0].sql} || {given[1].sql})", "text", node.at)
    # As DOUBLE, because what is too large for an integer would end the query.
    terms = [f"({number(one)})::DOUBLE" for one in given]
    if node.sign == "negative":
        return Typed(f"(-{terms[0]})", "number", node.at)
    if node.sign == "//":
        return Typed(f"floor({terms[0]} / {terms[1]})", "number", node.at)
    return Typed(f"({terms[0]} {node.sign} {terms[1]})", "number", node.at)


def compare(sign: str, left: Typed, right: Typed, at: int) -> str:
    """SQL of a comparison: as numbers where one side is a number, as times where one is a time,
    else as texts; `!=` is true of what is missing."""
    kinds = {left.kind, right.kind}
    if "null" in kinds:
        if sign not in ("==", "!="):
            wrong(at, 'nothing is less or more than null; use "is null"')
        other = left if right.kind == "null" else right
        missing = text(other) if other.kind == "json" else other.sql
        return f"({missing}) IS {'NOT ' if sign == '!=' else ''}NULL"
    if kinds & {"number"}:
        pair = number(left), number(right)
    elif "time" in kinds:
        pair = time(left), time(right)
    elif "boolean" in kinds:
        pair = truth_value(left), truth_value(right)
    else:
        pair = text(left), text(right)
    operator = {"==": "=", "!=": "IS DISTINCT FROM"}.get(sign, sign)
    return f"({pair[0]} {operator} {pair[1]})"


def time(one: Typed) -> str:
    if one.kind == "time":
        return one.sql
    if one.kind not in ("text", "json"):
        wrong(one.at, f'expected a time such as "2024-05-31 12:00"; this is {HOLDS[one.kind]}')
    if isinstance(one.value, str) and not TIME.fullmatch(one.value.strip()):
        wrong(one.at, f'expected a time such as "2024-05-31 12:00", not "{one.value[:40]}"')
    return f"TRY_CAST({text(one)} AS TIMESTAMP)"


def truth_value(one: Typed) -> str:
    if one.kind == "boolean":
        return one.sql
    if isinstance(one.value, str) and one.value.lower() not in ("true", "false"):
        wrong(one.at, f'expected true or false, not "{one.value[:40]}"')
    return f"TRY_CAST({text(one)} AS BOOLEAN)"


# --- functions -----------------------------------------------------------------------------------

Written = tuple[str, Kind]
Function = tuple[int, int, Callable[[list[Typed]], Written]]  # fewest and most values, its SQL


def textual(sql_name: str, gives: Kind = "text") -> Callable[[list[Typed]], Written]:
    """A function of DuckDB's whose values are all texts."""
    return lambda given: (f"{sql_name}({', '.join(map(text, given))})", gives)


def numerical(sql_name: str) -> Callable[[list[Typed]], Written]:
    return lambda given: (f"{sql_name}(({number(given[0])})::DOUBLE)", "number")


def of_time(sql_name: str) -> Callable[[list[Typed]], Written]:
    return lambda given: (f"{sql_name}({time(given[0])})", "number")


def length(given: list[Typed]) -> Written:
    """Characters of a text, elements of a list, keys of an object."""
    one = given[0]
    if one.kind != "json":
        return f"length({text(one)})", "number"
    return (
        f"(CASE json_type({one.sql}) WHEN 'ARRAY' THEN json_array_length({one.sql}) "
        f"WHEN 'OBJECT' THEN len(json_keys({one.sql})) ELSE length({text(one)}) END)",
        "number",
    )


def matches(given: list[Typed]) -> Written:
    """A regular expression of RE2, which takes time in proportion to the text."""
    return f"regexp_matches({text(given[0])}, {text(given[1])})", "boolean"


def rounded(given: list[Typed]) -> Written:
    places = f", ({number(given[1])})::INTEGER" if len(given) > 1 else ""
    return f"round(({number(given[0])})::DOUBLE{places})", "number"


def first_there(given: list[Typed]) -> Written:
    if len({one.kind for one in given} - {"null"}) == 1:
        kind = next(one.kind for one in given if one.kind != "null")
        return f"coalesce({', '.join(one.sql for one in given)})", kind
    return f"coalesce({', '.join(map(text, given))})", "text"


def is_empty(given: list[Typed]) -> Written:
    one = text(given[0])
    return f"coalesce({scans.is_blank(one)} OR {one} IN ('[]', '{{}}'), true)", "boolean"


FUNCTIONS: dict[str, Function] = {
    "contains": (2, 2, textual("contains", "boolean")),
    "starts_with": (2, 2, textual("starts_with", "boolean")),
    "startswith": (2, 2, textual("starts_with", "boolean")),
    "ends_with": (2, 2, textual("ends_with", "boolean")),
    "endswith": (2, 2, textual("ends_with", "boolean")),
    "matches": (2, 2, matches),
    "lower": (1, 1, textual("lower")),
    "upper": (1, 1, textual("upper")),
    "strip": (1, 1, textual("trim")),
    "trim": (1, 1, textual("trim")),
    "replace": (3, 3, textual("replace")),
    "len": (1, 1, length),
    "length": (1, 1, length),
    "empty": (1, 1, is_empty),
    "text": (1, 1, lambda given: (text(given[0]), "text")),
    "number": (1, 1, lambda given: (f"({number(given[0])})::DOUBLE", "number")),
    "abs": (1, 1, numerical("abs")),
    "floor": (1, 1, numerical("floor")),
    "ceil": (1, 1, numerical("ceil")),
    "round": (1, 2, rounded),
    "coalesce": (1, 20, first_there),
    "year": (1, 1, of_time("year")),
    "month": (1, 1, of_time("month")),
    "day": (1, 1, of_time("day")),
}
