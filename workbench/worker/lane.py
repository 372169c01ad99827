"""A thread that works off requests one after the other, and turns errors into sentences."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from workbench.protocol import AnyEvent, AnyRequest, Done, Failed, Progress
from workbench.worker.output import note

# Handlers are registered by type, so each is called with the very request it names.
Handler = Callable[[Any, "Job"], None]


@dataclass
class Job:
    """A request under way: who is told, and whether it was given up."""

    request: AnyRequest
    tell: Callable[[AnyEvent], None]  # to the one who asked
    client: Hashable = None  # who that is
    stopped: threading.Event = field(default_factory=threading.Event)
    began: tuple[str, float, float] = ("", 0.0, 0.0)  # what is done now, when, and how far

    @property
    def id(self) -> int:
        return self.request.id

    def progress(self, what: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        """Tell how far it is, and the time left at the speed so far."""
        now = time.monotonic()
        if self.began[0] != what or done < self.began[2]:
            self.began = (what, now, done)
        _, then, before = self.began
        left = (total - done) * (now - then) / (done - before) if total and done > before else -1
        self.tell(
            Progress(
                request=self.id, what=what, done=done, total=total, unit=unit, seconds_left=left
            )
        )


class RefusedError(Exception):
    """What cannot be done now; the text is one sentence for the person."""


def expected_errors() -> tuple[type[Exception], ...]:
    """The errors whose text is a sentence for the person. Those modules may not be imported yet."""
    import sys

    from workbench.runs import RunError
    from workbench.session import SessionError

    found: list[type[Exception]] = [RefusedError, RunError, SessionError]
    for module, name in (
        ("workbench.catalogue", "SourceError"),
        ("workbench.data.expressions", "QueryError"),
        ("workbench.data.prompting", "PromptError"),
        ("workbench.exporting.errors", "ExportError"),
        ("workbench.inference.errors", "ModelError"),
        ("workbench.measuring.database", "ResultsError"),
        ("workbench.training.errors", "TrainingError"),
    ):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


def sentence(error: BaseException) -> str:
    """What went wrong, in one sentence that says what to do."""
    if isinstance(error, expected_errors()):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return (
            "Out of memory: choose a smaller model, batch or max_length, or free memory, "
            "and try again."
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    first = (str(error).strip().splitlines() or [""])[0]
    return f"Unexpected {type(error).__name__}: {first[:300]}."


class Lane(threading.Thread):
    """A thread with a queue of jobs and a handler for each type of request."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.handlers: dict[type, Handler] = {}
        self.queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def put(self, job: Job) -> None:
        self.queue.put(job)

    def run(self) -> None:
        for job in self.jobs():
            self.work(job)

    def jobs(self) -> Iterable[Job]:
        while (job := self.queue.get()) is not None:
            yield job

    def work(self, job: Job) -> None:
        """Answer one request; whatever happens, the thread lives on."""
        if job.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
            return
        try:
            self.handlers[type(job.request)](job.request, job)
        except BaseException as error:
            if job.stopped.is_set() and type(error).__name__ == "Stopped":  # engine.Stopped
                job.tell(Done(request=job.id, cancelled=True))
                return
            details = traceback.format_exc()
            if not isinstance(error, expected_errors()):
                with suppress(OSError):  # no space left for the log: the answer is due all the same
                    note(details)
            job.tell(Failed(request=job.id, message=sentence(error), details=details))

    def end(self) -> None:
        """End once what is queued is done."""
        self.queue.put(None)
