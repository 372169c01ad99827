"""JSON Lines as DuckDB reads them: the SQL for a table's rows.

Knows the options of DuckDB's reader; not what is asked of the rows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.engine import name as named
from workbench.data.engine import text as quoted
from workbench.data.table import ROW

if TYPE_CHECKING:
    from workbench.data.jsonlines import JsonLines

NOTHING = "⟨nothing⟩"  # the column that is read where none is asked for


def relation(table: "JsonLines", types: dict[str, str], grown: bool) -> str:
    """The SELECT, in parentheses, of rows' numbers and of columns in these SQL types."""
    if not grown:
        return select(table, table.queried(), types, 0, None)
    starts = [table.lines.first_row(file) for file in range(len(table.files))]
    parts = [
        select(table, [path], types, start, stop - start)
        for path, start, stop in zip(table.files, starts, [*starts[1:], table.count], strict=True)
    ]
    return "(" + " UNION ALL ".join(parts) + ")"


def select(
    table: "JsonLines", files: Sequence[Path], types: dict[str, str], first: int, limit: int | None
) -> str:
    """Rows of some files, the first of which has the number `first`."""
    if len({name.casefold() for name in types}) < len(types) or "" in types:
        # DuckDB's names know no case and are never empty, JSON's do and may be: the values are cut
        # out by their pointers.
        fields = [f"{cut(name, kind)} AS {named(name)}" for name, kind in types.items()]
        source = objects(table, files)
    else:
        fields = [named(name) for name in types]
        kinds = {name: quoted(kind) for name, kind in types.items()} or {NOTHING: "'VARCHAR'"}
        columns = ", ".join(f"{quoted(name)}: {kind}" for name, kind in kinds.items())
        source = (
            f"read_json({listed(files)}, format='newline_delimited', ignore_errors=true, "
            f"records=true, columns={{{columns}}}, maximum_object_size={table.object_size()})"
        )
    rows = f"SELECT row_number() OVER () + {first - 1} AS {named(ROW)}"
    rows += "".join(f", {field}" for field in fields) + f" FROM {source}"
    if limit is not None:
        rows += f" LIMIT {limit}"
    if table.unseen and types:
        numbers = ", ".join(map(str, table.unseen))
        kept = ", ".join(
            f"CASE WHEN c0 IN ({numbers}) THEN NULL ELSE c{place} END AS {named(name)}"
            for place, name in enumerate(types, 1)
        )
        places = ", ".join(f"c{place}" for place in range(len(types) + 1))
        rows = f"SELECT c0 AS {named(ROW)}, {kept} FROM ({rows}) AS cells({places})"
    return f"({rows})"


def cut(name: str, kind: str) -> str:
    """A column's value out of the whole row's JSON."""
    where = quoted(pointer(name))
    value = f"json_extract(json, {where})"
    if kind == "JSON":
        return f"CASE WHEN json_type(json, {where}) <> 'NULL' THEN {value} END"
    if kind == "VARCHAR":
        return f"json_extract_string(json, {where})"
    return f"TRY_CAST({value} AS {kind})"


def objects(table: "JsonLines", files: Sequence[Path] | None = None) -> str:
    """All lines of a table as JSON, to stand after FROM."""
    return (
        f"read_ndjson_objects({listed(files or table.queried())}, ignore_errors=true, "
        f"maximum_object_size={table.object_size()})"
    )


def pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def listed(files: Sequence[Path]) -> str:
    """Paths as DuckDB takes them."""
    return "[" + ", ".join(quoted(literal(str(path))) for path in files) + "]"


def literal(path: str) -> str:
    """A path in which no sign is taken for a pattern's."""
    if not set(path) & set("*?["):
        return path
    return "".join(f"[{one}]" if one in "*?[" else "?" if one == "\\" else one for one in path)
