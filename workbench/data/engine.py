"""DuckDB, as the workbench uses it: bounded memory, no network, no extensions, cancellable.

Knows nothing of what is asked of it.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from workbench.catalogue import cache_folder

if TYPE_CHECKING:
    import duckdb

# The reader of JSON holds 32 MB for each thread: more threads than memory for them, and it fails.
THREADS = 4  # at most
THREAD_MEMORY = 80  # MB for each, for what a query keeps; what does not fit goes to the disk
BUFFERED = 64 << 20  # bytes of the longest line that DuckDB's JSON reader may meet
NAMELESS = "⟨no name⟩"  # a column whose name is empty
GIVEN_UP_SECONDS = 0.05  # between two looks at whether a query was given up


class Stopped(Exception):  # noqa: N818 - it is no error
    """The person gave up what was under way."""


def connect() -> "duckdb.DuckDBPyConnection":
    """A database in memory of its own; close it when done."""
    import duckdb

    threads = min(os.cpu_count() or 1, THREADS)
    spill = cache_folder() / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    return duckdb.connect(
        config={
            "threads": str(threads),
            "memory_limit": f"{max(2, threads) * THREAD_MEMORY}MB",
            "temp_directory": str(spill / f"{os.getpid()}-{threading.get_ident()}"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "true",
        }
    )


@contextmanager
def giving_up(connection: "duckdb.DuckDBPyConnection", stopped: threading.Event) -> Iterator[None]:
    """Within it, a query of the connection ends once `stopped` is set.

    Raises:
        Stopped: then.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(GIVEN_UP_SECONDS):
            if stopped.is_set():
                with suppress(Exception):
                    connection.interrupt()

    watcher = threading.Thread(target=watch, name="giving-up", daemon=True)
    watcher.start()
    try:
        yield
    except Exception as error:
        if stopped.is_set():
            raise Stopped from error
        raise
    finally:
        over.set()
        watcher.join()


def ask(
    connection: "duckdb.DuckDBPyConnection",
    sql: str,
    values: Sequence[Any] = (),
    stopped: threading.Event | None = None,
) -> list[tuple[Any, ...]]:
    """All rows of a query.

    Raises:
        Stopped: where `stopped` was set before it was done.
    """
    with giving_up(connection, stopped or threading.Event()):
        return connection.execute(sql, list(values)).fetchall()


def name(text: str) -> str:
    """A column's name, quoted for SQL, whatever is in it; SQL knows no empty one."""
    text = text or NAMELESS
    return '"' + text.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text, quoted for SQL."""
    return "'" + value.replace("'", "''") + "'"
