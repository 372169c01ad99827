"""Tables: rows by number, what is broken, and that DuckDB sees the same rows as one reads."""

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import zstandard
from pyarrow import parquet

from workbench.catalogue import SourceError
from workbench.data import engine, kept, lines
from workbench.data.sources import Selection, Source, memory_table, open_source
from workbench.data.table import ROW, SQL_TYPES, Broken, Table
from workbench.session import DatasetSettings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


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


# --- JSON Lines that are not as they should be -------------------------------------------------

HOSTILE = [
    b'{"a": 1}',
    b"",
    b" \t\r",
    b"\x0c",
    b'{"a": 2}{"a": 3}',
    b'{"a": "four", "b": [1, {"c": null}]}',
    b'{"a": 5} trailing',
    b'{"a": 6.5}',
    b'{"a": null}',
    b"{}",
    b'{"a": "\\ud800"}',
    b'{"a": "\\ud83d\\ude00"}',
    b"\0",
    b"[1]",
    b"5",
    b'"x"',
    b"null",
    b'{"a": "caf\xe9"}',
    b'{"a": 12, "a": 13}',
    b'{"a": 123456789012345678901234567890}',
    b'\x0b{"a": 1}\x0b',
    b'{"a": 1}\0',
    b'{"a": "\x01"}',
    b'{"a": 1,}',
    b'{"a": 01}',
    b"// comment",
    b'  {"a": 7}  \r',
    b'{"we ird \\"q\\" it\'s.\xf0\x9f\x98\x80/~[b]": 8}',
    b'\xef\xbb\xbf{"a": 9}',
    b'{"late": true}',
]
REASONS = {
    5: "Extra data",
    11: "surrogate",
    13: "not JSON",
    14: "an object such as",
    18: "this is not UTF-8 text (byte 11 of the line is 0xe9)",
    19: 'the column "a" is there twice',
}


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n \n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_index_and_duckdb_agree_on_what_a_row_is(folder: Path, mark: bytes, end: bytes) -> None:
    write(folder / "x.jsonl", mark + b"\n".join(HOSTILE) + end)
    found = table("x.jsonl", folder)
    assert found.count == sum(1 for line in HOSTILE if line.strip())
    agree(found)
    assert types(found)["a"] == "mixed"
    named = {one.line: one.reason for one in found.broken}
    for line, reason in REASONS.items():
        assert reason in named[line]
    for one in found.broken:
        assert one.text.split("�")[0].encode() in HOSTILE[one.line - 1]
    assert found.broken_count == len(found.broken)


def test_rows_of_several_files_count_on_and_each_broken_line_names_its_own(folder: Path) -> None:
    for number in range(4):
        body = "\n".join(f'{{"n": {number * 100 + one}}}' for one in range(number * 3))
        write(folder / "d" / f"part{number}.jsonl", body + "\n\n{bad\n")
    found = table("d", folder)
    agree(found)
    assert [row["n"] for row in good(found)] == [
        number * 100 + one for number in range(4) for one in range(number * 3)
    ]
    assert [(Path(one.file).name, one.line) for one in found.broken] == [
        ("part0.jsonl", 3),
        ("part1.jsonl", 5),
        ("part2.jsonl", 8),
        ("part3.jsonl", 11),
    ]


def test_lines_of_all_lengths_keep_their_numbers_across_blocks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 1000)
    rows = [{"n": n, "t": "é" * (n * 37 % 1700)} for n in range(500)]
    text = "".join(
        json.dumps(row, ensure_ascii=False) + "\n" + " \n" * (row["n"] % 7 == 0) for row in rows
    )
    write(folder / "x.jsonl", text)
    found = table("x.jsonl", folder)
    agree(found)
    assert found.read(0, 999) == rows
    assert found.take([499, 0, 250, 250]) == [rows[499], rows[0], rows[250], rows[250]]
    with pytest.raises(IndexError):
        found.take([500])


def test_a_line_that_is_too_long_is_broken_and_never_read_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST", 3 << 20)
    cell = "y" * (2 << 20)
    body = f'{{"a": "first"}}\n{{"a": "{"x" * (4 << 20)}"}}\n{{"a": "{cell}"}}\n{{"a": "last"}}'
    write(folder / "x.jsonl", body)
    found = table("x.jsonl", folder)
    assert found.count == 4
    agree(found)
    assert found.take([2, 3]) == [{"a": cell}, {"a": "last"}]
    [broken] = found.broken
    assert (broken.line, len(broken.text)) == (2, 200)
    assert "longer than 64 MB" in broken.reason
    write(folder / "endless.jsonl", '{"a": "' + "x" * (8 << 20))
    with pytest.raises(SourceError, match="its first line is longer than 64 MB"):
        table("endless.jsonl", folder)


def test_a_cell_of_ten_megabytes_works(folder: Path) -> None:
    write(folder / "x.jsonl", json.dumps({"a": "z" * 10_000_000}) + '\n{"a": "b"}\n')
    found = table("x.jsonl", folder)
    assert [len(row["a"]) for row in good(found)] == [10_000_000, 1]
    agree(found)


