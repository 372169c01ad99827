"""`workbench train`: a run without a screen."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from workbench import runs
from workbench import session as sessions
from workbench.commands.client import connected, duration, progress
from workbench.commands.starting import find_session
from workbench.protocol import (
    AnyEvent,
    Done,
    Failed,
    HostLost,
    RunStatus,
    StartTraining,
    StopTraining,
    TrainingAdvanced,
    TrainingEnded,
    TrainingStarted,
)
from workbench.text import one_line
from workbench.worker.lane import RefusedError
from workbench.worker.link import LocalLink


class Report:
    """Says on stderr how the run goes, and on stdout, if asked, each metrics line as JSON."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.tail: runs.Tail | None = None
        self.run = ""  # its folder, once it has begun

    def began(self, run: RunStatus) -> None:
        self.run = run.folder
        self.tail = runs.Tail(Path(run.folder) / "metrics.jsonl")
        self.say({"event": "started", "run": run.name, "folder": run.folder})
        print(one_line(f"Run {run.name} in {run.folder}"), file=sys.stderr)

    def say(self, line: dict[str, Any]) -> None:
        if self.as_json:
            print(json.dumps(line), flush=True)

    def read(self, run: RunStatus) -> None:
        for line in self.tail.read() if self.tail else []:
            self.say({"event": "metrics", **line})
            if not self.as_json and ("eval_loss" in line or line.get("step", 1) % 10 == 0):
                print(f"step {line.get('step')}/{run.total_steps}  {figures(line)}", flush=True)


def figures(line: dict[str, Any]) -> str:
    parts = []
    for key, name in (("loss", "loss"), ("eval_loss", "evaluation loss")):
        if key in line:
            parts.append(f"{name} {line[key]:.4f}")
    if "learning_rate" in line:
        parts.append(f"learning rate {line['learning_rate']:.2e}")
    if "tokens_per_second" in line:
        parts.append(f"{line['tokens_per_second']:.0f} tokens/s")
    return "  ".join(parts)


def train(
    word: str, *, resume: str, name: str, detach: bool, in_process: bool, as_json: bool
) -> int:
    """Start a run and follow it. Returns 0 when it finished or was stopped, 1 when it failed."""
    path, _ = find_session(word)
    session = sessions.load(path)
    if detach and in_process:
        raise RefusedError("--detach needs a worker process: leave out --in-process.")
    request = StartTraining(
        session=session,
        session_path=str(path.absolute()),
        folder=str(sessions.workspace(path)),
        run=resume or name,
        resume=bool(resume),
    )
    with connected(path, in_process) as client, progress() as show:
        report = Report(as_json)
        id = client.link.send(request)
        stopping = False

        def stop(*_: Any) -> None:
            nonlocal stopping
            if stopping:
                raise KeyboardInterrupt
            stopping = True
            client.link.send(StopTraining())
            print("Stopping after this step, with a checkpoint …", file=sys.stderr)

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        if isinstance(client.link, LocalLink):
            signal.signal(signal.SIGHUP, stop)
        while True:
            event = client.hear(0.5)  # with a limit, so that a signal is heard
            if event is None:
                continue
            if event.request == id:
                show(event)
            if (status := follow(event, id, report)) is not None:
                return status
            if detach and isinstance(event, TrainingStarted) and event.request == id:
                print(one_line(f"Come back to it with: workbench attach {path}"), file=sys.stderr)
                return 0


def follow(event: AnyEvent, id: int, report: Report) -> int | None:
    """Take in one event; the exit status once the run is over."""
    match event:
        case TrainingStarted(request=request, run=run) if request == id:
            report.began(run)
        case TrainingAdvanced(run=run) if run.folder == report.run:
            report.read(run)
        case TrainingEnded(run=run) if run.folder == report.run:  # not one that was before it
            report.read(run)
            seconds = last_seconds(Path(run.folder))
            report.say({"event": run.state, **msgspec.to_builtins(run), "seconds": seconds})
            if run.state == "failed":
                print(f"workbench: {one_line(run.message)}", file=sys.stderr)
                return 1
            print(
                f"{run.state} at step {run.step}/{run.total_steps} after {duration(seconds)}",
                file=sys.stderr,
            )
            return 0
        case Failed(request=request, message=message) if request == id:
            raise RefusedError(message)
        case Done(request=request) if request == id:
            return 0
        case HostLost(message=message):
            raise RefusedError(f"{message} The run can be resumed: workbench train --resume RUN")
    return None


def last_seconds(folder: Path) -> float:
    lines = runs.Tail(folder / "metrics.jsonl").read()
    return max((float(line.get("seconds", 0)) for line in lines), default=0.0)
