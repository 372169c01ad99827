"""`workbench train`: a run without a screen."""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from workbench import journal, presets, runs
from workbench import session as sessions
from workbench.commands.client import Client, connected, duration, progress
from workbench.commands.planned import plan_lines
from workbench.commands.starting import find_session
from workbench.named import assign
from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    Failed,
    HostLost,
    Plan,
    PlanTraining,
    RunStatus,
    StartTraining,
    StopTraining,
    TrainingAdvanced,
    TrainingEnded,
    TrainingPlanned,
    TrainingStarted,
)
from workbench.session import Session
from workbench.text import one_line
from workbench.worker.lane import RefusedError
from workbench.worker.link import LocalLink


class Report:
    """Says on stderr how the run goes, and on stdout, if asked, each metrics line as JSON.

    Of a run that goes on, what was written before `since` is not said again.
    """

    def __init__(self, as_json: bool, since: float = 0.0) -> None:
        self.as_json, self.since = as_json, since
        self.tail: journal.Tail | None = None
        self.events: journal.Tail | None = None
        self.run = ""  # its folder, once it has begun

    def began(self, run: RunStatus) -> None:
        self.run = run.folder
        self.tail = journal.Tail(Path(run.folder) / "metrics.jsonl")
        self.events = journal.Tail(Path(run.folder) / "events.jsonl")
        self.say({"event": "started", "run": run.name, "folder": run.folder})
        print(one_line(f"Run {run.name} in {run.folder}"), file=sys.stderr)

    def how_to_go_on(self) -> str:
        """What to do where the worker was lost."""
        if not self.run or runs.last_checkpoint(Path(self.run)) is None:
            return "There is no checkpoint yet: start the run again."
        name = one_line(Path(self.run).name)
        return f"Go on from a checkpoint with: workbench train SESSION --resume {name}"

    def say(self, line: dict[str, Any]) -> None:
        if self.as_json:
            print(json.dumps(line), flush=True)

    def new(self, tail: journal.Tail | None) -> list[dict[str, Any]]:
        lines = tail.read() if tail else []
        return [line for line in lines if float(line.get("time") or 0) >= self.since]

    def read(self, run: RunStatus) -> None:
        for line in self.new(self.tail):
            self.say({"event": "metrics", **line})
            measured = any(key.startswith("eval_") for key in line)
            if not self.as_json and (measured or line.get("step", 1) % 10 == 0):
                print(f"step {line.get('step')}/{run.total_steps}  {figures(line)}", flush=True)
        for line in self.new(self.events):
            kind = str(line.pop("event", ""))
            if words := happened(kind, line):
                self.say({"event": "happened", "kind": kind, **line})
                print(one_line(words, 300), file=sys.stderr, flush=True)


# Said elsewhere.
ENDS = ("started", "resumed", "finished", "stopped", "failed", "broken_numbers", "checkpoint")


def happened(kind: str, line: dict[str, Any]) -> str:
    """What an event of the run says, in words; empty where nothing needs to be said."""
    if kind in ENDS:
        return ""
    step = f"step {line['step']}: " if "step" in line else ""
    if kind == "best" and isinstance(line.get("value"), int | float):
        return f"{step}the best so far: {line.get('metric')} {line['value']:.4g}"
    if message := line.get("message"):
        return f"{step}{message}"
    if kind == "learning_rate":
        return f"{step}the learning rate is {line.get('value')} from here on"
    return f"{step}{kind.replace('_', ' ')}"


def figures(line: dict[str, Any]) -> str:
    """The figures of a metrics line, in words."""
    parts = []
    if "loss" in line:
        parts.append(f"loss {line['loss']:.4f}")
    for key, value in line.items():
        if key.startswith("eval_") and isinstance(value, int | float):
            name = key.removeprefix("eval_").replace("_", " ")
            parts.append(f"evaluation {name} {value:.4f}")
    if line.get("learning_rate") is not None:
        parts.append(f"learning rate {line['learning_rate']:.2e}")
    if "tokens_per_second" in line:
        parts.append(f"{line['tokens_per_second']:.0f} tokens/s")
    if "seconds_left" in line:
        parts.append(f"{duration(line['seconds_left'])} left")
    return "  ".join(parts)


