"""A SQLite file that several processes and threads share, and that is replaced when it is damaged.

Knows tables and transactions; knows nothing of what is in them. SQLite's rollback journal is used,
not its write-ahead log: that needs memory shared between processes, which network file systems
lack. A process that is killed in the middle of a transaction leaves none of it.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.locks import hold

BUSY = 30.0  # seconds to wait for another process's transaction
FULL = "full"
# What SQLite says of a file that it cannot read; all else may be right the next time.
DAMAGED = ("malformed", "not a database", "file is encrypted", "unsupported file format")


class ResultsError(Exception):
    """Results that cannot be read or kept; the text is one sentence for the person."""


class Database:
    """One connection for all threads of this process, one thread at a time.

    `notes` tell what was set aside."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        self.path, self.schema, self.version = path, schema, version
        self.lock = threading.RLock()
        self.connection: sqlite3.Connection | None = None
        self.identity: tuple[int, int] | None = None  # of the file that is open
        self.notes: list[str] = []

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from.

        Raises:
            ResultsError: when the file cannot be read; where it is damaged it is set aside.
        """
        with self.lock, self.told():
            yield self.opened()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is written in it is kept, or nothing.

        Raises:
            ResultsError: when it cannot be kept, the disk is full, say; where the file is damaged
                it is set aside.
        """
        with self.lock, self.told():
            connection = self.opened()
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("rollback")
                raise

    def opened(self) -> sqlite3.Connection:
        # It may have been deleted, or set aside by another process.
        if self.connection is None or self.identity != identity_of(self.path):
            self.close()
            try:
                self.connection = self.connect()
            except sqlite3.DatabaseError as error:
                if not damaged(error):
                    raise
                self.set_aside()
                self.connection = self.connect()
            self.identity = identity_of(self.path)
        return self.connection

    def connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("pragma foreign_keys = on")
            (there,) = connection.execute("pragma user_version").fetchone()
            if there > self.version:
                raise ResultsError(
                    f"{self.path} was written by a later version of workbench; update workbench, "
                    "or move the file away."
                )
            if there < self.version:
                connection.execute("pragma auto_vacuum = incremental")
                script = f"begin immediate; {self.schema}; pragma user_version = {self.version};"
                connection.executescript(f"{script} commit;")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors as sentences."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if damaged(error):
                self.set_aside()
                raise ResultsError(self.notes[-1]) from error
            raise ResultsError(self.sentence(error)) from error
        except OSError as error:
            reason = error.strerror or "it cannot be written"
            raise ResultsError(f"Results cannot be kept in {self.path}: {reason}.") from error

    def sentence(self, error: sqlite3.Error) -> str:
        text = str(error)
        if FULL in text:
            return f"The disk is full: results cannot be kept in {self.path}; make some room."
        if "readonly" in text or "unable to open" in text:
            return (
                f"Results cannot be kept in {self.path}: it may not be written; correct its "
                "permissions."
            )
        if "locked" in text or "busy" in text:
            return f"{self.path} is in use by another process; try again in a moment."
        return f"Results cannot be kept in {self.path}: {text}; try again."

    def set_aside(self) -> None:
        """Rename a damaged file, and begin a new one. Of several processes one does so."""
        self.close()
        lock = hold(self.path.with_suffix(".lock"), 0o600)
        try:
            if lock is None or self.is_sound():
                self.notes.append(f"{self.path.name} was damaged and has been replaced.")
                return
            stamp = time.strftime("%Y%m%d-%H%M%S")
            name = f"{self.path.stem}.damaged-{stamp}{self.path.suffix}"
            # Its journal first: SQLite would apply it to the new file.
            with suppress(OSError):
                os.replace(f"{self.path}-journal", self.path.with_name(f"{name}-journal"))
            os.replace(self.path, self.path.with_name(name))
            self.notes.append(
                f"The file of earlier results was damaged: it is now {self.path.with_name(name)}, "
                "and a new one was begun."
            )
        except FileNotFoundError:
            self.notes.append(f"{self.path.name} was damaged and has been replaced.")
        finally:
            if lock is not None:
                os.close(lock)

    def is_sound(self) -> bool:
        """Whether the file can be read after all: another process has replaced it."""
        try:
            connection = self.connect()
        except (sqlite3.Error, ResultsError):
            return False
        try:
            return bool(connection.execute("pragma quick_check(1)").fetchone() == ("ok",))
        except sqlite3.Error:
            return False
        finally:
            connection.close()

    def bytes(self) -> int:
        with suppress(OSError):
            return self.path.stat().st_size
        return 0

    def close(self) -> None:
        with self.lock:
            if self.connection is not None:
                with suppress(sqlite3.Error):
                    self.connection.close()
            self.connection = None


def identity_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def damaged(error: sqlite3.Error) -> bool:
    """Whether the file itself is the error."""
    return any(words in str(error) for words in DAMAGED)
