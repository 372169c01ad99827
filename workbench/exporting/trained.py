"""What a run left behind: its session, what it was made with, and the checkpoint to take.

Knows the files of a run; loads no weights.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench import journal, runs
from workbench import session as sessions
from workbench.exporting.errors import ExportError
from workbench.session import Session

BEST, LAST = -1, -2  # in place of a checkpoint's step


@dataclass(frozen=True)
class Trained:
    """A run and one of its checkpoints."""

    folder: Path  # the run's
    session: Session  # frozen: nothing in its training is automatic
    environment: dict[str, Any]
    step: int = -1
    checkpoint: Path = Path()

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def workspace(self) -> Path:
        """Where relative names of the session start."""
        return self.folder.parents[1]

    @property
    def method(self) -> str:
        return self.session.training.method

    @property
    def task(self) -> str:
        said = (self.session.training.task, str(self.started.get("task") or ""), "sft")
        return next(one for one in said if one not in ("", "auto"))

    @property
    def is_adapter(self) -> bool:
        """Whether the checkpoint holds an adapter, and not all weights."""
        return (self.checkpoint / "adapter_config.json").exists()

    @property
    def dtype(self) -> str:
        """What the run computed in: float32, bfloat16 …"""
        said = str(self.environment.get("dtype") or "")
        return said if said in ("float32", "bfloat16", "float16") else "float32"

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return journal.read(self.folder / "events.jsonl")

    @cached_property
    def started(self) -> dict[str, Any]:
        """What the run's first event says: model, rows, weights that moved …"""
        return next((one for one in self.events if one.get("event") == "started"), {})

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        return journal.read(self.folder / "metrics.jsonl")


def run_folder(workspace: Path, word: str) -> Path:
    """The folder of the run that is meant: one of the workspace by its name, or a path.

    Raises:
        ExportError: where there is none.
    """
    with suppress(OSError, ValueError):  # a name that can be none
        places = [workspace / "runs" / word] if word and "/" not in word else []
        for path in [*places, workspace / Path(word).expanduser()]:
            if word and (path / "session.toml").is_file():
                return path.resolve()
    names = [path.name for path in runs.find(workspace)]
    there = f"there is {', '.join(names[-8:])}" if names else "there are no runs yet"
    raise ExportError(f"There is no run {word[:80]!r} in {workspace / 'runs'}; {there}.")


def read_trained(folder: Path) -> Trained:
    """A run without a checkpoint: what it was made of.

    Raises:
        ExportError: where its files cannot be read.
    """
    try:
        session = sessions.load(folder / "session.toml")
    except sessions.SessionError as error:
        raise ExportError(
            f"The run {folder.name} cannot be used: {str(error).rstrip('.')}."
        ) from error
    environment: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        found = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        environment = found if isinstance(found, dict) else {}
    return Trained(folder, session, environment)


def find_trained(folder: Path, step: int = BEST) -> Trained:
    """A run and its checkpoint of a step, or BEST or LAST.

    Raises:
        ExportError: where it has no such checkpoint.
    """
    read = read_trained(folder)
    there = dict(runs.finished_checkpoints(folder))
    if not there:
        raise ExportError(
            f"{folder.name} has no whole checkpoint to export; let it train to its first."
        )
    if step == BEST:
        step, path = runs.best_checkpoint(folder) or (max(there), there[max(there)])
    elif step == LAST:
        step, path = max(there), there[max(there)]
    elif step in there:
        path = there[step]
    else:
        raise ExportError(
            f"{folder.name} has no checkpoint of step {step}; there is "
            f"{', '.join(str(one) for one in there)}."
        )
    return Trained(read.folder, read.session, read.environment, step, path)
