"""A sweep's memory: which runs were made, with what, and how good they were. optuna's study in an
append-only file, so that a sweep that is killed goes on where it was.

    sweeps/NAME/session.toml   the session, frozen
               journal.log     what optuna knows
               lock            held by the process that makes the runs
"""

import logging
import math
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from workbench import journal, locks, runs
from workbench import session as sessions
from workbench.protocol import RunState, SweepAdvanced, Trial
from workbench.runs import RunError, full_name, greater_is_better
from workbench.session import Session
from workbench.sweeping.ranges import Range, combinations, ranges_of, wanted
from workbench.usual import ranges_tried

if TYPE_CHECKING:
    import optuna

STARTUP = 3  # runs that are never pruned, to know what is usual
FEWEST = 4  # runs from which on importance is told
RUN, NOTE, STATE = "run", "note", "state"  # what is noted of a trial beside optuna's own


class Sweep:
    """A sweep's folder. Read by anyone; `hold` it to go on with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "session.toml").exists():
            raise RunError(f"There is no sweep {folder.name} in {folder.parent}.")
        self.session = sessions.load(folder / "session.toml")
        self.settings = self.session.sweep
        self.ranges = ranges_of(self.session)
        self.metric = full_name(self.settings.metric)
        self.greater = greater_is_better(self.metric)
        self.lock = -1
        self.known: optuna.Study | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def workspace(self) -> Path:
        return self.folder.parents[1]

    @property
    def wanted(self) -> int:
        return wanted(self.settings, self.ranges)

    @classmethod
    def create(cls, workspace: Path, name: str, session: Session) -> "Sweep":
        """A new sweep; what it tries is written down, whatever is usual when it is gone on with.

        Raises:
            RangeError: where its ranges cannot be tried.
            RunError: where there is one of that name, or it cannot be written.
        """
        ranges_of(session)
        tried = ranges_tried(session.sweep, session.training)
        session = replace(session, sweep=replace(session.sweep, ranges=tried))
        runs.check_name(name)
        folder = workspace / "sweeps" / name
        try:
            folder.mkdir(parents=True)
            sessions.save(session, folder / "session.toml")
        except FileExistsError:
            raise RunError(f"There is already a sweep {name}; choose another name.") from None
        except (OSError, sessions.SessionError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RunError(f"{folder} cannot be made ({error}); make room.") from None
        return cls(folder)

    # --- whose it is -------------------------------------------------------------------------

    def hold(self) -> None:
        """Be the one who goes on with it; mends what a kill left behind.

        Raises:
            RunError: where another process does.
        """
        held = locks.hold(self.folder / "lock", 0o644)
        if held is None:
            raise RunError(f"The sweep {self.name} is under way in another process.")
        self.lock = held
        journal = self.folder / "journal.log"
        for left in self.folder.glob("journal.log.lock*"):  # nobody else writes now
            with suppress(OSError):
                left.unlink()
        drop_torn_line(journal)

    def make(self, trials: int) -> None:
        """Have so many runs in all; a grid has as many as it has combinations.

        Raises:
            SessionError: when it cannot be written.
        """
        if trials != self.settings.trials:
            self.session = replace(self.session, sweep=replace(self.settings, trials=trials))
            self.settings = self.session.sweep
            sessions.save(self.session, self.folder / "session.toml")

    def close(self) -> None:
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    @property
    def under_way(self) -> bool:
        return self.lock >= 0 or locks.is_held(self.folder / "lock")

    # --- what optuna knows -------------------------------------------------------------------

    @property
    def study(self) -> "optuna.Study":
        """Made at the first look; its libraries are read then."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        if self.known is None:
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            logging.getLogger("optuna").handlers.clear()
            storage = JournalStorage(JournalFileBackend(str(self.folder / "journal.log")))
            self.known = optuna.create_study(
                storage=storage,
                study_name=self.name,
                direction="maximize" if self.greater else "minimize",
                load_if_exists=True,
                pruner=self.pruner(),
                sampler=self.sampler(0),
            )
        return self.known

    def sampler(self, made: int) -> "optuna.samplers.BaseSampler":
        """Begun anew for each trial, from the seed and how many there were: a sweep that was cut
        short asks for the same as one that was not."""
        from optuna.samplers import RandomSampler, TPESampler

        seed = self.settings.seed + 1_000_003 * made
        if self.settings.method == "tpe":
            return TPESampler(seed=seed, n_startup_trials=min(5, max(2, self.wanted // 3)))
        return RandomSampler(seed=seed)

    def pruner(self) -> "optuna.pruners.BasePruner":
        from optuna.pruners import MedianPruner, NopPruner

        if not self.settings.prune:
            return NopPruner()
        return MedianPruner(n_startup_trials=STARTUP, n_min_trials=2)

    def distributions(self) -> "dict[str, Any]":
        return {one.setting: distribution(one) for one in self.ranges}

    def waiting(self) -> "list[optuna.trial.FrozenTrial]":
        """Trials that were begun and cut short, the first first."""
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def made(self) -> "list[optuna.trial.FrozenTrial]":
        """Trials that were begun."""
        from optuna.trial import TrialState

        there = self.study.get_trials(deepcopy=False)
        return [one for one in there if one.state != TrialState.WAITING]

    def next(self) -> "optuna.Trial | None":
        """The next trial: one that was cut short, else a new one; None where all are made."""
        import optuna

        study = self.study
        if cut := self.waiting():
            study.sampler = self.sampler(cut[0].number)
            trial = optuna.Trial(study, cut[0]._trial_id)
            for setting, values in self.distributions().items():
                trial._suggest(setting, values)  # as `ask` does: a kill may have come before it
            return trial
        made = len(self.made())
        if made >= self.wanted:
            return None
        study.sampler = self.sampler(made)
        queued = len(study.get_trials(deepcopy=False)) > made  # and a kill came before `ask`
        if self.settings.method == "grid" and not queued:
            study.enqueue_trial(combinations(self.ranges)[made])
        trial = study.ask(self.distributions())
        trial.set_user_attr(RUN, self.free_name(trial.number))
        return trial

    def free_name(self, number: int) -> str:
        """A name for the run of that trial, from 0, which no run of the workspace has."""
        name, more = f"{self.name}-{number + 1}", 1
        while (self.workspace / "runs" / name).exists():
            more += 1
            name = f"{self.name}-{number + 1}-{more}"
        return name

    def reported(self, trial: "optuna.Trial") -> set[int]:
        """The steps whose evaluation optuna knows of a trial."""
        there = self.study.get_trials(deepcopy=False)
        return set(there[trial.number].intermediate_values)

    def tell(self, trial: "optuna.Trial", value: float | None, state: str, note: str = "") -> None:
        """The end of a trial: finished, pruned, stopped or failed."""
        from optuna.trial import TrialState

        trial.set_user_attr(STATE, state)
        if note:
            trial.set_user_attr(NOTE, note)
        if value is None or not math.isfinite(value):
            self.study.tell(trial, state=TrialState.FAIL)
        elif state == "finished":
            self.study.tell(trial, value)
        else:  # optuna takes the last value that was reported
            self.study.tell(trial, state=TrialState.PRUNED)

    # --- what it says ------------------------------------------------------------------------

    def advanced(self, running: str = "", over: bool = False) -> SweepAdvanced:
        """What it has found so far; `running` is the run under way, `over`: no other follows."""
        trials = [self.trial(one, running) for one in self.made()]
        ended = [one for one in trials if one.state not in ("running", "interrupted")]
        going = self.under_way and not over
        state: RunState = "finished" if len(ended) >= self.wanted else "stopped"
        return SweepAdvanced(
            name=self.name,
            metric=self.metric,
            greater_is_better=self.greater,
            trials=trials,
            wanted=self.wanted,
            importance=self.importance(),
            state="running" if running or (going and state != "finished") else state,
        )

    def trial(self, one: "optuna.trial.FrozenTrial", running: str) -> Trial:
        run = str(one.user_attrs.get(RUN, ""))
        folder = self.workspace / "runs" / run
        lines = journal.read(folder / "metrics.jsonl") if run else []
        value, step = best(evaluations(lines, self.metric), self.greater)
        status = runs.status(folder) if folder.is_dir() else None
        noted = one.user_attrs.get(STATE)
        ends = {"finished", "pruned", "failed", "stopped"}
        state: Any = noted if noted in ends else "running" if run == running else "interrupted"
        if state == "failed":  # its checkpoints are gone, however good a figure was on the way
            value, step = None, -1
        return Trial(
            number=one.number,
            run=run,
            state=state,
            values=dict(one.params),
            metric=value,
            best_step=step,
            step=status.step if status else 0,
            total_steps=status.total_steps if status else 0,
            seconds=max((float(line.get("seconds") or 0) for line in lines), default=0.0),
            note=str(one.user_attrs.get(NOTE, "")),
        )

    def importance(self) -> dict[str, float]:
        """Which share of the metric's variation each setting explains; empty where that cannot be
        told yet."""
        from optuna.importance import get_param_importances
        from optuna.trial import TrialState

        whole = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(whole) < FEWEST or len(self.ranges) < 2:
            return {}
        if len({one.value for one in whole}) < 2:
            return {}
        try:
            found = get_param_importances(self.study)
        except (ValueError, RuntimeError, ZeroDivisionError):
            return {}
        return {name: float(share) for name, share in found.items()}


def distribution(one: Range) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if one.values:
        return CategoricalDistribution(one.values)
    if one.whole:
        return IntDistribution(int(one.low), int(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def evaluations(lines: list[dict[str, Any]], metric: str) -> list[tuple[int, float]]:
    """(step, value) of each evaluation after the first step, which learns nothing yet."""
    return [
        (int(line["step"]), float(line[metric]))
        for line in lines
        if isinstance(line.get(metric), int | float) and int(line.get("step") or 0) > 0
    ]


def best(found: list[tuple[int, float]], greater: bool) -> tuple[float | None, int]:
    """The best value and its step; None and -1 where there is none."""
    there = [one for one in found if math.isfinite(one[1])]
    if not there:
        return None, -1
    step, value = (max if greater else min)(there, key=lambda one: one[1])
    return value, step


def drop_torn_line(path: Path) -> None:
    """Take away a last line that a killed writer left without its end."""
    with suppress(FileNotFoundError), path.open("rb+") as file:
        text = file.read()
        if text and not text.endswith(b"\n"):
            file.truncate(text.rfind(b"\n") + 1)


def find(workspace: Path) -> list[str]:
    """The names of the workspace's sweeps, the one begun last at the end."""
    with suppress(OSError):
        there = [one for one in (workspace / "sweeps").iterdir() if one.is_dir()]
        return [one.name for one in sorted(there, key=lambda one: one.stat().st_mtime)]
    return []


def new_name(workspace: Path, stem: str) -> str:
    """A name that no sweep has yet."""
    there, number = set(find(workspace)), 1
    while f"{stem}-sweep-{number}" in there:
        number += 1
    return f"{stem}-sweep-{number}"