def with_preset(  # noqa: PLR0917
    client: Client, session: Session, path: Path, preset: str, assignments: list[str], show: Any
) -> Session:
    """The session with a preset, by its task, model and rows, and single settings over it."""
    plan = plan_of(client, assign(whole(session), assignments), path, show)
    if plan.task == "auto" and plan.problem:
        raise RefusedError(plan.problem)
    made = presets.apply(session, preset, plan.task, plan.parameters, max(0, plan.rows))
    return assign(made, assignments)


def whole(session: Session) -> Session:
    """With all its rows, whose number a preset goes by."""
    return replace(session, training=replace(session.training, rows=0))


def plan_of(client: Client, session: Session, path: Path, show: Any) -> Plan:
    """What the run will take.

    Raises:
        RefusedError: where that cannot be said at all.
    """
    request = PlanTraining(
        session=session,
        session_path=str(path.absolute()),
        folder=str(sessions.workspace(path)),
    )
    for event in client.ask(request):
        show(event)
        if isinstance(event, TrainingPlanned):
            return event.plan
    raise RefusedError("No plan was made; try again.")


def train(
    word: str,
    *,
    assignments: list[str],
    preset: str,
    only_plan: bool,
    resume: str,
    name: str,
    detach: bool,
    in_process: bool,
    as_json: bool,
) -> int:
    """Say what the run will take, start it, and follow it. Returns 0 when it finished or was
    stopped, 1 when it failed or cannot begin, 130 when it was given up before it began."""
    path, _ = find_session(word)
    before = sessions.load(path)
    session = assign(before, assignments)
    if detach and in_process:
        raise RefusedError("--detach needs a worker process: leave out --in-process.")
    if resume and (assignments or preset or only_plan or name):
        raise RefusedError(
            f"A run goes on as it began: leave out --set, --preset, --plan and --name, or start a "
            f"new run instead of resuming {resume}."
        )
    if resume or name:
        runs.check_name(resume or name)  # before a worker is started
    if name and (sessions.workspace(path) / "runs" / name).exists():
        raise runs.RunError(f"There is already a run {name}; choose another name.")
    request = StartTraining(
        session=session,
        session_path=str(path.absolute()),
        folder=str(sessions.workspace(path)),
        run=resume or name,
        resume=bool(resume),
    )
    report = Report(as_json, time.time() if resume else 0.0)
    try:
        with connected(path, in_process) as client, progress() as show:
            if preset:
                session = with_preset(client, before, path, preset, assignments, show)
                request = replace(request, session=session)
            if not resume:
                plan = plan_of(client, session, path, show)
                if only_plan:
                    return tell_plan(plan, as_json)
                if plan.problem:
                    raise RefusedError(plan.problem)
                report.say({"event": "plan", **msgspec.to_builtins(plan)})
                print("\n".join(plan_lines(plan)), file=sys.stderr, flush=True)
            return run(client, request, report, show, detach=detach)
    except KeyboardInterrupt:
        if report.run:
            raise
        return given_up()


def given_up() -> int:
    print("Given up before a run began.", file=sys.stderr, flush=True)
    return 130


def tell_plan(plan: Plan, as_json: bool) -> int:
    """A plan on stdout; 1 where the run cannot begin."""
    if as_json:
        built = msgspec.to_builtins(plan)
        print(json.dumps({**built, "memory_total": plan.memory_total}))
    else:
        print("\n".join(plan_lines(plan)))
    return 1 if plan.problem else 0


def run(client: Client, request: StartTraining, report: Report, show: Any, *, detach: bool) -> int:
    """Start a run and follow it to its end."""
    id = client.link.send(request)
    stopping = False

    def stop(*_: Any) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        client.link.send(StopTraining())
        if report.run:
            print("Stopping after this step, with a checkpoint …", file=sys.stderr)
        else:
            client.link.send(Cancel(target=id))
            print("Stopping before the run begins …", file=sys.stderr)

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
            where = request.session_path
            print(one_line(f"Come back to it with: workbench attach {where}"), file=sys.stderr)
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
            where = f"at step {run.step}/{run.total_steps} after {duration(seconds)}"
            print(f"{run.state} {where if run.step else 'before the first step'}", file=sys.stderr)
            return 0
        case Failed(request=request, message=message) if request == id:
            raise RefusedError(message)
        case Done(request=request) if request == id:
            return 0 if report.run else given_up()
        case HostLost(message=message):
            raise RefusedError(f"{message} {report.how_to_go_on()}")
    return None


def last_seconds(folder: Path) -> float:
    lines = journal.read(folder / "metrics.jsonl")
    return max((float(line.get("seconds", 0)) for line in lines), default=0.0)
