"""A workspace of a benchmark's own: the film-reviews session, and hosts that end with it."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from workbench import session as sessions
from workbench.worker.place import living

ROOT = Path(__file__).parents[1]


def film_reviews(folder: Path, **training: object) -> Path:
    """The starter session in a folder of its own, with some of its training settings changed."""
    path = folder / "sessions" / "film-reviews.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "sessions" / "film-reviews.toml", path)
    session = sessions.load(path)
    sessions.save(replace(session, training=replace(session.training, **training)), path)
    return path


@contextmanager
def own_state(folder: Path) -> Iterator[None]:
    """Hosts started meanwhile are not the person's own, and end at the end."""
    before = os.environ.get("WORKBENCH_STATE")
    os.environ["WORKBENCH_STATE"] = str(folder / "state")
    try:
        yield
    finally:
        for _, about in living():
            with suppress(ProcessLookupError):
                os.kill(about["pid"], signal.SIGKILL)
        os.environ.pop("WORKBENCH_STATE")
        if before is not None:
            os.environ["WORKBENCH_STATE"] = before
