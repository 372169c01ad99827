"""A dataset to look at, train on and measure on: from a starter, a file, a folder or a hub id.

Knows where rows come from and how a row becomes plain values; not how a row becomes a prompt.
"""

import datetime
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import catalogue
from workbench.catalogue import Report, SourceError
from workbench.data import faults, fetch, files, splits
from workbench.data.fetch import hub_is_off
from workbench.session import DatasetSettings

if TYPE_CHECKING:
    import datasets

__all__ = ["Dataset", "SourceError", "open_dataset", "plain_values"]


@dataclass(frozen=True)
class Dataset:
    """Rows to train on and, apart from them, rows to measure on.

    `fingerprint` changes when the rows do; `types` says of each of `columns` what it holds.
    """

    train: "datasets.Dataset"
    evaluation: "datasets.Dataset | None"
    description: str
    evaluation_description: str
    fingerprint: str
    columns: list[str]
    types: list[str]


def open_dataset(settings: DatasetSettings, folder: Path, report: Report) -> Dataset:
    """Open the dataset that the settings name; a relative path starts in `folder`.

    Raises:
        SourceError: one sentence that names the file, line, column or split, and what to do.
    """
    # `datasets` looks into `transformers` wherever that is loaded, and fails where another thread
    # is half-way through importing it: here one waits until it is whole (it imports no torch).
    import transformers  # noqa: F401

    found, fingerprint, source = read(settings, folder, report)
    found = {name: spoken(table) for name, table in found.items()}
    train, evaluation, where = splits.evaluation(
        found, settings.split, settings.evaluation_split, source
    )
    own = f"{source}, split {settings.split}" if len(found) > 1 else source
    return Dataset(
        train=train,
        evaluation=evaluation,
        description=own,
        evaluation_description=where,
        fingerprint=f"{fingerprint}-{settings.split}-{settings.evaluation_split or 'auto'}",
        columns=list(train.column_names),
        types=[type_name(train.features[name]) for name in train.column_names],
    )


def read(
    settings: DatasetSettings, folder: Path, report: Report
) -> "tuple[dict[str, datasets.Dataset], str, str]":
    """The splits of a source, a fingerprint of what it holds, and its name for a person."""
    source = settings.source
    if source in catalogue.STARTERS:
        if catalogue.STARTERS[source].kind != "dataset":
            raise SourceError(f"{source} is a model, not a dataset; give the name of a dataset.")
        place = catalogue.fetch(source, report)
        sides = {name: [place / f"{name}.jsonl"] for name in ("train", "evaluation")}
        return *files.tables(sides, place, report), source
    path = (folder / Path(source).expanduser()).absolute()
    if not path.exists() and source.startswith("sessions/"):
        path = shipped(source, path)
    if path.is_file() or path.is_dir():
        return *files.read(path, report), source
    if is_path(source):
        raise SourceError(f"There is no file or folder {path}; correct dataset.source.")
    return *from_hub(settings, report), source


def shipped(source: str, path: Path) -> Path:
    """The file that comes with the workbench's own sessions, if there is one of that name."""
    package = Path(catalogue.__file__).parent
    candidates = [root / source for root in (package, package.parent)]
    return next((one for one in candidates if one.is_file()), path)


def is_path(source: str) -> bool:
    """Whether a name can only be a path: no hub id looks like it."""
    return Path(source).suffix.lower() in files.BUILDERS or not re.fullmatch(
        r"[\w-][\w.-]*(/[\w-][\w.-]*)?", source
    )


