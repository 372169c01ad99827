"""A line to a Worker, in either host."""

import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.conftest import end_hosts
from tests.work import keep_libraries
from workbench import session as sessions
from workbench.protocol import (
    AnyEvent,
    AnyRequest,
    Done,
    Failed,
    Hello,
    HostLost,
    StartTraining,
    Welcome,
)
from workbench.session import Session
from workbench.worker.link import HostLink, LocalLink


@dataclass
class Line:
    """A link, and all that was heard on it."""

    link: HostLink | LocalLink
    path: Path
    heard: list[AnyEvent] = field(default_factory=list)
    new: "queue.SimpleQueue[AnyEvent]" = field(default_factory=queue.SimpleQueue)

    @property
    def folder(self) -> Path:
        return sessions.workspace(self.path)

    def send(self, request: AnyRequest) -> int:
        return self.link.send(request)

    def until(self, condition: Callable[[AnyEvent], bool], seconds: float = 90) -> AnyEvent:
        """The first event to come that meets the condition."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                event = self.new.get(timeout=0.2)
            except queue.Empty:
                continue
            self.heard.append(event)
            if condition(event):
                return event
        pytest.fail(f"did not come in {seconds} s; heard: {self.heard[-5:]}")

    def wait_for(self, kind: type, seconds: float = 90) -> Any:
        return self.until(lambda event: isinstance(event, kind), seconds)

    def ask(self, request: AnyRequest, last: type = Done) -> list[Any]:
        """Every event that answers the request, up to one of type `last` or a failure."""
        id = self.send(request)
        start = len(self.heard)
        self.until(
            lambda event: (
                (event.request == id and isinstance(event, last | Failed))
                or isinstance(event, HostLost)
            )
        )
        return [event for event in self.heard[start:] if event.request == id]

    def start_training(self, session: Session, **changes: Any) -> int:
        training = replace(session.training, **changes)
        return self.send(
            StartTraining(
                session=replace(session, training=training),
                session_path=str(self.path),
                folder=str(self.folder),
            )
        )


@pytest.fixture(scope="package", autouse=True)
def libraries_are_no_garbage() -> None:
    keep_libraries()


@pytest.fixture
def tiny_model(tiny_model: Path, tmp_path: Path) -> Path:
    """Under a name of the test's own, so that no Worker has it in memory from another test."""
    (tmp_path / "model").symlink_to(tiny_model)
    return tmp_path / "model"


@pytest.fixture
def open_line(session: Session, tmp_path: Path) -> Iterator[Callable[..., Line]]:
    """Opens lines to a host of the test's own, or to a Worker in this process."""
    lines: list[Line] = []

    def open_it(host: str = "host", of: Path | None = None) -> Line:
        path = tmp_path / "sessions" / "tiny.toml"
        assert sessions.load(path) == session
        link = HostLink(of or path) if host == "host" else LocalLink(path)
        line = Line(link, path)
        link.start(line.new.put)
        lines.append(line)
        return line

    yield open_it
    for line in lines:
        line.link.close()


@pytest.fixture(scope="package")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a host that tests use one after another: it imports torch once for all."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "sessions").mkdir()
    yield folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_STATE", str(folder / "state"))
        end_hosts()


@pytest.fixture(params=["host", "in-process"])
def line(
    request: pytest.FixtureRequest,
    open_line: Callable[..., Line],
    shared_host: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Line]:
    """Each test that takes this runs against both hosts; its folder and its model are its own."""
    if request.param == "in-process":
        yield open_line("in-process")
        return
    monkeypatch.setenv("WORKBENCH_STATE", str(shared_host / "state"))
    monkeypatch.setenv("WORKBENCH_LINGER", "300")
    line = open_line("host", of=shared_host / "sessions" / "shared.toml")
    yield line
    for about in line.ask(Hello(), last=Welcome):
        if isinstance(about, Welcome) and about.run is not None:  # of a test that failed
            os.kill(about.pid, signal.SIGKILL)
