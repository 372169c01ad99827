"""Rows written to a file: whole or not at all, and the same when read back."""

import errno
import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet
import pytest

from workbench.catalogue import SourceError
from workbench.data import export as exporting
from workbench.data.engine import Stopped
from workbench.data.export import export

ROWS: list[dict[str, Any]] = [
    {"text": "café 🎬", "n": 1, "turns": [{"role": "user", "content": "a\nb"}], "none": None},
    {"text": "[/b]\x1b[31m", "n": 2, "turns": [], "none": None},
    {"text": "", "n": None, "turns": [{"role": "user", "content": "c"}], "none": None},
]


def write(rows: list[dict[str, Any]], path: Path, overwrite: bool = False) -> tuple[int, int]:
    return export(
        rows,
        path,
        overwrite=overwrite,
        total=len(rows),
        stopped=threading.Event(),
        report=lambda *_: None,
    )


def test_lines_are_read_back_as_they_were(tmp_path: Path) -> None:
    assert write(ROWS, tmp_path / "a.jsonl") == (3, (tmp_path / "a.jsonl").stat().st_size)
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").open()] == ROWS
    write(ROWS, tmp_path / "a.jsonl.gz")
    with gzip.open(tmp_path / "a.jsonl.gz", "rt", encoding="utf-8") as file:
        assert [json.loads(line) for line in file] == ROWS


def test_the_same_rows_give_the_same_packed_file(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "a.jsonl.gz")
    write(ROWS, tmp_path / "b.jsonl.gz")
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_parquet_holds_nested_values_with_their_types(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "a.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist() == ROWS


def test_parquet_fits_columns_that_change_late(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": 1, "b": 1} for _ in range(exporting.BLOCK + 1)]
    rows += [{"a": 1.5, "b": "x", "late": True}, {"a": 2, "b": 10**30, "late": None}]
    write(rows, tmp_path / "a.parquet")
    back = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["a"] for row in back] == [float(row["a"]) for row in rows]
    assert [json.loads(row["b"]) for row in back] == [row["b"] for row in rows]
    assert [row["late"] for row in back] == [row.get("late") for row in rows]


def test_half_a_surrogate_pair_is_written(tmp_path: Path) -> None:
    write([{"text": "\ud83d!"}], tmp_path / "a.jsonl")
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"text": "\ud83d!"}
    write([{"text": "\ud83d!"}], tmp_path / "a.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist() == [{"text": "?!"}]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("mine")
    with pytest.raises(SourceError, match="is there already"):
        write(ROWS, path)
    assert path.read_text() == "mine"
    write(ROWS, path, overwrite=True)
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.xyz", "no known format"),
        ("no/a.jsonl", "There is no folder"),
        ("d.jsonl", "is a folder"),
    ],
)
def test_a_wrong_place_is_said_in_a_sentence(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(SourceError, match=words):
        write(ROWS, tmp_path / name)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_text("mine")

    def full(rows: Iterator[dict[str, Any]], file: IO[bytes]) -> int:
        file.write(json.dumps(next(iter(rows))).encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "write_lines", full)
    with pytest.raises(SourceError, match="No space left"):
        write(ROWS, path, overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert path.read_text() == "mine"


def test_an_export_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    stopped = threading.Event()

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(10_000):
            if number == 700:
                stopped.set()
            yield {"n": number}

    with pytest.raises(Stopped):
        export(
            rows(),
            tmp_path / "a.jsonl",
            overwrite=False,
            total=10_000,
            stopped=stopped,
            report=lambda *_: None,
        )
    assert list(tmp_path.iterdir()) == []
