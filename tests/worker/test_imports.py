"""Lanes that begin at once import libraries whose modules import each other."""

import sys
import threading
from pathlib import Path

import pytest

from workbench.worker.imports import imported

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
