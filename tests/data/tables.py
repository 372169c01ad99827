"""What the tests of tables share: a file becomes a table, and both ways to read it are compared."""

import json
import threading
from pathlib import Path
from typing import Any

from workbench.data import engine
from workbench.data.sources import Source, open_source
from workbench.data.table import SQL_TYPES, Broken, Table
from workbench.session import DatasetSettings


def silent(*_: object) -> None:
    pass


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def source(name: str | Path, folder: Path) -> Source:
    return open_source(DatasetSettings(source=str(name)), folder, silent)


def table(name: str | Path, folder: Path, index: bool = True) -> Table:
    found = source(name, folder).table("train")
    if index:
        found.index(silent, threading.Event())
        assert found.complete
    return found


def types(found: Table) -> dict[str, str]:
    return {column.name: column.type for column in found.columns}


def queried(found: Table, names: list[str] | None = None) -> list[tuple[Any, ...]]:
    names = names or [column.name for column in found.columns]
    with engine.connect() as connection:
        return engine.ask(connection, f"FROM {found.relation(connection, names)}")


def good(found: Table) -> list[Any]:
    return [row for row in found.read(0, found.count) if not isinstance(row, Broken)]


def agree(found: Table) -> None:
    """DuckDB's rows are those that are read, number for number, broken ones with no value."""
    rows = found.read(0, found.count)
    asked = queried(found)
    assert [row[0] for row in asked] == list(range(found.count))
    broken = {number for number, row in enumerate(rows) if isinstance(row, Broken)}
    assert broken == set(found.broken_numbers().tolist())
    for number, *cells in asked:
        row = rows[number]
        for column, cell in zip(found.columns, cells, strict=True):
            expected = None if isinstance(row, Broken) else row.get(column.name)
            if expected is not None and SQL_TYPES[column.type] == "JSON":
                cell = json.loads(cell)  # noqa: PLW2901
            assert cell == expected, (number, column)
