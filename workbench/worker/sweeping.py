"""A sweep's runs, one after the other, on the Worker's thread: each a run as any other."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from workbench import journal, runs
from workbench.protocol import (
    AnyEvent,
    Done,
    Failed,
    ReadSweep,
    StartSweep,
    StartTraining,
    SweepAdvanced,
    TrainingAdvanced,
)
from workbench.relevance import ANSWERED
from workbench.worker.lane import Job, Lane, RefusedError

if TYPE_CHECKING:
    import optuna

    from workbench.sweeping.study import Sweep
    from workbench.worker.thread import Worker


class SweepBench:
    """Makes the runs of a sweep, and goes on with one that was cut short."""

    def __init__(self, worker: "Worker") -> None:
        self.worker = worker

    def sweep(self, request: StartSweep, job: Job) -> None:
        worker = self.worker
        if worker.run_status is not None:
            raise RefusedError(f"{worker.run_status.name} is under way already; stop it first.")
        sweep = opened(request)
        try:
            sweep.hold()
            if request.trials:
                sweep.make(request.trials)
            Sweeping(worker, sweep, request, job).run()
        finally:
            sweep.close()
        job.tell(Done(request=job.id, cancelled=job.stopped.is_set()))


def opened(request: StartSweep) -> "Sweep":
    """The sweep that is meant: a new one, or one of before.

    Raises:
        RunError, SessionError: where it cannot be.
    """
    from workbench.sweeping.study import Sweep, new_name

    workspace = Path(request.folder)
    if request.name and (workspace / "sweeps" / request.name).is_dir():
        return Sweep(workspace / "sweeps" / request.name)
    check_metric(request)
    stem = Path(request.session_path).stem
    return Sweep.create(workspace, request.name or new_name(workspace, stem), request.session)


def check_metric(request: StartSweep) -> None:
    """Raise RefusedError where no run could say what decides."""
    training, metric = request.session.training, request.session.sweep.metric
    if not training.evaluation_rows:
        raise RefusedError(
            "A sweep goes by evaluations and training.evaluation_rows is 0; set it to 200, say."
        )
    named = metric.removeprefix("eval_")
    if named != "loss" and not training.metric_rows and training.task in ANSWERED:
        raise RefusedError(
            f"The sweep goes by {named}, which is only measured where training.metric_rows is not "
            "0; set it to 100, say, or sweep.metric to eval_loss."
        )


class Sweeping:
    """One sweep under way. While a run of it trains, what the run tells everyone is listened to."""

    def __init__(self, worker: "Worker", sweep: "Sweep", request: StartSweep, job: Job) -> None:
        self.worker, self.sweep, self.request, self.job = worker, sweep, request, job
        self.broadcast = worker.broadcast
        self.trial: optuna.Trial | None = None
        self.tail: journal.Tail | None = None
        self.reported: set[int] = set()
        self.pruned_at = -1
        self.now = ""  # the run under way
        self.best: tuple[float, str] | None = None  # value and run

    def run(self) -> None:
        self.know_best()
        self.tell()
        while not self.job.stopped.is_set():
            trial = self.sweep.next()
            if trial is None:
                break
            self.attempt(trial)
            self.worker.serve_answers()
        self.tell(over=True)

    def know_best(self) -> None:
        for one in self.sweep.advanced().trials:
            if one.metric is not None and one.state not in ("running", "interrupted"):
                self.consider(one.metric, one.run)

    # --- one run -------------------------------------------------------------------------------

    def attempt(self, trial: "optuna.Trial") -> None:
        """Make the run of a trial, or go on with it; what came of it is noted."""
        from workbench.sweeping.ranges import trial_session
        from workbench.sweeping.study import RUN

        name = str(trial.user_attrs.get(RUN) or self.sweep.free_name(trial.number))
        trial.set_user_attr(RUN, name)
        folder = self.sweep.workspace / "runs" / name
        self.trial, self.pruned_at, self.now = trial, -1, name
        self.reported = self.sweep.reported(trial)
        self.tail = journal.Tail(folder / "metrics.jsonl")
        session = trial_session(self.sweep.session, trial.params)
        ended: list[AnyEvent] = []
        if folder.is_dir() and self.over(folder):
            self.listen()
            self.end(name, folder, None)
            return
        self.tell()
        resume = folder.is_dir() and runs.last_checkpoint(folder) is not None
        if folder.is_dir() and not resume:
            shutil.rmtree(folder)  # begun and cut short before its first checkpoint
        request = StartTraining(
            session=session,
            session_path=self.request.session_path,
            folder=self.request.folder,
            run=name,
            resume=resume,
        )
        inner = Job(request, ended.append, client=self.job.client, stopped=self.job.stopped)
        self.worker.broadcast = self.hear
        failure: str | None = None
        try:
            self.worker.runs.train(request, inner)
        except Exception as error:  # settings that do not go together, no such row …
            from workbench.worker.lane import expected_errors, sentence

            if not isinstance(error, expected_errors()):
                raise
            if self.is_of_the_machine(error):  # it waits until the sweep is gone on with
                self.now = ""
                self.tell(over=True)
                raise
            failure = sentence(error)
        finally:
            self.worker.broadcast = self.broadcast
        failed = next((one for one in ended if isinstance(one, Failed)), None)
        self.end(name, folder, failure or (failed.message if failed else None))

    def is_of_the_machine(self, error: Exception) -> bool:
        """Whether no other trial would fare better: rows or model cannot be had, though trials do
        not differ in them."""
        from workbench.catalogue import SourceError
        from workbench.inference.errors import ModelError

        varied = ("dataset.", "model.", "training.method")
        if any(one.setting.startswith(varied) for one in self.sweep.ranges):
            return False
        return isinstance(error, SourceError | ModelError | runs.RunError)

    def over(self, folder: Path) -> bool:
        """Whether the run of a trial came to its end before the sweep could note it."""
        return runs.status(folder).state in ("finished", "failed")

    def hear(self, event: AnyEvent) -> None:
        """What the run tells everyone, passed on."""
        self.broadcast(event)
        if not isinstance(event, TrainingAdvanced):
            return
        if self.job.stopped.is_set():
            self.worker.stop_run.set()
        if self.listen():
            self.tell()

    def listen(self) -> bool:
        """Take in the run's new evaluations; whether there were some. One that is behind the others
        is stopped."""
        from workbench.sweeping.study import evaluations

        assert self.trial is not None
        assert self.tail is not None
        found = evaluations(self.tail.read(), self.sweep.metric)
        for step, value in found:
            if step not in self.reported:
                self.reported.add(step)
                self.trial.report(value, step)
        if found and self.sweep.settings.prune and self.pruned_at < 0 and self.trial.should_prune():
            self.pruned_at = found[-1][0]
            self.worker.stop_run.set()
        return bool(found)

    def end(self, name: str, folder: Path, failure: str | None) -> None:
        """Note how a run ended, and keep the checkpoints of the best alone."""
        from workbench.sweeping.study import best, evaluations

        assert self.trial is not None
        self.now = ""
        cancelled = self.job.stopped.is_set()
        if not folder.is_dir() and not cancelled:
            self.sweep.tell(self.trial, None, "failed", failure or "It could not begin.")
            self.tell()
            return
        status = runs.status(folder) if folder.is_dir() else None
        if status is None or (cancelled and status.state not in ("finished", "failed")):
            self.tell()  # it is gone on with when the sweep is
            return
        lines = journal.read(folder / "metrics.jsonl")
        value, _ = best(evaluations(lines, self.sweep.metric), self.sweep.greater)
        state, note = status.state, failure or ""
        if self.pruned_at >= 0 and state == "stopped":
            note = f"behind the others at step {self.pruned_at}"
            self.say(folder, f"Stopped by the sweep {self.sweep.name}: {note}.")
            self.sweep.tell(self.trial, value, "pruned", note)
        elif state == "finished" and value is None:
            note = f"no evaluation gave {self.sweep.metric}"
            self.sweep.tell(self.trial, None, "failed", note)
        else:
            note = note or (status.message if state in ("failed", "stopped") else "")
            ended = "finished" if state == "finished" else "stopped"
            self.sweep.tell(self.trial, value, "failed" if state == "failed" else ended, note)
        if value is not None and state != "failed":
            self.consider(value, name)
        else:
            drop_checkpoints(folder)
        self.tell()

    def say(self, folder: Path, message: str) -> None:
        """The reason that a run was stopped for, among its events."""
        with suppress(runs.RunError, OSError):
            run = runs.Run(folder)
            try:
                run.event("stopped", step=runs.status(folder).step, message=message)
            finally:
                run.close()

    def consider(self, value: float, name: str) -> None:
        """Keep the checkpoints of a run that is the best so far, and let those of the other go."""
        if self.best and self.best[1] == name:
            return
        better = self.best is None or (
            value > self.best[0] if self.sweep.greater else value < self.best[0]
        )
        loser = name
        if better:
            loser, self.best = self.best[1] if self.best else "", (value, name)
        if loser:
            drop_checkpoints(self.sweep.workspace / "runs" / loser)

    def tell(self, over: bool = False) -> None:
        event = self.sweep.advanced(self.now, over)
        self.job.tell(replace(event, request=self.job.id))
        self.broadcast(event)


def drop_checkpoints(folder: Path) -> None:
    for path in (folder / "checkpoints").glob("checkpoint-*"):
        shutil.rmtree(path, ignore_errors=True)


class SweepDesk(Lane):
    """Says what a sweep has found, while a run is under way, too."""

    def __init__(self) -> None:
        super().__init__("sweeps")
        self.handlers = {ReadSweep: self.read}

    def read(self, request: ReadSweep, job: Job) -> None:
        from workbench.sweeping.study import Sweep

        runs.check_name(request.name)
        sweep = Sweep(Path(request.folder) / "sweeps" / request.name)
        running: dict[str, Any] = {
            run.name: run for run in (sweep.workspace / "runs").glob(f"{sweep.name}-*")
        }
        now = next((name for name, path in running.items() if runs.is_locked(path)), "")
        event: SweepAdvanced = sweep.advanced(now)
        job.tell(replace(event, request=job.id))
