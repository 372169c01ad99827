"""A command's conversation with the Worker: ask, and hear what comes until it is over."""

import os
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from workbench.protocol import (
    AnyEvent,
    AnyRequest,
    Cancel,
    Compared,
    DatasetOpened,
    Done,
    Failed,
    HostLost,
    ModelLoaded,
    Progress,
    PromptRendered,
    Row,
    Rows,
    RunEjected,
    RunExported,
    TakenAway,
    TrainingPlanned,
    Welcome,
)
from workbench.text import one_line
from workbench.worker.lane import RefusedError
from workbench.worker.link import HostLink, LocalLink, make_link

LAST = (
    Compared,
    Done,
    DatasetOpened,
    ModelLoaded,
    PromptRendered,
    Row,
    Rows,
    RunEjected,
    RunExported,
    TakenAway,
    TrainingPlanned,
    Welcome,
)


class Client:
    """Asks one thing after the other."""

    def __init__(self, link: HostLink | LocalLink) -> None:
        self.link = link
        self.events: queue.SimpleQueue[AnyEvent] = queue.SimpleQueue()
        link.start(self.events.put)

    def hear(self, timeout: float | None = None) -> AnyEvent | None:
        """The next event, whatever it answers; None when none comes in time."""
        try:
            return self.events.get(timeout=timeout)
        except queue.Empty:
            return None

    def ask(self, request: AnyRequest, stoppable: bool = False) -> Iterator[AnyEvent]:
        """The events that answer the request, to its last. Of a `stoppable` one ctrl+c stops the
        work and hears what came of it; a second one leaves.

        Raises:
            RefusedError: when it fails, or the Worker is lost.
        """
        id = self.link.send(request)
        with self.stopping(id) if stoppable else nullcontext():
            while True:
                event = self.events.get()
                if isinstance(event, HostLost):
                    raise RefusedError(event.message)
                if event.request != id:
                    continue
                if isinstance(event, Failed):
                    raise RefusedError(event.message)
                yield event
                if isinstance(event, LAST):
                    return

    @contextmanager
    def stopping(self, id: int) -> Iterator[None]:
        """The first ctrl+c gives the request up, wherever it comes; the second is as ever."""
        before = signal.getsignal(signal.SIGINT)

        def stop(_number: int, _frame: FrameType | None) -> None:
            signal.signal(signal.SIGINT, before)
            # In a thread: what was interrupted may hold the locks of the link and of stderr.
            threading.Thread(target=self.give_up, args=(id,)).start()

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def give_up(self, id: int) -> None:
        self.link.send(Cancel(target=id))
        print("Stopping; ctrl+c again leaves at once.", file=sys.stderr, flush=True)

    def answer(self, request: AnyRequest) -> AnyEvent:
        """The last event that answers the request; progress is shown meanwhile."""
        with progress() as show:
            for event in self.ask(request):
                show(event)
        return event


@contextmanager
def connected(session: Path, in_process: bool) -> Iterator[Client]:
    link = make_link(session, in_process)
    kept = None
    if isinstance(link, LocalLink) and link.log_path is not None:
        kept = own_output(link.log_path)
    client = Client(link)
    try:
        yield client
    finally:
        link.close()
        if kept is not None:
            kept.flush()


def own_output(log: Path) -> Any:
    """Keep stdout and stderr for the command's own words; what libraries print goes to the log."""
    from workbench.worker.output import flush, redirect

    flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    err = os.fdopen(os.dup(2), "w", encoding="utf-8")
    redirect(log)
    sys.stdout, sys.stderr = out, err
    warnings.showwarning = warn
    return out


def warn(  # noqa: PLR0917  (as Python calls it)
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """A warning of a library goes where its output goes, not among the command's own words."""
    del file
    text = warnings.formatwarning(message, category, filename, lineno, line)
    with suppress(OSError):
        os.write(2, text.encode(errors="replace"))


@contextmanager
def progress() -> Iterator[Any]:
    """Shows Progress events on stderr: a bar on a terminal, a line a change of task elsewhere."""
    if not sys.stderr.isatty():
        said: set[str] = set()

        def plain(event: AnyEvent) -> None:
            if isinstance(event, Progress) and event.what not in said:
                said.add(event.what)
                print(f"{one_line(event.what)} …", file=sys.stderr, flush=True)

        yield plain
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
    ) as bar:
        tasks: dict[str, Any] = {}

        def show(event: AnyEvent) -> None:
            if isinstance(event, Progress):
                if event.what not in tasks:
                    for other in tasks.values():
                        bar.update(other, visible=False)
                    tasks[event.what] = bar.add_task(
                        one_line(event.what), total=event.total or None
                    )
                bar.update(tasks[event.what], completed=event.done, total=event.total or None)

        yield show


def duration(seconds: float) -> str:
    """Seconds in words: 9.1 s, 3 min 05 s, 2 h 04 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def now() -> str:
    return time.strftime("%H:%M:%S")
