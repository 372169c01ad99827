"""Tables of local files: one, several, or a folder of them.

Knows which files belong together and which reader is for which; not what is in them.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from workbench.catalogue import SourceError
from workbench.data.arrow import open_arrow
from workbench.data.converted import Converted
from workbench.data.jsonlines import JsonLines
from workbench.data.kept import Room
from workbench.data.parquet import ParquetTable
from workbench.data.readers import BookReader, reader_for
from workbench.data.streams import packing
from workbench.data.table import Table
from workbench.data.unpacked import unpacked
from workbench.settings.base import TextRows

FORMATS = {
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".json": "JSON",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".txt": "text",
}
PACKED = (".gz", ".zst")
MOST_FILES = 100_000  # in a folder and below
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "evaluation": ("evaluation", "eval"),
    "test": ("test", "testing"),
}
Opened = tuple[dict[str, Table], str, str]  # tables by split, description, fingerprint


def open_files(
    splits: dict[str, list[Path]], description: str, text_rows: TextRows = "auto"
) -> Opened:
    """The rows of each split's files, and a fingerprint of what they hold.

    Raises:
        SourceError: naming the file and what is wrong.
    """
    one_format([path for paths in splits.values() for path in paths], description)
    tables = {split: open_table(paths, text_rows) for split, paths in splits.items()}
    prints = "".join(table.fingerprint for table in tables.values())
    whole = hashlib.sha256(prints.encode()).hexdigest()[:32] if len(tables) > 1 else prints
    return tables, description, whole


def open_folder(folder: Path, description: str, text_rows: TextRows = "auto") -> Opened:
    """
    Raises:
        SourceError: naming the file and what is wrong.
    """
    if saved := saved_files(folder):
        return open_files(saved, description)
    return open_files(by_split(folder, sorted(all_in(folder))), description, text_rows)


def all_in(folder: Path) -> list[Path]:
    """All that is in a folder and below, but not what is hidden.

    Raises:
        SourceError: where there is more than a dataset would have, as in `/`.
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [Path(place) / name for name in names]
        if len(found) + len(folders) > MOST_FILES:
            raise SourceError(
                f"{folder} holds more than {MOST_FILES:,} files; name the folder of the dataset in "
                "it, or a glob such as data/*.jsonl."
            )
    return found


def open_matching(paths: list[Path], description: str, text_rows: TextRows = "auto") -> Opened:
    """
    Raises:
        SourceError: naming the file and what is wrong.
    """
    return open_files(
        by_split(Path(os.path.commonpath([p.parent for p in paths])), paths),
        description,
        text_rows,
    )


def one_format(paths: Sequence[Path], description: str) -> None:
    """
    Raises:
        SourceError: where files are of several formats, or of one that is not known.
    """
    for path in paths:
        check(path)
    if len({format_of(path) for path in paths}) > 1:
        suffixes = sorted({"".join(path.suffixes[-2:]) for path in paths})
        example = next(path for path in paths if format_of(path) == format_of(paths[0]))
        raise SourceError(
            f"{description} holds files of different formats ({', '.join(suffixes)}); name one "
            f"file of them, or those of one format: {example.parent.name}/*{example.suffix}."
        )


def open_table(paths: Sequence[Path], text_rows: TextRows = "auto") -> Table:
    """The rows of files of one format, one after the other.

    Raises:
        SourceError: naming the file and what is wrong.
    """
    form, room = format_of(paths[0]) or "", Room(paths)
    if form in ("Parquet", "Arrow"):
        if any(packing(path) for path in paths):
            paths = unpacked(paths, room)
        return ParquetTable(paths, room) if form == "Parquet" else open_arrow(paths, room)
    reader = reader_for(form, paths, text_rows)
    if isinstance(reader, BookReader):
        room = Room(paths, "passages")
    return Converted(paths, room, type(reader)) if reader else JsonLines(paths, room)


def check(path: Path) -> None:
    """What can be said of a file before it is read: there, known, not empty, allowed.

    Raises:
        SourceError: naming what is wrong.
    """
    if format_of(path) is None:
        raise SourceError(f"{path} has a format that is not known; {known()}")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty: it has no rows; choose a file that has some.")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error


def saved_files(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder that `save_to_disk` of the datasets library wrote, by split; empty
    where it is none.

    Raises:
        SourceError: where what it says of itself is not there.
    """
    try:
        if (folder / "dataset_dict.json").is_file():
            about = json.loads((folder / "dataset_dict.json").read_bytes())
            return {str(split): listed_files(folder / str(split)) for split in about["splits"]}
        if (folder / "state.json").is_file():
            return {"train": listed_files(folder)}
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{folder} is no whole dataset: {error}; save it anew.") from error
    return {}


def listed_files(folder: Path) -> list[Path]:
    state = json.loads((folder / "state.json").read_bytes())
    return [folder / Path(one["filename"]).name for one in state["_data_files"]]


def format_of(path: Path) -> str | None:
    """The format that a file's name tells; a packed file's is that of what is in it."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def by_split(folder: Path, paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Files in a folder by the split that their names, or their folders' names, tell.

    Raises:
        SourceError: when it holds no file that can be read.
    """
    found = [
        path
        for path in paths
        if format_of(path)
        and path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]
    if any(format_of(path) != "text" for path in found):  # then a text is a note or licence
        found = [path for path in found if format_of(path) != "text"]
    if not found:
        raise SourceError(f"{folder} holds no file that can be read; {known()}")
    groups: dict[str, list[Path]] = {}
    for path in found:
        words = set(re.split(r"[-._ 0-9/]+", str(path.relative_to(folder)).lower()))
        split = next((s for s, names in SPLIT_WORDS.items() if words & set(names)), "train")
        groups.setdefault(split, []).append(path)
    return groups


def known() -> str:
    return (
        f"known are {', '.join(FORMATS)}, each also with {' or '.join(PACKED)}, and folders that "
        "datasets' save_to_disk wrote."
    )