def from_hub(
    settings: DatasetSettings, report: Report
) -> "tuple[dict[str, datasets.Dataset], str]":
    """A dataset of the Hugging Face hub, from its local cache where that has it.

    Raises:
        SourceError: when it is not there, cannot be reached, or wants to run code of its own.
    """
    import datasets
    from datasets import config

    source = settings.source
    report(f"looking for {source}", 0, 0, "")
    online = config.HF_HUB_OFFLINE
    found: Any = None
    with files.quiet():
        try:  # what was fetched once needs no network
            config.HF_HUB_OFFLINE = True
            found = datasets.load_dataset(source, settings.name or None)
        except (ConnectionError, FileNotFoundError):
            found = None
        except Exception as error:
            raise faults.unreadable(f"{source} of the hub", error) from error
        finally:
            config.HF_HUB_OFFLINE = online
        if found is None:
            look_at_hub(source)
            report(f"fetching {source} from the hub", 0, 0, "")
            try:
                found = datasets.load_dataset(source, settings.name or None)
            except Exception as error:
                raise faults.unreadable(f"{source} of the hub", error) from error
    tables = {str(name): table for name, table in found.items()}
    return tables, "-".join(table._fingerprint for table in tables.values())[:64]


def look_at_hub(source: str) -> None:
    """Ask the hub once, and not for long, whether it has a dataset.

    Raises:
        SourceError: when it has not, or gives no answer.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    reason = ""
    if hub_is_off():
        reason = "it is not in the hub's local cache, and HF_HUB_OFFLINE forbids to fetch it"
    else:
        api = fetch.quiet_hub().HfApi()
        seconds = fetch.HUB_SECONDS
        try:
            fetch.within(seconds + 1, lambda: str(api.dataset_info(source, timeout=seconds).sha))
        except RepositoryNotFoundError:
            reason = "the hub has no such dataset, or it is private and HF_TOKEN is not set"
        except Exception:  # whatever the client raises, it means that there is no answer
            reason = "the hub cannot be reached from here"
    if reason:
        starters = ", ".join(s.name for s in catalogue.STARTERS.values() if s.kind == "dataset")
        raise SourceError(
            f"{source} is no starter ({starters}), no file and no folder here, and {reason}; "
            "correct dataset.source."
        )


def spoken(table: "datasets.Dataset") -> "datasets.Dataset":
    """The table with labels as their names, and media left undecoded."""
    import datasets
    import pyarrow

    for name, feature in list(table.features.items()):
        if isinstance(feature, datasets.ClassLabel):
            names = [
                None if code is None or code < 0 else feature.names[code] for code in table[name]
            ]
            position = table.column_names.index(name)
            data = table.data.table
            if table._indices is not None:
                data = table.flatten_indices().data.table
            data = data.set_column(position, name, pyarrow.array(names, pyarrow.string()))
            features = datasets.Features({**table.features, name: datasets.Value("string")})
            table = datasets.Dataset(data.replace_schema_metadata(None)).cast(features)
        elif isinstance(feature, datasets.Image | datasets.Audio | datasets.Video):
            table = table.cast_column(name, type(feature)(decode=False))
    return table


def type_name(feature: Any) -> str:
    """What a column holds, in a word or three."""
    if dtype := getattr(feature, "dtype", None):
        simple = {"string": "text", "large_string": "text", "dict": "object"}
        if not hasattr(feature, "feature") and isinstance(dtype, str):
            kind = type(feature).__name__
            return simple.get(dtype, dtype) if kind == "Value" else kind.lower()
    if hasattr(feature, "feature"):
        return f"list of {type_name(feature.feature)}"
    return "object" if isinstance(feature, dict) else type(feature).__name__.lower()


def plain_values(row: dict[str, Any]) -> dict[str, Any]:
    """A row as values of JSON's types: times as ISO text, bytes and media by their size."""
    return {str(name): plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, dict) and set(value) != {"bytes", "path"}:
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):  # numpy and torch
        return plain(value.tolist())
    return named(value)


def named(value: Any) -> str:
    """What a value is, where it cannot be shown or has a text of its own."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if type(value).__module__ in ("decimal", "uuid", "datetime"):
        return str(value)
    if isinstance(value, dict):  # an undecoded image or sound
        size = len(value["bytes"] or b"")
        return f"<file {value['path'] or 'without a name'}, {size:,} bytes>"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value):,} bytes>"
    if hasattr(value, "size") and hasattr(value, "mode"):  # a Pillow image
        return f"<image, {value.size[0]} × {value.size[1]}>"
    return f"<{type(value).__name__}>"
