"""What the tests that look at all rows share: a source of given rows, divided or searched."""

import threading
from typing import Any

from workbench.data.memory import memory_table
from workbench.data.sources import Source
from workbench.data.splits import Division, divide
from workbench.data.table import Table
from workbench.data.views import View, find
from workbench.session import DatasetSettings

Row = dict[str, Any]


def silent(*_: object) -> None:
    pass


def source(**splits: list[Row] | Table) -> Source:
    tables: dict[str, Table] = {
        name: memory_table(rows) if isinstance(rows, list) else rows
        for name, rows in splits.items()
    }
    return Source(tables=tables, description="the rows", fingerprint="", notes=[])


def divided(rows: Source | list[Row] | Table, **settings: Any) -> Division:
    given = rows if isinstance(rows, Source) else source(train=rows)
    return divide(given, DatasetSettings(**settings), threading.Event(), silent)


def found(table: Table, division: Division | None = None, **wish: Any) -> list[int]:
    """The numbers of the rows that are found."""
    asked: dict[str, Any] = {
        "search": "", "where": "", "sort": "", "descending": False, "side": "all", "problem": None,
    }  # fmt: skip
    view = View()
    find(
        table,
        division,
        **(asked | wish),
        view=view,
        stopped=threading.Event(),
        tell=silent,
    )
    assert view.complete
    return [int(number) for number in view.numbers(0, view.count)]
