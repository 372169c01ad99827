"""Exports through a Worker, and by command: each is a process that imports the libraries anew."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exporting.made import made, trained, workspace
from tests.worker.conftest import Line, open_line
from workbench import session as sessions
from workbench.protocol import (
    Cancel,
    Done,
    ExportRun,
    Failed,
    Progress,
    RunExported,
)
from workbench.session import Session

__all__ = ["open_line"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run."""
    folder = workspace(tmp_path_factory.mktemp("desk"))
    trained(folder, "one", made(num_train_epochs=0.5))
    return folder


@pytest.fixture
def session(tmp_path: Path, model: Path) -> Session:
    """The workspace of the run, as the line's own."""
    for path in model.iterdir():
        (tmp_path / path.name).symlink_to(path)
    session = made()
    sessions.save(session, tmp_path / "sessions" / "tiny.toml")
    return session


def test_an_export_can_be_given_up(open_line: Callable[..., Line]) -> None:
    line = open_line("in-process")
    id = line.send(ExportRun(folder=str(line.folder), run="one", to="out"))
    line.until(lambda event: isinstance(event, Progress) and event.request == id)
    line.send(Cancel(target=id))
    end = line.until(
        lambda event: event.request == id and isinstance(event, Done | RunExported | Failed)
    )
    assert isinstance(end, Done)
    assert end.cancelled
    assert not [path for path in line.folder.iterdir() if "out" in path.name]


def test_the_commands_say_where_it_is(forked: Run, session: Session, tmp_path: Path) -> None:
    done = forked("export", "one", "--to", "mine", "--in-process")
    assert done.stdout == f"{tmp_path / 'mine'}\n"
    assert "writing the adapter" in done.stderr
    assert (tmp_path / "mine" / "adapter_config.json").exists()  # what it trained
    gone = forked("export", "two", "--to", "x", "--in-process", check=1)
    assert "There is no run 'two'" in gone.stderr
    assert "there is one" in gone.stderr
    wrong = forked("export", "one", "--to", "x", "--checkpoint", "newest", "--in-process", check=1)
    assert "takes a step, best or last" in wrong.stderr
    ejected = forked("eject", "runs/one", "--to", "again.py", "--in-process", "--json")
    assert json.loads(ejected.stdout)["path"] == str(tmp_path / "again.py")
    assert (tmp_path / "again.rows.jsonl").exists()
    assert "LoraConfig" in (tmp_path / "again.py").read_text()
