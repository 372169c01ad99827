"""Lanes that begin at once import libraries whose modules import each other, and stay in memory."""

import gc
import sys
import threading
import weakref
from pathlib import Path

import pytest

from workbench.worker.imports import imported, let_go

HALVES = {
    "half_one": "import time\nimport half_two\ntime.sleep(0.2)\nmade = 1\n",
    "half_two": "import time\ntime.sleep(0.2)\nimport half_one\nmade = 2\n",
}


def test_two_threads_never_see_half_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in HALVES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    together = threading.Barrier(2)
    seen: list[object] = []

    def lane(name: str) -> None:
        together.wait()
        imported(name)
        seen.append([getattr(sys.modules[one], "made", None) for one in HALVES])

    threads = [threading.Thread(target=lane, args=(name,)) for name in HALVES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in HALVES:
        del sys.modules[name]
    assert seen == [[1, 2], [1, 2]]


def test_what_libraries_leave_is_not_looked_through_for_garbage_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large_one.py").write_text("made = [[] for _ in range(50_000)]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        imported("large_one")
        there = gc.get_freeze_count()
        assert there > 50_000
        imported("large_one")  # it is there already
        assert gc.get_freeze_count() == there
    finally:
        sys.modules.pop("large_one", None)
        gc.unfreeze()


def test_a_model_that_makes_room_is_freed_though_it_refers_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Model:
        def __init__(self) -> None:
            self.me = self

    (tmp_path / "later_one.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = Model()
    known = weakref.ref(model)
    try:
        imported("later_one")
        del model
        gc.collect()
        assert known() is not None  # it was kept with the modules
        let_go()
        assert known() is None
    finally:
        sys.modules.pop("later_one", None)
        gc.unfreeze()