def test_a_column_found_late_is_there_with_its_type_and_said(folder: Path) -> None:
    body = '{"a": 1}\n' * 300_000 + '{"a": 2.5, "late": ["x"]}\n'
    write(folder / "x.jsonl", body)
    found = table("x.jsonl", folder, index=False)
    assert types(found) == {"a": "integer"}
    assert 0 < found.count < 300_001
    assert not found.complete
    found.index(silent, threading.Event())
    assert types(found) == {"a": "number", "late": "list"}
    assert found.notes == ['Only later rows have the column "late".']
    assert queried(found, ["late"])[-1] == (300_000, '["x"]')


@pytest.mark.parametrize("columns", [5000, 450])
def test_thousands_of_columns_are_found_and_can_be_asked_for(folder: Path, columns: int) -> None:
    rows = [{f"c{n}": row * n for n in range(columns)} for row in range(20)]
    rows.append({"last": "x"})
    write(folder / "x.jsonl", "\n".join(map(json.dumps, rows)))
    found = table("x.jsonl", folder)
    assert len(found.columns) == columns + 1
    assert queried(found, ["c7", "last"])[3] == (3, 21, None)
    assert queried(found, ["c7", "last"])[20] == (20, None, "x")


def test_names_that_differ_only_in_case_are_two_columns(folder: Path) -> None:
    write(folder / "x.jsonl", '{"a": 1, "A": "x"}\n{"A": "y"}\n')
    found = table("x.jsonl", folder)
    assert types(found) == {"a": "integer", "A": "text"}
    assert queried(found) == [(0, 1, "x"), (1, None, "y")]


def test_more_broken_rows_than_a_query_can_name_are_still_none(folder: Path) -> None:
    body = "".join(f'{{"a": {n}, "a": {n}}}\n{{"a": {n}}}\n' for n in range(1500))
    write(folder / "x.jsonl", body)
    found = table("x.jsonl", folder)
    assert (found.broken_count, len(found.broken)) == (1500, 1000)
    agree(found)


# --- a source that changes ---------------------------------------------------------------------


def test_an_index_is_kept_and_made_anew_when_the_file_changes(folder: Path) -> None:
    path = write(folder / "x.jsonl", '{"a": 1}\n{bad\n{"b": 2}\n')
    first = table("x.jsonl", folder)
    again = table("x.jsonl", folder, index=False)
    assert again.complete
    assert again.columns == first.columns
    assert again.broken == first.broken
    assert again.read(0, 9) == first.read(0, 9)
    agree(again)
    path.write_text('{"a": 1}\n{"c": 3}\n')
    assert not table("x.jsonl", folder, index=False).complete
    assert types(table("x.jsonl", folder)) == {"a": "integer", "c": "integer"}


def test_what_was_kept_of_an_older_file_is_removed_after_a_day(folder: Path) -> None:
    write(folder / "x.csv", "a\n1\n")
    table("x.csv", folder)
    [room] = (folder.parent / "cache" / "tables").iterdir()
    [old] = room.iterdir()
    os.utime(old, (0, 0))
    write(folder / "x.csv", "a\n2\n")
    table("x.csv", folder)
    [new] = room.iterdir()
    assert new != old


def test_a_file_that_grows_keeps_its_rows_and_says_so(folder: Path) -> None:
    for name in ("d/1.jsonl", "d/2.jsonl"):
        write(folder / name, f'{{"a": "{name}"}}\n')
    found = table("d", folder)
    before = found.read(0, 9)
    with (folder / "d" / "1.jsonl").open("a") as file:
        file.write('{"a": "new"}\n')
    assert found.read(0, 9) == before
    agree(found)
    assert "1.jsonl has grown since it was opened; open it again to see all." in found.notes


def test_a_file_that_is_cut_or_written_anew_is_a_sentence(folder: Path) -> None:
    path = write(folder / "x.jsonl", '{"a": 1}\n{"a": 2}\n')
    found = table("x.jsonl", folder)
    path.write_text('{"a": 1}\n')
    with pytest.raises(SourceError, match="became shorter since it was opened"):
        found.read(0, 2)
    path.write_text('[{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}]\n')
    with pytest.raises(SourceError, match="was changed since it was opened; open it again"):
        found.read(0, 2)


