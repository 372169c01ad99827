"""Parquet and Arrow, read where they lie."""

import gzip
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
import zstandard
from PIL import Image
from pyarrow import parquet

from tests.data.tables import agree, good, queried, table, types, write
from workbench.catalogue import SourceError


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


def test_an_image_column_is_told_by_its_file_and_never_decoded(folder: Path) -> None:
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    made = datasets.Dataset.from_dict({"image": [str(folder / "a.png")]})
    made.cast_column("image", datasets.Image()).save_to_disk(str(folder / "saved"))
    found = table("saved", folder)
    assert types(found) == {"image": "object"}
    assert good(found)[0]["image"].startswith("<file ")
    assert queried(found) == [(0, json.dumps({"path": "a.png"}, separators=(",", ":")))]
