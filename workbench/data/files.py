"""Tables read from local files: one, or a folder of them.

Knows formats and what can be wrong with a file; nothing of splits to measure on, starters or hubs.
The tables are kept in the workbench's cache, by what the files hold and when they were written.
"""

import glob
import hashlib
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalogue import Report, SourceError, cache_folder
from workbench.data import faults

if TYPE_CHECKING:
    import datasets

BUILDERS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".txt": "text",
}
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "evaluation": ("evaluation", "eval"),
    "test": ("test", "testing"),
}
SAMPLE = 1 << 16  # bytes looked at in the beginning, middle and end of a large file
WHOLE = 64 << 20  # files up to this size are looked at whole
STALE_SECONDS = 24 * 3600.0


def read(path: Path, report: Report) -> "tuple[dict[str, datasets.Dataset], str]":
    """The splits of a file or folder, and a fingerprint of what it holds.

    Raises:
        SourceError: naming the file, the line or column, and what is wrong.
    """
    if path.is_dir():
        if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            return saved(path, report)
        return tables(by_split(path), path, report)
    return tables({"train": [path]}, path, report)


def tables(
    files: dict[str, list[Path]], source: Path, report: Report
) -> "tuple[dict[str, datasets.Dataset], str]":
    """The rows of each split's files, and a fingerprint of what they hold."""
    paths = [path for group in files.values() for path in group]
    for path in paths:
        faults.check(path)
    kinds = {BUILDERS[path.suffix.lower()] for path in paths}
    if len(kinds) > 1:
        suffixes = ", ".join(sorted({path.suffix for path in paths}))
        raise SourceError(
            f"{source} holds files of different formats ({suffixes}); name one file of them."
        )
    content = hashlib.sha256()
    written = hashlib.sha256()
    for path in paths:
        content.update(sample(path))
        written.update(f"{path.absolute()} {path.stat().st_mtime_ns} ".encode())
    room = (
        cache_folder()
        / "datasets"
        / hashlib.sha256(str(source.absolute()).encode()).hexdigest()[:16]
    )
    kept = room / (content.hexdigest()[:16] + written.hexdigest()[:16])
    forget_older(room, kept)
    report(f"reading {source.name}", 0, 0, "rows")
    splits = {
        split: build(kinds.copy().pop(), group, kept / split, source)
        for split, group in files.items()
    }
    rows = sum(map(len, splits.values()))
    report(f"reading {source.name}", rows, rows, "rows")
    return splits, content.hexdigest()[:32]


def build(kind: str, files: list[Path], kept: Path, source: Path) -> "datasets.Dataset":
    """One table from files of one kind, kept in a folder so that it is built once."""
    import datasets

    options: dict[str, Any] = {}
    if kind == "csv":
        # An empty cell is no value; a text such as NA or null is that text.
        options = {"keep_default_na": False, "na_values": [""], "sep": faults.separator(files[0])}
    names = [glob.escape(str(path.absolute())) for path in files]  # they are no patterns

    def load(**more: Any) -> datasets.Dataset:
        with quiet():
            return datasets.load_dataset(
                kind, data_files=names, split="train", cache_dir=str(kept), **options, **more
            )

    try:
        table = load()
    except Exception as error:
        if trouble := faults.disk_trouble(error):
            raise SourceError(
                f"The table of {source} cannot be kept in {kept}: {trouble}. Make room, or set "
                "WORKBENCH_CACHE to a folder that has some."
            ) from error
        for path in files:
            faults.explain(path)  # raises where it finds what is wrong
        if kind == "csv":  # a column that holds numbers in one part and text in another
            columns = faults.header(files[0])
            features = datasets.Features({name: datasets.Value("string") for name in columns})
            with suppress(Exception):
                return load(features=features)
        raise faults.unreadable(source, error) from error
    if kind == "json":
        table = faults.restore_texts(table, files)
    return table


def saved(path: Path, report: Report) -> "tuple[dict[str, datasets.Dataset], str]":
    """What `save_to_disk` of the datasets library wrote."""
    import datasets

    report(f"reading {path.name}", 0, 0, "rows")
    try:
        with quiet():
            found = datasets.load_from_disk(str(path))
    except Exception as error:
        raise faults.unreadable(path, error) from error
    splits = dict(found) if isinstance(found, datasets.DatasetDict) else {"train": found}
    files = sorted(path.rglob("*.arrow"))
    content = hashlib.sha256(b"".join(map(sample, files))).hexdigest()
    return {str(name): table for name, table in splits.items()}, content[:32]


def by_split(folder: Path) -> dict[str, list[Path]]:
    """A folder's files by the split that their names, or their folders' names, tell.

    Raises:
        SourceError: when it holds no file that can be read.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in BUILDERS
        and path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    )
    if any(path.suffix.lower() != ".txt" for path in found):  # then a text is a note or licence
        found = [path for path in found if path.suffix.lower() != ".txt"]
    if not found:
        raise SourceError(f"{folder} holds no file that can be read; {known()}")
    groups: dict[str, list[Path]] = {}
    for path in found:
        words = re.split(r"[-._ 0-9/]+", str(path.relative_to(folder).with_suffix("")).lower())
        split = next((s for s, names in SPLIT_WORDS.items() if set(words) & set(names)), "train")
        groups.setdefault(split, []).append(path)
    return groups


def known() -> str:
    return f"known are {', '.join(BUILDERS)}, and folders that datasets' save_to_disk wrote."


def sample(path: Path) -> bytes:
    """A digest of a file's size and content; of a large one's beginning, middle and end."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= WHOLE:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        else:
            for start in (0, size // 2, size - SAMPLE):
                file.seek(start)
                digest.update(file.read(SAMPLE))
    return digest.digest()


def forget_older(room: Path, kept: Path) -> None:
    """Remove tables made of what a file held before; young ones may be in use."""
    with suppress(OSError):
        for old in os.scandir(room):
            if old.name != kept.name and time.time() - old.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(old.path, ignore_errors=True)


class quiet:  # noqa: N801 - reads as a word: with quiet()
    """Keeps the datasets library from drawing bars, logging, and telling what is loaded."""

    def __enter__(self) -> None:
        import datasets
        from datasets import config

        config.HF_UPDATE_DOWNLOAD_COUNTS = False  # else each load tells a server its name
        datasets.disable_progress_bars()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        return None
