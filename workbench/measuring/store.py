"""The results of a workspace: answers by key, every wording that was run, and measurements.

All of it is in `results/results.sqlite`, in the folder that the session works in. A session is
named by its path from there, so that a folder that is moved keeps its history. What was measured
is on disk before it is told; nothing in here is secret.

Answers are a cache: beyond MOST_BYTES the file loses those that were not used for the longest time.
Versions and finished measurements are the person's history and stay.
"""

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from workbench.measuring.database import Database, ResultsError
from workbench.measuring.records import (
    About,
    Measurement,
    StoredRow,
    figure_of,
    maybe,
    packed,
    unpacked,
)
from workbench.measuring.replies import kept
from workbench.measuring.versions import prompt_without_secrets, version_of, without_secrets
from workbench.protocol import Evaluated, Figure, Version
from workbench.session import GenerationSettings, ModelSettings, Prompt

__all__ = ["About", "Measurement", "Results", "ResultsError", "Size", "StoredRow", "session_name"]

MOST_BYTES = 1_000_000_000  # of the file; then the oldest answers go
SHARE = 0.25  # of the answers that then go
ABANDONED = 30 * 86_400.0  # seconds after which an unfinished measurement goes
TOUCHED = 86_400.0  # seconds until a use of an answer is noted again
AT_ONCE = 500  # keys in a query
T = TypeVar("T")

