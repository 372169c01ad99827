"""Runs in brief, from their files: what they were, how far they came, and how good. Knows nothing
of widgets."""

from dataclasses import dataclass
from pathlib import Path

from workbench import runs
from workbench import session as sessions
from workbench.session import Session, SessionError
from workbench.ui.history import History


@dataclass
class Summary:
    """A run. `best` is the least evaluation loss, at which step."""

    history: History
    session: Session | None = None  # None where its file cannot be read

    @property
    def name(self) -> str:
        return self.history.folder.name

    @property
    def best(self) -> tuple[float, float] | None:
        return min(((y, x) for x, y in self.history.eval_loss), default=None)

    @property
    def kind(self) -> str:
        """Task and method."""
        if self.session is None:
            return ""
        training = self.session.training
        task = str(self.history.started.get("task") or training.task)
        return f"{task} · {training.method}"


class Summaries:
    """The workspace's runs; what is known of one is read on, not anew."""

    def __init__(self) -> None:
        self.known: dict[Path, Summary] = {}

    def read(self, workspace: Path) -> list[Summary]:
        """All runs, the newest first. Takes time: not on the app's loop."""
        found = []
        for folder in reversed(runs.find(workspace)):
            summary = self.known.get(folder)
            if summary is None:
                summary = self.known[folder] = Summary(History(folder), session_of(folder))
            summary.history.read()
            summary.history.refresh_status()
            found.append(summary)
        return found


def session_of(folder: Path) -> Session | None:
    try:
        return sessions.load(folder / "session.toml")
    except SessionError:
        return None
