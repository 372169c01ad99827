"""Runs: one at a time, on the Worker's thread, from its model in memory."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench import runs
from workbench.protocol import (
    Done,
    Failed,
    ModelLoaded,
    RunState,
    RunStatus,
    StartTraining,
    SteerTraining,
    TrainingAdvanced,
    TrainingEnded,
    TrainingStarted,
)
from workbench.session import Session
from workbench.worker.imports import imported
from workbench.worker.lane import Job, RefusedError, sentence
from workbench.worker.output import note, redirected

if TYPE_CHECKING:
    from workbench.data.sources import Dataset
    from workbench.inference.heads import Head
    from workbench.inference.model import LoadedModel
    from workbench.training.steering import Steering
    from workbench.worker.thread import Worker


class RunBench:
    """Makes a run of a session, or goes on with one, and tells what becomes of it."""

    def __init__(self, worker: "Worker") -> None:
        self.worker = worker
        self.hooks: Hooks | None = None  # of the run under way

    def steer(self, request: SteerTraining, job: Job) -> None:
        """Change the run under way: this is worked off between two of its steps."""
        if self.worker.run_status is None or self.hooks is None:
            raise RefusedError("No run is under way; start one, or resume one.")
        if self.hooks.steering is None:
            raise RefusedError(
                f"{self.worker.run_status.name} has not come to its first step yet; ask again in a "
                "moment."
            )
        self.hooks.steering.ask(request.action, request.value)
        job.tell(Done(request=job.id))

    def train(self, request: StartTraining, job: Job) -> None:
        worker = self.worker
        if worker.run_status is not None:
            raise RefusedError(f"{worker.run_status.name} is under way already; stop it first.")
        imported("workbench.training.loop", "workbench.training.environment")
        from workbench.data.sources import open_dataset
        from workbench.training.environment import changes_since, environment
        from workbench.training.loop import train

        folder = Path(request.folder)
        session = request.session
        checkpoint: Path | None = None
        worker.stop_run.clear()
        worker.prefixes.clear()  # the run needs the memory, and its weights are others
        if request.run:
            runs.check_name(request.run)
        if request.resume:
            session, checkpoint = to_resume(folder / "runs" / request.run)
        # The run makes an adapter of its own over the base: the one the session names has no part.
        session = replace(session, model=replace(session.model, adapter=""))
        data = open_dataset(session.dataset, folder, job.progress, job.stopped)
        if job.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
            return
        session, head, choices = resolved(session, data, folder, job)
        in_bits = session.training.method == "qlora"
        if job.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
            return
        loaded = worker.ready(session.model, folder, job, head, quantised=in_bits)
        if job.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
            return
        if request.resume:
            run = runs.Run(folder / "runs" / request.run)
            step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
            with suppress(runs.RunError):  # no room for it; the run says so itself in a moment
                for words in changes_since(run.folder / "environment.json", loaded, data):
                    run.event("problem", step=step, message=words)
        else:
            name = request.run or runs.new_name(folder, Path(request.session_path).stem)
            about = environment(loaded, data)
            about["threads"] = session.training.threads or about["threads"]
            about["session"] = request.session_path
            about["choices"] = choices
            run = runs.Run.create(folder, name, session, about)
        self.hooks = hooks = Hooks(worker)
        try:
            self.run(run, loaded, job, lambda: train(session, loaded, data, run, hooks, checkpoint))
        finally:
            self.hooks = None

    def run(
        self, run: runs.Run, loaded: "LoadedModel", job: Job, train: Callable[[], RunState]
    ) -> None:
        """Do it, whatever comes of it; the run is closed at its end."""
        worker = self.worker
        worker.writing = run
        worker.run_status = RunStatus(name=run.name, folder=str(run.folder), state="running")
        job.tell(TrainingStarted(request=job.id, run=worker.run_status))
        worker.broadcast(TrainingStarted(run=worker.run_status))
        state: RunState = "failed"
        message = words = ""
        try:
            with redirected(run.folder / "worker.log"):
                state = train()
            words = runs.status(run.folder).message if state == "finished" else ""
        except BaseException as error:
            message = sentence(error)
            print_error(error, run.folder / "worker.log")
            with suppress(runs.RunError):  # no space left: the person is told all the same
                run.event("failed", step=worker.step, message=message)
        finally:
            run.close()
            worker.writing = None
            ended = replace(worker.run_status, state=state, message=message or words)
            worker.run_status = None
            loaded.settings = replace(loaded.settings, adapter=run.name if loaded.has_tuned else "")
        worker.broadcast(TrainingEnded(run=ended))
        worker.broadcast(ModelLoaded(model=loaded.status()))
        job.tell(Failed(request=job.id, message=message) if message else Done(request=job.id))


def resolved(
    session: Session, data: "Dataset", folder: Path, job: Job
) -> "tuple[Session, Head, list[dict[str, str]]]":
    """The session with all that was automatic chosen, what the model must end in, and the choices
    with their reasons."""
    import msgspec

    from workbench.training.batches import Batches
    from workbench.training.facts import settled

    fits = Batches(data, folder, job.progress).fitting
    made = settled(session, data, folder, job.progress, fits)
    return made.session, made.head, [msgspec.to_builtins(one) for one in made.choices]


def to_resume(folder: Path) -> tuple[Session, Path]:
    """The session of a run, and the checkpoint that it goes on from."""
    from workbench import session as sessions

    if not (folder / "session.toml").exists():
        raise RefusedError(f"There is no run {folder.name} in {folder.parent}.")
    if runs.status(folder).state == "finished":
        raise RefusedError(
            f"{folder.name} is finished: there is nothing to resume; start a new run, with more "
            "training.num_train_epochs for a longer one."
        )
    found = runs.checkpoint_to_resume(folder)
    if found is None:
        raise RefusedError(f"{folder.name} has no whole checkpoint to resume from; start anew.")
    return sessions.load(folder / "session.toml"), found[1]


class Hooks:
    """What a run asks of the Worker that it runs in."""

    def __init__(self, worker: "Worker") -> None:
        self.worker = worker
        self.steering: Steering | None = None

    def between_steps(self, step: int) -> None:
        self.worker.serve_waiting(step)

    def stop_requested(self) -> bool:
        return self.worker.stop_run.is_set()

    def advanced(self, step: int, total_steps: int, what: str) -> None:
        status = self.worker.run_status
        assert status is not None
        self.worker.run_status = status = replace(status, step=step, total_steps=total_steps)
        self.worker.broadcast(TrainingAdvanced(run=status, what=what))


def print_error(error: BaseException, log: Path) -> None:
    """The traceback, into the run's own log and this process's."""
    import traceback

    text = "".join(traceback.format_exception(error))
    with suppress(OSError):
        note(text)
    with suppress(OSError), log.open("a", encoding="utf-8") as file:  # no space: see the other log
        file.write(text)
