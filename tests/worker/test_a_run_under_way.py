"""A run under way, from any client: steered, watched, killed and gone on with."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.worker.conftest import Line
from workbench import journal, runs
from workbench.protocol import (
    Done,
    Failed,
    Generate,
    GenerationFinished,
    Hello,
    HostLost,
    StartTraining,
    SteerTraining,
    StopTraining,
    TrainingAdvanced,
    TrainingEnded,
    TrainingStarted,
    Welcome,
)
from workbench.session import Session
from workbench.training.completion import CompletionTrainer

LONG = {"num_train_epochs": 200.0, "eval_steps": 0, "save_steps": 0, "warmup_steps": 0.0}


def reached(line: Line, step: int) -> TrainingAdvanced:
    """The run is past that step."""
    found: Any = line.until(
        lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= step
    )
    return found


def events(folder: Path, kind: str) -> list[dict]:
    return [one for one in journal.read(folder / "events.jsonl") if one["event"] == kind]


def metrics(folder: Path, key: str) -> list[Any]:
    return [one[key] for one in journal.read(folder / "metrics.jsonl") if key in one]


def test_a_run_is_steered_between_its_steps(line: Line, session: Session) -> None:
    line.start_training(session, **LONG)
    folder = Path(line.wait_for(TrainingStarted).run.folder)
    reached(line, 2)
    asked = [
        SteerTraining(action="learning_rate", value=1e-5),
        SteerTraining(action="checkpoint"),
        SteerTraining(action="evaluate"),
    ]
    for request in asked:
        assert isinstance(line.ask(request)[-1], Done), request
    changed = events(folder, "learning_rate")[0]
    reached(line, changed["step"] + 3)
    (refused,) = line.ask(SteerTraining(action="learning_rate", value=-1.0))
    assert "above 0" in refused.message
    line.send(StopTraining())
    assert line.wait_for(TrainingEnded).run.state == "stopped"
    written = journal.read(folder / "metrics.jsonl")
    rates = {one["step"]: one["learning_rate"] for one in written if "learning_rate" in one}
    assert rates[changed["step"] + 1] <= 1e-5 < rates[changed["step"]]
    assert any(one.get("asked") for one in events(folder, "checkpoint"))
    assert events(folder, "evaluated")


def test_a_paused_run_answers_and_says_that_it_is_paused(line: Line, session: Session) -> None:
    line.start_training(session, **LONG)
    folder = Path(line.wait_for(TrainingStarted).run.folder)
    reached(line, 2)
    assert isinstance(line.ask(SteerTraining(action="pause"))[-1], Done)
    paused: Any = line.until(
        lambda event: isinstance(event, TrainingAdvanced) and event.what == "paused"
    )
    request = Generate(
        model=session.model,
        folder=str(line.folder),
        prompt=session.prompt(),
        values={"text": "A warm and funny film.", "label": "positive"},
        generation=session.generation,
    )
    for _ in range(2):
        answers = [one for one in line.ask(request) if isinstance(one, GenerationFinished)]
        assert [one.weights for one in answers] == ["base", "tuned"]
        assert {one.step for one in answers} == {paused.run.step}
    # One that comes to look learns of it, too.
    line.ask(Hello(), last=Welcome)
    line.until(lambda event: isinstance(event, TrainingAdvanced) and event.what == "paused")
    assert isinstance(line.ask(SteerTraining(action="resume"))[-1], Done)
    reached(line, paused.run.step + 1)
    line.send(StopTraining())
    line.wait_for(TrainingEnded)
    assert [one["step"] for one in events(folder, "paused")] == [paused.run.step]
    assert [one["step"] for one in events(folder, "unpaused")] == [paused.run.step]


def test_without_a_run_there_is_nothing_to_steer(line: Line) -> None:
    (failed,) = line.ask(SteerTraining(action="pause"))
    assert isinstance(failed, Failed)
    assert "No run is under way" in failed.message


def test_pinned_answers_come_with_each_evaluation(line: Line, session: Session) -> None:
    line.start_training(session, pinned_count=1, metric_rows=2, max_steps=4, eval_steps=2)
    ended = line.wait_for(TrainingEnded)
    assert ended.run.state == "finished"
    folder = Path(ended.run.folder)
    samples = journal.read(folder / "samples.jsonl")
    assert [(one["step"], one["pinned"], one["weights"]) for one in samples] == [
        (step, True, "tuned") for step in (0, 2, 4)
    ]
    assert len(metrics(folder, "eval_exact_match") or metrics(folder, "eval_accuracy")) == 3


def test_a_host_that_is_killed_in_a_run_loses_nothing(
    open_line: Callable[..., Line], session: Session
) -> None:
    """kill -9 of the real process; the next one goes on to the same losses, to the last bit."""
    line = open_line("host")
    settings = {"max_steps": 10, "save_steps": 2, "eval_steps": 3, "lora_dropout": 0.1}
    training = replace(session.training, **settings, pinned_count=1)
    session = replace(session, training=training)
    request = StartTraining(
        session=session, session_path=str(line.path), folder=str(line.folder), run="whole"
    )
    line.send(request)
    assert line.wait_for(TrainingEnded).run.state == "finished"
    whole = line.folder / "runs" / "whole"
    (welcome,) = line.ask(Hello(), last=Welcome)
    line.send(replace(request, run="part"))
    reached(line, 5)
    os.kill(welcome.pid, signal.SIGKILL)
    lost = line.wait_for(HostLost)
    assert lost.restarted
    assert "killed" in lost.message
    (anew,) = line.ask(Hello(), last=Welcome)
    assert anew.pid != welcome.pid
    assert anew.run is None
    part = line.folder / "runs" / "part"
    assert runs.status(part).state == "interrupted"
    assert (runs.last_checkpoint(part) or (0,))[0] >= 2
    line.send(replace(request, run="part", resume=True))
    line.until(lambda event: isinstance(event, TrainingEnded | Failed))
    assert runs.status(part).state == "finished"
    for key in ("step", "loss", "eval_loss", "tokens"):
        assert metrics(part, key) == metrics(whole, key), key
    texts = [
        [(one["step"], one["text"]) for one in journal.read(folder / "samples.jsonl")]
        for folder in (part, whole)
    ]
    assert texts[0] == texts[1]


def test_a_run_that_cannot_note_what_has_changed_goes_on(
    open_line: Callable[..., Line], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full when it was gone on with, and there is room again a moment later."""
    line = open_line("in-process")
    training = replace(session.training, max_steps=6, save_steps=2, eval_steps=0)
    session = replace(session, training=training)
    request = StartTraining(
        session=session, session_path=str(line.path), folder=str(line.folder), run="part"
    )
    line.send(request)
    reached(line, 3)
    line.send(StopTraining())
    folder = Path(line.wait_for(TrainingEnded).run.folder)
    event, unsaid = runs.Run.event, list[str]()

    def full(self: runs.Run, kind: str, **about: Any) -> None:
        if kind == "problem":
            unsaid.append(about["message"])
            raise runs.RunError("No space left.")
        event(self, kind, **about)

    monkeypatch.setattr(runs.Run, "event", full)
    source = line.folder / session.dataset.source
    source.write_text("".join(source.read_text().splitlines(keepends=True)[:-1]))
    line.send(replace(request, resume=True))
    assert line.wait_for(TrainingEnded).run.state == "finished"
    assert unsaid
    assert not runs.is_locked(folder)


def test_why_a_run_failed_is_in_its_log(
    open_line: Callable[..., Line], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: Any, **_named: Any) -> None:
        raise ValueError("made to fail")

    monkeypatch.setattr(CompletionTrainer, "compute_loss", broken)
    line = open_line("in-process")
    line.start_training(session)
    failed = line.wait_for(Failed)
    assert "Traceback" not in failed.message
    log = (line.folder / "runs" / "tiny-1" / "worker.log").read_text()
    assert "Traceback" in log
    assert "made to fail" in log


def test_answers_are_learnt(open_line: Callable[..., Line], session: Session) -> None:
    line = open_line("in-process")
    session = replace(session, dataset=replace(session.dataset, evaluation_count=16))
    settings = {"evaluation_rows": 16, "metric_rows": 16, "eval_steps": 0, "save_steps": 0}
    line.start_training(session, method="full", num_train_epochs=8.0, **settings)
    ended = line.wait_for(TrainingEnded)
    assert (ended.run.state, ended.run.message) == ("finished", "")
    folder = Path(ended.run.folder)
    for name, rises in (("eval_loss", False), ("eval_accuracy", True)):
        first, last = metrics(folder, name)
        assert last > first if rises else last < first, name
