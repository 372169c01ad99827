"""A workspace with a tiny model and real rows in it, and a line to a Worker in either host."""

import json
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

from tests.tiny import make_tiny_model, reviews
from workbench import session as sessions
from workbench.protocol import AnyEvent, AnyRequest, Done, Failed, HostLost, StartTraining
from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
    TrainingSettings,
)
from workbench.worker.link import HostLink, LocalLink
from workbench.worker.place import living


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hosts of a test are its own, and end with it."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WORKBENCH_LINGER", "60")
    yield
    for _, about in living():
        os.kill(about["pid"], signal.SIGKILL)


@pytest.fixture
def session(tmp_path: Path, tiny_model: Path) -> Session:
    rows = tmp_path / "reviews.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in reviews(64)))
    made = Session(
        model=ModelSettings(name=str(tiny_model), dtype="float32", device="cpu"),
        dataset=DatasetSettings(source="reviews.jsonl"),
        prompts=[
            Prompt(
                name="plain",
                system="You judge films.",
                template="Review: {{ text }}\nPositive or negative?",
                completion="{{ label }}",
            )
        ],
        generation=GenerationSettings(max_new_tokens=12),
        evaluation=EvaluationSettings(rows=3, labels=["positive", "negative"]),
        training=TrainingSettings(
            per_device_train_batch_size=4,
            learning_rate=1e-2,
            lora_r=4,
            evaluation_rows=2,
            eval_steps=5,
            save_steps=5,
        ),
    )
    sessions.save(made, tmp_path / "sessions" / "tiny.toml")
    return made


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


@pytest.fixture
def open_line(session: Session, tmp_path: Path) -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def open_it(host: str = "host") -> Line:
        path = tmp_path / "sessions" / "tiny.toml"
        assert sessions.load(path) == session
        link = HostLink(path) if host == "host" else LocalLink(path)
        line = Line(link, path)
        link.start(line.new.put)
        lines.append(line)
        return line

    yield open_it
    for line in lines:
        line.link.close()


@pytest.fixture(params=["host", "in-process"])
def line(request: pytest.FixtureRequest, open_line: Callable[..., Line]) -> Line:
    """Each test that takes this runs against both hosts."""
    return open_line(request.param)
