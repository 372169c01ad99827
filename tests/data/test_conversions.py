"""Files that are converted once: packed, encoded, CSV, text, documents of JSON."""

import gzip
import json
import os
import threading
from pathlib import Path

import pytest
import zstandard

from tests.data.tables import agree, good, silent, table, types, write
from workbench.catalogue import SourceError
from workbench.data import kept

LINES = '{"text": "one", "n": 1}\n\n{"text": "two", "n": 2}\n{bad}\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl.gz", gzip.compress(LINES[:20].encode()) + gzip.compress(LINES[20:].encode())),
        ("x.jsonl.zst", zstandard.compress(LINES.encode())),
        ("x.ndjson", LINES.encode("utf-16")),
        ("x.jsonl", b"\xff\xfe\0\0" + LINES.encode("utf-32-le")),
        ("x.json", LINES.encode()),
    ],
    ids=["gzip", "zstd", "utf-16", "utf-32", "json"],
)
def test_lines_that_are_packed_or_encoded_keep_their_numbers(
    folder: Path, name: str, content: bytes
) -> None:
    write(folder / name, content)
    for found in (table(name, folder), table(name, folder)):  # converted, and what was kept of it
        assert good(found) == [{"text": "one", "n": 1}, {"text": "two", "n": 2}]
        assert [(Path(one.file).name, one.line) for one in found.broken] == [(name, 4)]
        agree(found)
        assert any("UTF-" in note for note in found.notes) == (
            b"\0" in content[:8] and b"{\0" in content
        )


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst"])
def test_of_a_packed_file_that_is_cut_off_the_rows_before_are_kept(folder: Path, name: str) -> None:
    rows = [{"a": os.urandom(300).hex()} for _ in range(2000)]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    packed = gzip.compress(text) if name.endswith("gz") else zstandard.compress(text)
    write(folder / name, packed[: len(packed) // 2])
    found = table(name, folder)
    assert 100 < found.count < 1500
    assert found.read(0, found.count) == rows[: found.count]
    [broken] = found.broken
    assert "is cut off here" in broken.reason


def test_of_csv_the_good_rows_are_kept_and_the_others_named_by_line(folder: Path) -> None:
    write(folder / "x.csv", 'a,b\n1,2\n"x\ny",2\n1,2,3\n"q"r,4\n\n5,6\n7\n"open,8\n9,10\n')
    found = table("x.csv", folder)
    assert [tuple(row.values()) for row in good(found)] == [
        ("1", 2),
        ("x\ny", 2),
        ("5", 6),
        ("9", 10),
    ]
    assert [(one.line, one.reason.split(";")[0]) for one in found.broken] == [
        (5, "3 cells, and the header has 2"),
        (6, "a quoted text goes on after its quote"),
        (9, "1 cell, and the header has 2"),
        (10, "a quote is opened and never closed"),
    ]
    agree(found)


def test_what_a_csv_column_is_follows_from_all_its_cells(folder: Path) -> None:
    head = "n,f,b,zip,id,t,e,x\n"
    rows = [f"{n},{n / 2},true,0{n},{10**18 + n},{n},,\n" for n in range(12_000)]
    write(folder / "x.csv", head + "".join(rows) + "-1,1e3,False,1,2,last,,\n")
    found = table("x.csv", folder)
    assert types(found) == {
        "n": "integer",
        "f": "number",
        "b": "boolean",
        "zip": "text",
        "id": "text",  # more digits than a number of JSON keeps everywhere
        "t": "text",
        "e": "empty",
        "x": "empty",
    }
    assert found.take([12_000, 1]) == [
        {
            "n": -1,
            "f": 1000.0,
            "b": False,
            "zip": "1",
            "id": "2",
            "t": "last",
            "e": None,
            "x": None,
        },
        {
            "n": 1,
            "f": 0.5,
            "b": True,
            "zip": "01",
            "id": str(10**18 + 1),
            "t": "1",
            "e": None,
            "x": None,
        },
    ]


def test_text_that_is_no_utf_8_is_shown_and_counted_by_line(folder: Path) -> None:
    write(folder / "x.csv", b"a,b\n1,2\ncaf\xe9,2\n")
    write(folder / "x.txt", b"one\n\n\xff\xfe\xfd\n\xff\n")
    csv, text = table("x.csv", folder), table("x.txt", folder)
    assert good(csv)[1] == {"a": "caf\ufffd", "b": 2}
    assert [row["text"] for row in good(text)] == ["one", "", "\ufffd\ufffd\ufffd", "\ufffd"]
    assert "1 line holds bytes that are not UTF-8" in csv.notes[0]
    assert "(the first: line 3)" in csv.notes[0]
    assert "2 lines hold" in text.notes[0]


def test_csv_columns_of_one_name_get_names_of_their_own(folder: Path) -> None:
    write(folder / "x.csv", 'a,a,,"b ""q"" [i].😀"\n1,2,3,4\n')
    found = table("x.csv", folder)
    assert good(found) == [{"a": 1, "a_2": 2, "column_3": 3, 'b "q" [i].😀': 4}]
    assert found.notes == ['x.csv: the column "a" is there twice; the later is "a_2".']


@pytest.mark.parametrize(
    ("content", "rows", "broken"),
    [
        ('[{"a": 1},\n {"a": 2},\n {"a" 3}]', 2, (3, "this is not JSON (Expecting ':'")),
        ('[{"a": 1},\n {"a": ', 1, (2, "the document is cut off here")),
        (
            '{"v": "x", "data": [{"a": 1},\n 5, {"a": "\\u00e9"}], "z": {"y": [1]}}',
            2,
            (2, "an object"),
        ),
        ('{\n "data": [\n  {\n   "a": [\n1]}]}\n', 1, None),
        ('{\n "a": [1, 2],\n "b": {"c": 1}\n}', 1, None),
        ('[{"a": 1}] trailing', 1, (1, "there is more after the end")),
    ],
)
def test_a_document_of_json_gives_its_rows(
    folder: Path, content: str, rows: int, broken: tuple[int, str] | None
) -> None:
    write(folder / "x.json", content)
    found = table("x.json", folder)
    assert len(good(found)) == found.count == rows
    assert found.broken_count == (broken is not None)
    if broken:
        assert found.broken[0].line == broken[0]
        assert found.broken[0].reason.startswith(broken[1])


def test_a_document_larger_than_what_is_looked_at_equals_the_standard_library(
    folder: Path,
) -> None:
    rows = [{"n": n, "t": 'é😀\n\\"' * (n % 50), "x": [{"y": n}] * (n % 3)} for n in range(20_000)]
    write(folder / "x.json", json.dumps({"data": rows}, indent=1, ensure_ascii=False))
    found = table("x.json", folder)
    assert found.read(0, found.count) == rows
    agree(found)


def test_a_conversion_that_is_given_up_leaves_nothing_and_can_be_done_again(folder: Path) -> None:
    write(folder / "x.csv", "a\n" + "x\n" * 50_000)
    found = table("x.csv", folder, index=False)
    stopped = threading.Event()
    found.index(lambda *_: stopped.set(), stopped)
    assert not found.complete
    assert found.read(0, 2) == [{"a": "x"}, {"a": "x"}]
    cache = folder.parent / "cache" / "tables"
    assert not [path for path in cache.rglob("*") if path.is_file()]
    found.index(silent, threading.Event())
    assert (found.complete, found.count) == (True, 50_000)


def test_a_conversion_that_does_not_fit_on_the_disk_is_not_begun(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SPARE", 1 << 60)
    write(folder / "x.csv", "a\n1\n")
    found = table("x.csv", folder, index=False)
    assert found.read(0, 1) == [{"a": 1}]
    with pytest.raises(SourceError, match="make room, or set WORKBENCH_CACHE"):
        found.index(silent, threading.Event())
