"""The real program, in a real pseudo-terminal."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.terminal.terminal import WORKBENCH, Terminal

ROOT = Path(__file__).parents[2]
Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """Opens the workbench on a session, as often as it is called."""
    opened: list[Terminal] = []

    def open_it(*words: str, columns: int = 120, rows: int = 40) -> Terminal:
        one = Terminal([*WORKBENCH, *words], cwd=tmp_path, columns=columns, rows=rows)
        opened.append(one)
        return one

    yield open_it
    for one in opened:
        one.close()


@pytest.fixture
def film_reviews(tmp_path: Path) -> Path:
    """The starter session in a folder of its own."""
    path = tmp_path / "sessions" / "film-reviews.toml"
    path.parent.mkdir()
    shutil.copyfile(ROOT / "sessions" / "film-reviews.toml", path)
    return path
