"""Tables of local files: one, several, or a folder of them.

Knows which files belong together and which reader is for which; not what is in them.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from workbench.catalogue import SourceError
from workbench.data.converted import Converted
from workbench.data.jsonlines import JsonLines
from workbench.data.kept import Room
from workbench.data.readers import reader_for
from workbench.data.table import Table

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
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "evaluation": ("evaluation", "eval"),
    "test": ("test", "testing"),
}
Opened = tuple[dict[str, Table], str, str]  # tables by split, description, fingerprint


def open_files(splits: dict[str, list[Path]], description: str) -> Opened:
    """The rows of each split's files, and a fingerprint of what they hold.

    Raises:
        SourceError: naming the file and what is wrong.
    """
    tables = {split: open_table(paths) for split, paths in splits.items()}
    prints = "".join(table.fingerprint for table in tables.values())
    whole = hashlib.sha256(prints.encode()).hexdigest()[:32] if len(tables) > 1 else prints
    return tables, description, whole


def open_table(paths: Sequence[Path]) -> Table:
    """
    Raises:
        SourceError: naming the file and what is wrong.
    """
    for path in paths:
        check(path)
    form = format_of(paths[0]) or ""
    reader = reader_for(form, paths)
    if reader is None:
        return JsonLines(paths, Room(paths))
    return Converted(paths, Room(paths), type(reader))


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


def open_folder(folder: Path, description: str, split: str) -> Opened:
    """
    Raises:
        SourceError: naming the file and what is wrong.
    """
    return open_files(by_split(folder), description)


def open_matching(paths: list[Path], description: str) -> Opened:
    """
    Raises:
        SourceError: naming the file and what is wrong.
    """
    return open_files({"train": paths}, description)


def format_of(path: Path) -> str | None:
    """The format that a file's name tells; a packed file's is that of what is in it."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def by_split(folder: Path) -> dict[str, list[Path]]:
    """A folder's files by the split that their names, or their folders' names, tell.

    Raises:
        SourceError: when it holds no file that can be read.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if format_of(path)
        and path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    )
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
