"""Files that a hostile or a clumsy person opens: what is good is read alike by all ways."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from tests.data.rows import found as found_rows
from tests.data.tables import agree, silent, table, types, write
from workbench.catalogue import SourceError
from workbench.data import files, parse
from workbench.data.export import export
from workbench.data.summary import summarise
from workbench.data.table import Broken, Table

NAMES = [
    "a b", "a.b", 'q"t', "it's", "😀", "[bold]x[/bold]", "A", "a", "row", "⟨row⟩", "nul\0x", "",
    "\n", "\x1b[31m", "filename", "file_row_number", "rowid", "{{x}}", "`", "\\", "c0",
]  # fmt: skip


def distinct(rows: Table, name: str) -> int:
    [column] = summarise(rows, None, [name], threading.Event(), silent)
    return column.distinct


def files_of(folder: Path, rows: list[dict[str, Any]]) -> list[Path]:
    """The same rows as JSON Lines, Parquet and Arrow."""
    lines = write(folder / "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    whole = pyarrow.table({name: [row[name] for row in rows] for name in rows[0]})
    parquet.write_table(whole, folder / "x.parquet")
    with pyarrow.ipc.new_stream(folder / "x.arrow", whole.schema) as stream:
        stream.write_table(whole)
    return [lines, folder / "x.parquet", folder / "x.arrow"]


def test_a_column_may_have_any_name_at_all(folder: Path) -> None:
    rows = [{name: f"{place} of {row}" for place, name in enumerate(NAMES)} for row in range(9)]
    for path in files_of(folder, rows):
        opened = table(path.name, folder)
        agree(opened)
        assert [column.name for column in opened.columns] == NAMES
        for place, name in enumerate(NAMES):
            assert distinct(opened, name) == 9, (path, name)
            quoted = json.dumps(f"{place} of 5")
            if name and name.isalnum():
                assert found_rows(opened, where=f"{name} == {quoted}") == [5]
        assert found_rows(opened, where='`⟨row⟩` == "9 of 5"') == [5]
        assert found_rows(opened, search="11 of 5") == [5]


def test_names_that_differ_in_case_only_are_columns_of_their_own(folder: Path) -> None:
    rows = [{"Text": f"x{row}", "text": row} for row in range(9)]
    for path in files_of(folder, rows):
        opened = table(path.name, folder)
        agree(opened)
        assert types(opened) == {"Text": "text", "text": "integer"}
        assert found_rows(opened, where='Text == "x3" and text == 3') == [3]
        assert distinct(opened, "text") == 9


def test_broken_rows_hide_no_column_that_is_named_like_the_row_number(folder: Path) -> None:
    good = [json.dumps({"⟨row⟩": f"v{row}", "b": row}) for row in range(5)]
    write(folder / "x.jsonl", "\n".join([*good[:2], '{"b": 1, "b": 2}', *good[2:]]) + "\n")
    opened = table("x.jsonl", folder)
    agree(opened)
    assert found_rows(opened, where='`⟨row⟩` == "v3"') == [4]


def test_the_folder_of_a_parquet_file_adds_no_column_to_it(folder: Path) -> None:
    (folder / "text=other").mkdir()
    parquet.write_table(pyarrow.table({"text": ["own"]}), folder / "text=other" / "x.parquet")
    opened = table("text=other/x.parquet", folder)
    agree(opened)
    assert types(opened) == {"text": "text"}
    assert opened.read(0, 2) == [{"text": "own"}]


@pytest.mark.parametrize("depth", [50, 99, 100, 500, 990, 100_000])
def test_a_value_of_any_depth_is_read_alike_by_all_ways(folder: Path, depth: int) -> None:
    deep = ["[" * depth + "]" * depth, '{"k":' * depth + "1" + "}" * depth]
    lines = [f'{{"n": {n}, "deep": {value}}}' for n, value in enumerate(deep)]
    write(folder / "x.jsonl", "\n".join([*lines, '{"n": 2, "deep": null}', "[" * depth]) + "\n")
    opened = table("x.jsonl", folder)
    rows = opened.read(0, 4)
    assert [isinstance(row, Broken) for row in rows] == [False, False, False, True]
    assert opened.broken_numbers().tolist() == [3]
    for row, value in zip(rows, deep, strict=False):
        assert isinstance(row, dict)
        shown = row["deep"]
        assert (shown if isinstance(shown, str) else json.dumps(shown)).replace(" ", "") == value
        json.dumps(row)
    assert found_rows(opened, where="n >= 0") == [0, 1, 2]


def test_brackets_in_a_text_are_no_depth() -> None:
    text = json.dumps({"a": "[" * 5000 + '\\"{', "b": [[1]]})
    assert parse.values(text.encode()) == json.loads(text)


def test_a_number_of_thousands_of_digits_is_its_text(folder: Path) -> None:
    long = "9" * 10_000
    write(folder / "x.jsonl", f'{{"a": 1}}\n{{"a": {long}}}\n{{"a": 3}}\n')
    write(folder / "x.json", f'[{{"a": 1}}, {{"a": {long}}}, {{"a": 3}}]')
    for name in ("x.jsonl", "x.json"):
        assert table(name, folder).read(0, 3) == [{"a": 1}, {"a": long}, {"a": 3}]


def test_a_time_that_python_cannot_hold_is_shown_as_text(folder: Path) -> None:
    far = pyarrow.array([0, 2**62, None], pyarrow.timestamp("us", tz="UTC"))
    long = pyarrow.array([1, 2**60, None], pyarrow.duration("s"))
    wide = pyarrow.array([1, None, 2], pyarrow.int64()).cast(pyarrow.decimal256(60, 2))
    whole = pyarrow.table({"n": [1, 2, 3], "at": far, "took": long, "wide": wide})
    parquet.write_table(whole, folder / "x.parquet")
    with pyarrow.ipc.new_stream(folder / "x.arrow", whole.schema) as stream:
        stream.write_table(whole)
    for name in ("x.parquet", "x.arrow"):
        opened = table(name, folder)
        first, far_off, missing = opened.read(0, 3)
        assert isinstance(first, dict)
        assert isinstance(far_off, dict)
        assert isinstance(missing, dict)
        assert first["at"].startswith("1970-01-01")
        assert isinstance(far_off["at"], str)
        assert far_off["at"]
        assert isinstance(far_off["took"], str)
        assert missing["at"] is None
        assert found_rows(opened, where="n > 1") == [1, 2]
        assert distinct(opened, "wide") == 2


@pytest.mark.parametrize("kind", ["arrow.json", "arrow.uuid"])
def test_a_type_of_someone_s_own_that_makes_no_sense_is_named(folder: Path, kind: str) -> None:
    about = {"ARROW:extension:name": kind, "ARROW:extension:metadata": "cos\nsystem\n(S'x'\ntR."}
    field = pyarrow.field("e", pyarrow.binary(), metadata=about)
    whole = pyarrow.Table.from_arrays([pyarrow.array([b"x"])], schema=pyarrow.schema([field]))
    parquet.write_table(whole, folder / "x.parquet")
    with pytest.raises(SourceError, match="what it says of its columns is damaged"):
        table("x.parquet", folder)


def test_texts_that_are_damaged_can_be_looked_at_row_by_row(folder: Path) -> None:
    buffers = [
        None,
        pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0"),
        pyarrow.py_buffer(b"\xff\xfeok"),
    ]
    texts = pyarrow.Array.from_buffers(pyarrow.string(), 2, buffers)
    parquet.write_table(pyarrow.table({"a": texts}), folder / "x.parquet")
    opened = table("x.parquet", folder)
    assert opened.read(0, 2) == [{"a": "��"}, {"a": "ok"}]
    with pytest.raises(SourceError, match="row by row only; fetch or write it anew"):
        found_rows(opened, search="ok")


@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_a_binary_file_under_the_name_of_a_text_is_named_at_once(folder: Path, name: str) -> None:
    noise = bytes((number * 7919) % 251 for number in range(1, 5000)) + b"\n\0\xff\xfe\n"
    write(folder / name, noise.replace(b"\0", b"\n") + noise)
    with pytest.raises(SourceError, match="is no text: it holds bytes of zero"):
        table(name, folder)
    with (folder / name).open("wb") as file:  # one line of 3 GB that takes no room
        file.truncate(3 << 30)
    with pytest.raises(SourceError, match="is no text: it holds bytes of zero"):
        table(name, folder)


def test_a_zero_byte_among_text_is_a_control_character(folder: Path) -> None:
    write(folder / "x.csv", "a,b\n1,é\n2,x\0y\n")
    assert table("x.csv", folder).read(0, 2) == [{"a": 1, "b": "é"}, {"a": 2, "b": "x\0y"}]


def test_the_separator_that_a_spreadsheet_names_is_no_header(folder: Path) -> None:
    write(folder / "x.csv", '\ufeffsep=;\r\na;b\r\n1;"x\r\n;y"\r\n')
    assert table("x.csv", folder).read(0, 2) == [{"a": 1, "b": "x\r\n;y"}]
    write(folder / "y.csv", "sep=;\n")
    with pytest.raises(SourceError, match="has no rows"):
        table("y.csv", folder)


def test_carriage_returns_alone_are_named_with_what_to_do(folder: Path) -> None:
    write(folder / "x.csv", "a,b\r1,2\r")
    with pytest.raises(SourceError, match="end lines by line feeds"):
        table("x.csv", folder)


@pytest.mark.parametrize("left", [0, 100])
def test_a_file_that_becomes_shorter_while_open_ends_nothing(folder: Path, left: int) -> None:
    rows = [{"a": number} for number in range(5000)]
    for path in files_of(folder, rows):
        opened = table(path.name, folder)
        os.truncate(path, left)
        with pytest.raises(SourceError, match=f"{path.name} .*again|fetch or write it anew"):
            opened.read(4000, 4002)
        with pytest.raises(SourceError, match="open it again"):
            found_rows(opened, where="a > 4998")


@pytest.mark.parametrize("name", ["a\0b.jsonl", "x" * 300 + ".jsonl", "ring.jsonl"])
def test_a_name_that_no_file_can_have_is_named(folder: Path, name: str) -> None:
    (folder / "ring.jsonl").symlink_to("ring.jsonl")
    with pytest.raises(SourceError, match="cannot be the name of a file"):
        export(
            [{"a": 1}],
            folder / name,
            overwrite=True,
            total=1,
            stopped=threading.Event(),
            report=silent,
        )
    assert [one.name for one in folder.iterdir()] == ["ring.jsonl"]


def test_a_folder_of_far_too_many_files_is_refused_before_all_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_FILES", 20)
    for number in range(10):
        (tmp_path / f"d{number}").mkdir()
        for name in ("a.txt", "b.jsonl", "c.md"):
            write(tmp_path / f"d{number}" / name, '{"a": 1}\n')
    with pytest.raises(SourceError, match=r"more than 20 files; name the folder"):
        table(tmp_path, tmp_path)