def test_a_file_that_is_gone_can_still_be_read_but_not_queried(folder: Path) -> None:
    path = write(folder / "x.jsonl", '{"a": 1}\n{"a": 2}\n')
    found = table("x.jsonl", folder)
    path.unlink()
    assert found.read(0, 2) == [{"a": 1}, {"a": 2}]
    with pytest.raises(SourceError, match="is gone since it was opened"):
        queried(found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_sentence(folder: Path) -> None:
    write(folder / "x.jsonl", '{"a": 1}\n').chmod(0)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        table("x.jsonl", folder)


# --- what is converted -------------------------------------------------------------------------

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


# --- Parquet and Arrow -------------------------------------------------------------------------


def columns() -> pyarrow.Table:
    return pyarrow.table(
        {
            "s": ["a", None, "c"] * 1000,
            "n": pyarrow.array(range(3000), pyarrow.int32()),
            "chat": [[{"role": "user", "content": "hi"}], [], None] * 1000,
            "about": [{"k": 1.5}, None, {"k": None}] * 1000,
            "yes": [True, False, None] * 1000,
            'we.ird "q" 😀': ["x"] * 3000,
        }
    )


def written(folder: Path) -> list[str]:
    data = columns()
    parquet.write_table(data, folder / "x.parquet", row_group_size=700)
    for name, new in (("f.arrow", pyarrow.ipc.new_file), ("s.arrow", pyarrow.ipc.new_stream)):
        with pyarrow.OSFile(str(folder / name), "wb") as file, new(file, data.schema) as writer:
            writer.write_table(data, max_chunksize=700)
    write(folder / "p.parquet.gz", gzip.compress((folder / "x.parquet").read_bytes()))
    write(folder / "p.arrow.zst", zstandard.compress((folder / "s.arrow").read_bytes()))
    return ["x.parquet", "f.arrow", "s.arrow", "p.parquet.gz", "p.arrow.zst"]


def test_parquet_and_arrow_are_read_in_place(folder: Path) -> None:
    rows = columns().to_pylist()
    for name in written(folder):
        found = table(name, folder)
        assert found.read(650, 750) == rows[650:750], name
        assert found.take([2999, 0, 1400]) == [rows[2999], rows[0], rows[1400]]
        assert list(types(found).values()) == [
            "text",
            "integer",
            "list",
            "object",
            "boolean",
            "text",
        ]
        agree(found)


def test_files_of_parquet_with_other_columns_are_one_table(folder: Path) -> None:
    (folder / "d").mkdir()
    parquet.write_table(pyarrow.table({"a": [1, 2]}), folder / "d" / "1.parquet")
    parquet.write_table(pyarrow.table({"a": [3], "b": ["x"]}), folder / "d" / "2.parquet")
    found = table("d", folder)
    assert good(found) == [{"a": 1, "b": None}, {"a": 2, "b": None}, {"a": 3, "b": "x"}]
    agree(found)


def test_of_what_is_cut_off_arrow_keeps_rows_and_parquet_says_why_not(folder: Path) -> None:
    for name in written(folder)[:3]:
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    for name in ("f.arrow", "s.arrow"):
        found = table(name, folder)
        assert 0 < found.count < 3000
        assert found.read(0, 5) == columns().slice(0, 5).to_pylist()
        assert "cut off or damaged" in found.broken[0].reason
    with pytest.raises(SourceError, match="it is cut off: its end"):
        table("x.parquet", folder)


def test_a_type_that_would_be_unpickled_is_not(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (folder / "ran",)

    import pickle

    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Trap()),
    }
    field = pyarrow.field("a", pyarrow.int64(), metadata=metadata)
    data = pyarrow.Table.from_arrays([pyarrow.array([1])], schema=pyarrow.schema([field]))
    parquet.write_table(data, folder / "x.parquet")
    with (
        pyarrow.OSFile(str(folder / "x.arrow"), "wb") as file,
        pyarrow.ipc.new_file(file, data.schema) as writer,
    ):
        writer.write_table(data)
    for name in ("x.parquet", "x.arrow"):
        assert good(table(name, folder)) == [{"a": 1}]
    assert not (folder / "ran").exists()


# --- rows in memory, and some rows of a table --------------------------------------------------


def test_rows_in_memory_are_a_table_like_any_other() -> None:
    rows = [
        {"t": "x", "n": 1, "f": 1, "m": "text", "l": [1]},
        {"t": None, "n": 2, "f": 1.5, "m": 3, "b": True},
    ]
    found = memory_table(rows)
    assert types(found) == {
        "t": "text",
        "n": "integer",
        "f": "number",
        "m": "mixed",
        "l": "list",
        "b": "boolean",
    }
    agree(found)


def test_a_selection_reads_like_a_list_of_its_rows(folder: Path) -> None:
    import numpy

    write(folder / "x.jsonl", "".join(f'{{"n": {n}}}\n' for n in range(5000)))
    found = table("x.jsonl", folder)
    some = Selection(found, numpy.arange(1, 5000, 2))
    assert len(some) == 2500
    assert (some[0], some[-1]) == ({"n": 1}, {"n": 4999})
    assert [row["n"] for row in some] == list(range(1, 5000, 2))
    assert [row["n"] for row in some[10:12]] == [21, 23]
    assert [len(rows) for _, rows in some.blocks(1000)] == [1000, 1000, 500]
    with pytest.raises(IndexError):
        some[2500]


def test_the_name_of_the_numbers_column_is_agreed_on(folder: Path) -> None:
    write(folder / "x.jsonl", '{"row": 5}\n')
    found = table("x.jsonl", folder)
    with engine.connect() as connection:
        relation = found.relation(connection, ["row"])
        asked = engine.ask(
            connection, f"SELECT {engine.name('row')}, {engine.name(ROW)} FROM {relation}"
        )
    assert asked == [(5, 0)]
