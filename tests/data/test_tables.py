"""Tables of JSON Lines: rows by number, what is broken, and that DuckDB sees the same rows."""

import json
import os
import threading
from pathlib import Path

import pytest

from tests.data.tables import agree, good, queried, silent, table, types, write
from workbench.catalogue import SourceError
from workbench.data import engine, lines
from workbench.data.sources import Selection, memory_table
from workbench.data.table import ROW

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
