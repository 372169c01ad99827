"""A dataset to look at, train on and measure on: from a starter, files, a folder or a hub id.

Knows where rows come from; not how they are read (`files`, `hub`) nor which of them are for what
(`splits`).
"""

import glob
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import catalogue
from workbench.catalogue import Report, SourceError
from workbench.data import files
from workbench.data.memory import memory_table
from workbench.data.plain import plain_values
from workbench.data.selection import Selection
from workbench.data.table import Table
from workbench.session import DatasetSettings

if TYPE_CHECKING:
    from workbench.data.splits import Division

__all__ = [
    "Dataset",
    "Selection",
    "Source",
    "SourceError",
    "gathered",
    "memory_table",
    "open_dataset",
    "open_source",
    "plain_values",
]


@dataclass
class Source:
    """What is open: its first rows can be read, the rest once each table is indexed."""

    tables: dict[str, Table]  # split → rows; a plain file has the split "train"
    description: str
    fingerprint: str  # of what it holds, wherever it lies
    notes: list[str] = field(default_factory=list)

    def table(self, split: str) -> Table:
        """The rows of a split.

        Raises:
            SourceError: naming the splits that there are.
        """
        if split not in self.tables:
            names = ", ".join(self.tables)
            raise SourceError(f'{self.description} has no split "{split}"; there is {names}.')
        return self.tables[split]


@dataclass(frozen=True)
class Dataset:
    """Rows to train on and, apart from them, rows to measure on.

    `fingerprint` changes when the rows do; `types` says of each of `columns` what it holds.
    """

    train: Selection
    evaluation: Selection | None
    description: str
    evaluation_description: str
    fingerprint: str
    columns: list[str]
    types: list[str]
    division: "Division"
    source: Source


def open_source(settings: DatasetSettings, folder: Path, report: Report) -> Source:
    """Open what the settings name, a relative path from `folder`; reads the beginning only.

    Raises:
        SourceError: one sentence that names the file, line or split, and what to do.
    """
    source = settings.source
    if source in catalogue.STARTERS:
        if catalogue.STARTERS[source].kind != "dataset":
            raise SourceError(f"{source} is a model, not a dataset; give the name of a dataset.")
        place = catalogue.fetch(source, report)
        sides = {name: [place / f"{name}.jsonl"] for name in ("train", "evaluation")}
        return Source(*files.open_files(sides, source))
    path = (folder / Path(source).expanduser()).absolute()
    try:
        if not path.exists() and source.startswith("sessions/"):
            path = shipped(source, path)
        if path.is_file():
            return Source(*files.open_files({"train": [path]}, source, settings.text_rows))
        if path.is_dir():
            return Source(*files.open_folder(path, source, settings.text_rows))
        if path.exists():
            raise SourceError(f"{path} is neither a file nor a folder; name one of these.")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error
    if glob.has_magic(source) and (found := sorted(glob.glob(str(path), recursive=True))):
        chosen = [Path(name) for name in found if Path(name).is_file()]
        return Source(*files.open_matching(chosen, source, settings.text_rows))
    if is_path(source):
        raise SourceError(f"There is no file or folder {path}; correct dataset.source.")
    from workbench.data import hub

    return Source(*hub.open_hub(settings, report))


def open_dataset(
    settings: DatasetSettings,
    folder: Path,
    report: Report,
    stopped: threading.Event | None = None,
) -> Dataset:
    """Open a source, read all of it, and tell rows to train on from those to measure on.

    Raises:
        SourceError: as `open_source`; also where no row can be read.
    """
    from workbench.data.splits import divide

    given_up = stopped or threading.Event()
    source = open_source(settings, folder, report)
    table = source.table(settings.split)
    table.index(
        lambda done, total: report(f"reading {source.description}", done, total, "B"), given_up
    )
    return gathered(source, divide(source, settings, given_up, report))


def gathered(source: Source, division: "Division") -> Dataset:
    """The sides of a source that was read to its end."""
    settings, table = division.settings, division.table
    several = len(source.tables) > 1
    evaluation = None
    if division.evaluation_table is not None and len(division.evaluation):
        evaluation = Selection(division.evaluation_table, division.evaluation)
    return Dataset(
        train=Selection(table, division.train),
        evaluation=evaluation,
        description=source.description + (f", split {settings.split}" if several else ""),
        evaluation_description=division.words,
        fingerprint=f"{source.fingerprint}-{settings.split}-{settings.evaluation_split or 'auto'}",
        columns=[column.name for column in table.columns],
        types=[column.type for column in table.columns],
        division=division,
        source=source,
    )


def shipped(source: str, path: Path) -> Path:
    """The file that comes with the workbench's own sessions, if there is one of that name."""
    package = Path(catalogue.__file__).parent
    candidates = [root / source for root in (package, package.parent)]
    return next((one for one in candidates if one.is_file()), path)


def is_path(source: str) -> bool:
    """Whether a name can only be a path: no hub id looks like it."""
    return files.format_of(Path(source)) is not None or not re.fullmatch(
        r"[\w-][\w.-]*(/[\w-][\w.-]*)?", source
    )
