"""Where data may be: the entries of a folder, and the sources of sessions.

Everything here touches the disk and may be slow: it is called off the app's loop.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench import session as sessions
from workbench.session import SessionError

DATA = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md")
PACKED = (".gz", ".zst", ".zstd")
MOST_ENTRIES = 50_000  # of one folder that are looked at


@dataclass(frozen=True)
class Entry:
    name: str
    folder: bool
    size: int = 0  # bytes of a file


def is_data(name: str) -> bool:
    """Whether a file's name says that it holds rows."""
    stem, ending = os.path.splitext(name.lower())
    if ending in PACKED:
        ending = os.path.splitext(stem)[1]
    return ending in DATA


def listing(folder: Path) -> tuple[list[Entry], str]:
    """The folders and data files in a folder, in order, and what went wrong."""
    folders: list[Entry] = []
    files: list[Entry] = []
    try:
        with os.scandir(folder) as entries:
            for index, entry in enumerate(entries):
                if index >= MOST_ENTRIES:
                    words = f"{folder} holds more than {MOST_ENTRIES:,} entries; type the name."
                    return sorted_entries(folders, files), words
                with suppress(OSError):
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        folders.append(Entry(entry.name, True))
                    elif is_data(entry.name):
                        files.append(Entry(entry.name, False, entry.stat().st_size))
    except FileNotFoundError:
        return [], f"{folder}: there is no such folder."
    except NotADirectoryError:
        return [], f"{folder} is a file, not a folder."
    except OSError as error:
        return [], f"{folder} cannot be read: {error.strerror}."
    return sorted_entries(folders, files), ""


def sorted_entries(folders: list[Entry], files: list[Entry]) -> list[Entry]:
    return [
        *sorted(folders, key=lambda one: one.name.lower()),
        *sorted(files, key=lambda one: one.name.lower()),
    ]


def recent_sources(path: Path, most: int = 8) -> list[str]:
    """What the sessions beside this one work on, the latest first."""
    found: list[tuple[float, str]] = []
    for other in path.absolute().parent.glob("*.toml"):
        with suppress(SessionError, OSError):
            found.append((other.stat().st_mtime, sessions.load(other).dataset.source))
    newest = sorted(found, reverse=True)
    return list(dict.fromkeys(source for _, source in newest))[:most]


def folder_of(text: str, workspace: Path) -> tuple[Path, str]:
    """The folder that a typed path is in, and the beginning of a name in it."""
    head, slash, start = text.rpartition("/")
    head += slash
    if start in ("..", "~"):  # as a shell has it: these are folders already
        head, start = text + "/", ""
    folder = Path(head).expanduser() if head else Path()
    return (workspace / folder if not folder.is_absolute() else folder), start