SCHEMA = """
create table if not exists answers (key text primary key, value blob not null, used real not null)
    without rowid;
create index if not exists answers_used on answers (used);
create table if not exists versions (
    session text not null, version text not null, name text not null, value blob not null,
    first_run real not null, last_run real not null, answers integer not null,
    primary key (session, version, name)) without rowid;
create table if not exists measurements (
    id text primary key, session text not null, version text not null, same text not null,
    begun real not null, complete integer not null, about blob not null, evaluated blob);
create index if not exists measurements_same on measurements (same, complete, begun);
create index if not exists measurements_version on measurements (session, version, begun);
create table if not exists rows (
    measurement text not null references measurements (id) on delete cascade,
    number integer not null, value blob not null, primary key (measurement, number))
    without rowid;
"""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much the store holds."""

    answers: int
    measurements: int
    bytes: int


class Results:
    """The results of one workspace. Any thread may use it.

    Raises (all methods):
        ResultsError: when the file cannot be read or written. A damaged file is set aside first:
            the next call begins a new one; `notes` tells it.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.database = Database(self.folder / "results" / "results.sqlite", SCHEMA, 1)

    @property
    def notes(self) -> list[str]:
        """What the person should know of the file, a sentence each."""
        return self.database.notes

    def close(self) -> None:
        self.database.close()

    # --- answers

    def answers(self, keys: Sequence[str], kind: type[T]) -> dict[str, T]:
        """The kept answers of these keys, as values of `kind`. What cannot be read as such was
        kept by another version of the program, and is not told."""
        found: dict[str, T] = {}
        now, old = time.time(), []
        with self.database.reading() as connection:
            for start in range(0, len(keys), AT_ONCE):
                part = list(keys[start : start + AT_ONCE])
                marks = ",".join("?" * len(part))
                for key, value, used in connection.execute(
                    f"select key, value, used from answers where key in ({marks})", part
                ):
                    try:
                        found[key] = unpacked(value, kind)
                    except (ValueError, TypeError):
                        continue
                    if now - used > TOUCHED:
                        old.append((now, key))
        if old:
            with self.database.writing() as connection:
                connection.executemany("update answers set used = ? where key = ?", old)
        return found

    def keep(self, items: Iterable[tuple[str, Any]]) -> None:
        """Keep answers by their keys: structs, or values of JSON's types."""
        now = time.time()
        with self.database.writing() as connection:
            connection.executemany(
                "insert or replace into answers values (?, ?, ?)",
                ((key, packed(value), now) for key, value in items),
            )
        if self.database.bytes() > MOST_BYTES:
            self.prune()

    def prune(self, share: float = SHARE) -> None:
        """Let go of this share of the answers, those that were not used for the longest time, and
        of measurements that were left unfinished long ago."""
        with self.database.writing() as connection:
            (count,) = connection.execute("select count(*) from answers").fetchone()
            connection.execute(
                "delete from answers where key in (select key from answers order by used limit ?)",
                (int(count * share) + 1,),
            )
            connection.execute(
                "delete from measurements where not complete and begun < ?",
                (time.time() - ABANDONED,),
            )
        with self.database.reading() as connection:
            connection.execute("pragma incremental_vacuum").fetchall()

    def forget(self) -> None:
        """Let go of all answers; history stays."""
        with self.database.writing() as connection:
            connection.execute("delete from answers")
        with self.database.reading() as connection:
            connection.execute("pragma incremental_vacuum").fetchall()

    def size(self) -> Size:
        with self.database.reading() as connection:
            (answers,) = connection.execute("select count(*) from answers").fetchone()
            (measurements,) = connection.execute("select count(*) from measurements").fetchone()
        return Size(answers=answers, measurements=measurements, bytes=self.database.bytes())

    # --- versions

    def keep_version(
        self,
        session_path: Path | str,
        prompt: Prompt,
        model: ModelSettings,
        generation: GenerationSettings,
        answers: int = 0,
    ) -> str:
        """Note that a wording was run, and that so many more answers were asked of it; the name of
        the version. Where `session_path` is empty nothing is kept."""
        version = version_of(prompt, model, generation)
        if not str(session_path):
            return version
        session, now = session_name(self.folder, session_path), time.time()
        value = {
            "prompt": prompt_without_secrets(prompt),
            "model": without_secrets(model),
            "generation": generation,
        }
        with self.database.writing() as connection:
            connection.execute(
                "insert into versions values (?, ?, ?, ?, ?, ?, ?) "
                "on conflict (session, version, name) do update set "
                "last_run = excluded.last_run, answers = answers + excluded.answers, "
                "value = excluded.value",
                (session, version, prompt.name, packed(value), now, now, answers),
            )
        return version

    def versions(self, session_path: Path | str, name: str = "") -> list[Version]:
        """Every wording of a session (of the variant `name`) that was run, the last run first, with
        the figures that were measured of it, the latest first. A wording that was run under
        several names is told once for each."""
        session = session_name(self.folder, session_path)
        figures: dict[tuple[str, str], list[Figure]] = {}
        with self.database.reading() as connection:
            rows = connection.execute(
                "select version, name, value, first_run, last_run, answers from versions "
                "where session = ? and (? = '' or name = ?) order by last_run desc",
                (session, name, name),
            ).fetchall()
            for row in connection.execute(
                "select version, id, begun, complete, about, evaluated from measurements "
                "where session = ? order by begun desc",
                (session,),
            ):
                about, evaluated = unpacked(row[4], About), maybe(row[5])
                figure = figure_of(row[1], row[2], bool(row[3]), about, evaluated)
                figures.setdefault((row[0], about.prompt.name), []).append(figure)
        return [
            Version(
                version=version,
                name=called,
                prompt=msgspec.convert(json.loads(value)["prompt"], Prompt),
                first_run=first,
                last_run=last,
                answers=answers,
                figures=figures.get((version, called), []),
            )
            for version, called, value, first, last, answers in rows
        ]

    # --- measurements

    def begin(
        self,
        session_path: Path | str,
        model: ModelSettings,
        about: About,
        same: str,
        *,
        fresh: bool = False,
    ) -> str:
        """Begin a measurement, or go on with the unfinished one of the same key `same` (a hash of
        model, prompt, settings and rows) unless a `fresh` one is asked for; its id.

        The rows that an unfinished one has can be read with `measurement`."""
        session = session_name(self.folder, session_path) if str(session_path) else ""
        about = msgspec.structs.replace(about, prompt=prompt_without_secrets(about.prompt))
        version = version_of(about.prompt, model, about.generation)
        with self.database.writing() as connection:
            there = connection.execute(
                "select id from measurements where same = ? and session = ? and not complete "
                "order by begun desc",
                (same, session),
            ).fetchone()
            if there and not fresh:
                return str(there[0])
            id = uuid.uuid4().hex[:12]
            connection.execute(
                "insert into measurements values (?, ?, ?, ?, ?, 0, ?, null)",
                (id, session, version, same, time.time(), packed(about)),
            )
        return id

    def find(self, same: str, session_path: Path | str = "") -> str:
        """The latest finished measurement of this key; empty where there is none."""
        session = session_name(self.folder, session_path) if str(session_path) else ""
        with self.database.reading() as connection:
            found = connection.execute(
                "select id from measurements where same = ? and session = ? and complete "
                "order by begun desc",
                (same, session),
            ).fetchone()
        return str(found[0]) if found else ""

    def add_rows(self, id: str, rows: Iterable[StoredRow]) -> None:
        """Keep rows of a measurement; those that it has of the same number are replaced."""
        with self.database.writing() as connection:
            connection.executemany(
                "insert or replace into rows values (?, ?, ?)",
                (
                    (
                        id,
                        row.reply.number,
                        packed(msgspec.structs.replace(row, reply=kept(row.reply))),
                    )
                    for row in rows
                ),
            )

    def finish(self, id: str, evaluated: Evaluated, *, complete: bool = True) -> None:
        """Keep what came of a measurement. One that is not `complete` (it was stopped) is shown,
        and goes on where it is begun again."""
        with self.database.writing() as connection:
            connection.execute(
                "update measurements set evaluated = ?, complete = ? where id = ?",
                (packed(evaluated), int(complete), id),
            )

    def measurement(self, id: str) -> Measurement:
        """A measurement with its rows, by number.

        Raises:
            ResultsError: where there is none of this id.
        """
        with self.database.reading() as connection:
            row = connection.execute(
                "select session, version, begun, complete, about, evaluated from measurements "
                "where id = ?",
                (id,),
            ).fetchone()
            if row is None:
                raise ResultsError(
                    f"There is no measurement {id[:40]} in {self.folder}; measure again."
                )
            values = connection.execute(
                "select value from rows where measurement = ? order by number", (id,)
            ).fetchall()
        try:
            return Measurement(
                id=id,
                session=row[0],
                version=row[1],
                begun=row[2],
                complete=bool(row[3]),
                about=unpacked(row[4], About),
                evaluated=maybe(row[5]),
                rows=[unpacked(value, StoredRow) for (value,) in values],
            )
        except (ValueError, TypeError):
            raise ResultsError(
                f"Measurement {id[:40]} was written by another version of workbench; measure again."
            ) from None


def session_name(folder: Path | str, session_path: Path | str) -> str:
    """What names a session: its path from the folder it works in, else its whole path."""
    if not str(session_path):
        return ""
    root = Path(folder).absolute().resolve()
    path = root / session_path
    whole = path.parent.resolve() / path.name
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)
