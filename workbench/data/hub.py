"""Datasets of the Hugging Face hub, through the datasets library.

Knows the hub, its local cache and how to ask it without waiting for ever; not what rows are for.
The library runs no code that comes with a dataset.
"""

import itertools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench import catalogue
from workbench.catalogue import Report, SourceError
from workbench.data import fetch
from workbench.data.arrow import ArrowTable
from workbench.data.columnar import Columnar
from workbench.data.engine import Stopped
from workbench.data.fetch import hub_is_off
from workbench.data.growing import Growing
from workbench.data.table import Advance, Table
from workbench.session import DatasetSettings

if TYPE_CHECKING:
    pass

FIRST = 200  # rows streamed before the dataset is fetched
STREAM_SECONDS = 15.0  # that streaming them may take; then one waits for the whole dataset
Opened = tuple[dict[str, Table], str, str]  # tables by split, description, fingerprint


class Fetched(Growing):
    """A split whose first rows were streamed; reading it to the end fetches the dataset."""

    def __init__(self, name: str, split: str, first: Any, fetching: "Fetching") -> None:
        super().__init__(name, f"hub-{name}-{split}"[:64], 0)
        self.split, self.fetching = split, fetching
        part = Columnar(first.schema)
        self.head = list(part.rows(first))
        self.head_columns = part.columns

    def make(self, advance: Advance, stopped: threading.Event) -> Table:
        return self.fetching.wait(advance, stopped)[self.split]


class Fetching:
    """The whole dataset, fetched once for all its splits, on a thread that can be left alone."""

    def __init__(self, load: "Callable[[], dict[str, Table]]") -> None:
        self.load = load
        self.thread: threading.Thread | None = None
        self.tables: dict[str, Table] = {}
        self.failure: BaseException | None = None
        self.lock = threading.Lock()

    def run(self) -> None:
        try:
            self.tables = self.load()
        except BaseException as error:
            self.failure = error

    def wait(self, advance: Advance, stopped: threading.Event) -> dict[str, Table]:
        """
        Raises:
            SourceError: when it could not be fetched.
            Stopped: when one no longer waits for it.
        """
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="hub-fetch", daemon=True)
                self.thread.start()
        while self.thread.is_alive():
            if stopped.is_set():
                raise Stopped
            advance(0, 0)
            self.thread.join(0.1)
        if self.failure is not None:
            raise self.failure
        return self.tables


def open_hub(settings: DatasetSettings, report: Report) -> Opened:
    """A dataset from the hub's local cache; else its first rows, streamed, the rest fetched when it
    is read to the end.

    Raises:
        SourceError: when it is not there, cannot be reached, or wants to run code of its own.
    """
    # `datasets` looks into `transformers` wherever that is loaded, and fails where another thread
    # is half-way through importing it: here one waits until it is whole (it imports no torch).
    import datasets
    import transformers  # noqa: F401
    from datasets import config

    source, name = settings.source, settings.name or None
    report(f"looking for {source}", 0, 0, "")
    online = config.HF_HUB_OFFLINE
    with quiet():
        try:  # what was fetched once needs no network
            config.HF_HUB_OFFLINE = True
            return opened(source, tables(datasets.load_dataset(source, name)))
        except (ConnectionError, FileNotFoundError):
            pass
        except Exception as error:
            raise unreadable(source, error) from error
        finally:
            config.HF_HUB_OFFLINE = online
        look_at_hub(source)
        report(f"asking the hub for {source}", 0, 0, "")

        def whole() -> dict[str, Table]:
            try:
                with quiet():
                    return tables(datasets.load_dataset(source, name))
            except Exception as error:
                raise unreadable(source, error) from error

        fetching = Fetching(whole)
        if streamed := first_rows(source, name):
            parts: dict[str, Table] = {
                split: Fetched(source, split, first, fetching) for split, first in streamed.items()
            }
            return opened(source, parts)
        report(f"fetching {source} from the hub", 0, 0, "")
        return opened(source, whole())


def opened(source: str, parts: dict[str, Table]) -> Opened:
    prints = "-".join(table.fingerprint for table in parts.values())
    return parts, source, prints[:64]


def tables(found: Any) -> dict[str, Table]:
    """What the library gives, as Tables: read from the files that it mapped."""
    parts: dict[str, Table] = {}
    for split, one in found.items():
        if one._indices is not None:
            one = one.flatten_indices()  # noqa: PLW2901 - the same rows, in their own order
        table = one.data.table.replace_schema_metadata(one.features.arrow_schema.metadata)
        parts[str(split)] = ArrowTable(table, str(one._fingerprint))
    return parts


def first_rows(source: str, name: str | None) -> dict[str, Any]:
    """The first rows of each split, as Arrow; empty where they cannot be streamed, or not soon."""
    import datasets

    result: dict[str, Any] = {}

    def stream() -> str:
        with quiet():
            found = datasets.load_dataset(source, name, streaming=True)
            for split, one in found.items():
                batches = one.with_format("arrow").iter(batch_size=FIRST)
                for first in itertools.islice(batches, 1):
                    metadata = (
                        one.features.arrow_schema.metadata if one.features is not None else None
                    )
                    result[str(split)] = first.replace_schema_metadata(metadata)
        return source

    try:
        fetch.within(STREAM_SECONDS, stream)
    except Exception:  # whatever it is, fetching the whole will say it, or do
        return {}
    return result


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


def unreadable(source: str, error: BaseException) -> SourceError:
    """One sentence from what the library raised."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return SourceError(f"{source} of the hub cannot be read as data: {text[:300]}.")


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
