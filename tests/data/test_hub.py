"""Hub datasets, through a stand-in for the library's loading: no network is asked."""

import threading
from pathlib import Path
from typing import Any

import datasets
import pytest

from tests.data.tables import agree, good, silent, types
from workbench.catalogue import SourceError
from workbench.data import fetch, hub
from workbench.data.sources import Source, open_source
from workbench.session import DatasetSettings

FEATURES = datasets.Features(
    {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
)


def split(count: int) -> datasets.Dataset:
    rows = {"text": [f"row {n}" for n in range(count)], "label": [n % 2 for n in range(count)]}
    return datasets.Dataset.from_dict(rows, features=FEATURES)


class Library:
    """Answers for `datasets.load_dataset`; `cached`: the local cache has it."""

    def __init__(self, cached: bool = False, streams: bool = True) -> None:
        self.cached, self.streams = cached, streams
        self.whole = datasets.DatasetDict({"train": split(1000), "test": split(10)})
        self.asked: list[dict[str, Any]] = []
        self.may_fetch = threading.Event()
        self.may_fetch.set()

    def load_dataset(self, source: str, name: str | None = None, **options: Any) -> Any:
        from datasets import config

        self.asked.append({"source": source, "name": name, **options})
        if config.HF_HUB_OFFLINE and not self.cached:
            raise ConnectionError("offline")
        if options.get("streaming"):
            if not self.streams:
                raise ValueError("no streaming")
            return {name: one.to_iterable_dataset() for name, one in self.whole.items()}
        self.may_fetch.wait(20)
        return self.whole


def opened(library: Library, monkeypatch: pytest.MonkeyPatch, name: str = "") -> Source:
    from datasets import config

    monkeypatch.setattr(config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "look_at_hub", silent)
    monkeypatch.setattr(datasets, "load_dataset", library.load_dataset)
    return open_source(DatasetSettings(source="some/rows", name=name), Path(), silent)


def test_what_the_local_cache_has_is_opened_without_a_word_to_the_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library(cached=True)
    source = opened(library, monkeypatch, "small")
    assert library.asked == [{"source": "some/rows", "name": "small"}]
    found = source.table("train")
    assert (list(source.tables), found.count, found.complete) == (["train", "test"], 1000, True)
    assert types(found) == {"text": "text", "label": "text"}
    assert found.read(1, 2) == [{"text": "row 1", "label": "yes"}]
    agree(found)


def test_first_rows_are_streamed_and_the_rest_is_fetched_on_reading_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library()
    library.may_fetch.clear()
    source = opened(library, monkeypatch)
    found = source.table("train")
    assert (found.count, found.complete) == (hub.FIRST, False)
    assert found.read(1, 2) == [{"text": "row 1", "label": "yes"}]
    stopped = threading.Event()
    stopped.set()
    found.index(silent, stopped)  # given up while it is fetched
    assert not found.complete
    library.may_fetch.set()
    found.index(silent, threading.Event())
    source.table("test").index(silent, threading.Event())
    assert (found.count, found.complete, source.table("test").count) == (1000, True, 10)
    assert sum("streaming" not in one for one in library.asked) == 2  # the cache, then the hub once
    agree(found)


def test_what_cannot_be_streamed_is_fetched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(Library(streams=False), monkeypatch)
    assert source.table("train").complete
    assert len(good(source.table("train"))) == 1000


def test_rows_chosen_of_a_dataset_are_those_that_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(cached=True)
    library.whole["train"] = library.whole["train"].select([5, 3, 999])
    found = opened(library, monkeypatch).table("train")
    assert [row["text"] for row in good(found)] == ["row 5", "row 3", "row 999"]
    agree(found)


def test_what_the_library_says_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(cached=True)

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("Dataset scripts are no longer supported,\nbut found rows.py")

    monkeypatch.setattr(library, "load_dataset", refuse)
    with pytest.raises(SourceError) as error:
        opened(library, monkeypatch)
    assert str(error.value) == (
        "some/rows of the hub cannot be read as data: Dataset scripts are no longer supported, but "
        "found rows.py."
    )


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    class Api:
        def dataset_info(self, *_: Any, **__: Any) -> None:
            over.wait(20)

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(fetch, "HUB_SECONDS", -0.9)
    monkeypatch.setattr(fetch, "quiet_hub", lambda: type("Hub", (), {"HfApi": Api}))
    with pytest.raises(SourceError, match="the hub cannot be reached from here"):
        hub.look_at_hub("some/rows")
    over.set()
