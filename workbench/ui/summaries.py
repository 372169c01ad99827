"""Runs in brief, from their files: what they were, how far they came, and how good. Knows nothing
of widgets."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench import runs
from workbench import session as sessions
from workbench.session import Session, SessionError
from workbench.ui.history import History

Mark = tuple[tuple[int, int], ...]


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
    """The workspace's runs; what is known of one is read on, and only where its files changed."""

    def __init__(self) -> None:
        self.known: dict[Path, Summary] = {}
        self.marks: dict[Path, Mark] = {}  # of the files, as they were read last

    def read(self, workspace: Path, names: Collection[str] | None = None) -> list[Summary]:
        """All runs, or those of these names, the newest first. Takes time: not on the app's
        loop."""
        found = []
        for folder in reversed(runs.find(workspace)):
            if names is not None and folder.name not in names:
                continue
            summary = self.known.get(folder)
            if summary is None:
                history = History(folder, brief=True)
                summary = self.known[folder] = Summary(history, session_of(folder))
            mark = mark_of(folder)
            under_way = summary.history.status.state == "running"  # may end without a word
            if under_way or mark != self.marks.get(folder):
                summary.history.read()
                summary.history.refresh_status()
                self.marks[folder] = mark
            found.append(summary)
        return found


def mark_of(folder: Path) -> Mark:
    """Sizes and times of what is read of a run: equal where nothing is new."""
    marks = []
    for name in ("metrics.jsonl", "events.jsonl"):
        with suppress(OSError):
            about = (folder / name).stat()
            marks.append((about.st_size, about.st_mtime_ns))
    return tuple(marks)


def session_of(folder: Path) -> Session | None:
    try:
        return sessions.load(folder / "session.toml")
    except SessionError:
        return None
