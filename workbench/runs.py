"""A run's folder: what is written, how it is read back.

    runs/NAME/session.toml      the session, frozen
              environment.json  versions, device, git revision, data fingerprint
              metrics.jsonl     a line a logged step or evaluation (keys: `METRICS`)
              samples.jsonl     answers given while it trained; `pinned`: those of each evaluation,
                                `drawn`: those that grpo learns from, each with its reward
              events.jsonl      what happened (kinds: `EVENTS`)
              worker.log        what libraries printed
              checkpoints/      checkpoint-STEP/
              lock              held by the process that trains

Whoever holds the lock writes; anyone may read at any time, a torn last line included. A run whose
last word is "running" and whose lock nobody holds was interrupted. Knows nothing of torch.
"""

import errno
import json
import math
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from workbench import journal, locks
from workbench import session as sessions
from workbench.protocol import RunState, RunStatus
from workbench.session import Session

METRICS = {
    "step": "optimiser steps done",
    "time": "seconds since 1970",
    "epoch": "passes over the rows",
    "loss": "mean loss of training since the last line; of a language model in nats a token "
    "trained on",
    "eval_loss": "mean loss over the evaluation rows; of grpo minus their mean reward",
    "eval_METRIC": "of the task, by its name: eval_accuracy, eval_chrf …",
    "evaluation_seconds": "that the evaluation took, answers to pinned prompts included",
    "learning_rate": "of the step",
    "grad_norm": "before clipping",
    "tokens_per_second": "tokens of text (no padding) trained on, a second of training",
    "tokens": "tokens of text seen so far",
    "memory": "bytes: resident memory of the process, or allocated on the GPU",
    "memory_peak": "bytes: the most so far",
    "seconds": "seconds trained so far, over all resumptions",
    "seconds_left": "until the end at the speed so far, evaluations and checkpoints included",
    "gpus": "list of {name, load (0…1), memory, memory_total (bytes), temperature (°C)}",
}
# Of the task, while it trains; those of evaluations have eval_ before the same names.
TASK_METRICS = {
    "reward_accuracy": "share of comparisons that the better answer wins; a draw is half of one",
    "reward_margin": "what the better answer has more, in the mean",
    "reward_chosen": "mean reward of better answers: beta times how much likelier they have become "
    "(dpo, kto), beta times their mean log-probability (orpo), the model's score (reward)",
    "reward_rejected": "of worse answers",
    "reward": "of grpo: the mean over the answers drawn, of your function, a reward model or both",
    "reward_std": "of grpo: their standard deviation",
    "kl": "how far the model is from what it was, in nats a token",
    "completion_length": "tokens of an answer drawn, in the mean",
    "completion_cut": "share of the answers drawn that were cut off",
}
EVENTS = {
    "started": "with total_steps, what is trained, on what, and what was chosen and why",
    "resumed": "from the checkpoint of step; the same",
    "checkpoint": "written to its end, with tokens and seconds so far; asked: by the person",
    "evaluated": "because the person asked for it",
    "best": "the best evaluation so far, and a checkpoint of it: metric, value, before (step 0)",
    "early_stopping": "the metric was no better for so many evaluations",
    "learning_rate": "set by the person to value, from the step after on",
    "threads": "value of them from here on: fewer as another program computes, too, or all again",
    "paused": "by the person",
    "unpaused": "by the person",
    "out_of_memory": "goes on with smaller batches: per_device_train_batch_size …",
    "broken_numbers": "a loss, gradient or weight is no number",
    "nothing_to_learn": "of grpo: all answers drawn got the same reward",
    "problem": "an evaluation could not be made whole; the run went on",
    "restored": "the weights in memory are those of the checkpoint of step",
    "stopped": "by the person or a sweep, after a step with a checkpoint",
    "finished": "the last step, or stopped early",
    "failed": "with a message",
}
ENDED: dict[str, RunState] = {"finished": "finished", "stopped": "stopped", "failed": "failed"}


class RunError(Exception):
    """A run that cannot be made, found or written; the text is one sentence for the person."""


class Run:
    """A run's folder, open for writing by this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, IO[bytes]] = {}
        held = locks.hold(folder / "lock", 0o644)
        if held is None:
            raise RunError(
                f"{folder.name} is being trained by another process; attach to it instead."
            )
        self.lock = held

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @classmethod
    def create(
        cls, workspace: Path, name: str, session: Session, environment: dict[str, Any]
    ) -> "Run":
        """Make a new run's folder and lock it.

        Raises:
            RunError: when there is a run of that name, or it cannot be written.
        """
        check_name(name)
        folder = workspace / "runs" / name
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except OSError as error:
            if os.path.lexists(folder):
                raise RunError(f"There is already a run {name}; choose another name.") from None
            raise RunError(f"{folder} cannot be made: {remedy(error)}.") from None
        run = None
        try:
            (folder / "checkpoints").mkdir()
            run = cls(folder)
            sessions.save(session, folder / "session.toml")
            text = json.dumps(environment, indent=2, default=str)
            sessions.replace_file(folder / "environment.json", text + "\n")
        except (sessions.SessionError, OSError) as error:
            if run is not None:
                run.close()
            shutil.rmtree(folder, ignore_errors=True)  # made just now, and half
            raise RunError(f"{folder} cannot be made: {remedy(error)}.") from None
        return run

    def append(self, file: str, line: dict[str, Any]) -> None:
        """Append a JSON line to one of the run's files: whole, and at once.

        Raises:
            RunError: when it cannot be written (such as no space left).
        """
        try:
            if file not in self.files:
                path = self.folder / f"{file}.jsonl"
                journal.mend_torn_line(path)
                self.files[file] = path.open("ab", buffering=0)
            journal.write_whole(self.files[file], json.dumps(line, default=str).encode() + b"\n")
        except OSError as error:
            raise RunError(
                f"{self.folder / file}.jsonl cannot be written: {error.strerror}. "
                "Make room, then resume the run."
            ) from None

    def metrics(self, **values: Any) -> None:
        self.append("metrics", {"time": time.time(), **values})

    def event(self, kind: str, **values: Any) -> None:
        self.append("events", {"time": time.time(), "event": kind, "pid": os.getpid(), **values})

    def sample(self, **values: Any) -> None:
        self.append("samples", {"time": time.time(), **values})

    def rewind(self, step: int) -> None:
        """Take back what was written of steps after a checkpoint's: they come again.

        Figures and pinned answers go; events and answers to the person are history and stay.

        Raises:
            RunError: when it cannot be written.
        """
        for name in ("metrics", "samples"):
            path = self.folder / f"{name}.jsonl"
            try:
                text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
                lines = text.splitlines(keepends=True)
                kept = [line for line in lines if not is_after(line, step, name == "samples")]
                if len(kept) < len(lines):
                    if name in self.files:
                        self.files.pop(name).close()
                    sessions.replace_file(path, "".join(kept))
            except OSError as error:
                raise RunError(f"{path} cannot be written: {error.strerror}; make room.") from None

    def close(self) -> None:
        for file in self.files.values():
            with suppress(OSError):
                file.close()
        self.files.clear()
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def remedy(error: Exception) -> str:
    """Why a folder cannot be written, and what to do."""
    if not isinstance(error, OSError):
        return str(error).rstrip(".")
    why = error.strerror or str(error)
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{why}; make it writable, or copy the session to a place that is"
        case errno.ENOSPC | errno.EDQUOT:
            return f"{why}; make room"
        case errno.EEXIST | errno.ENOTDIR:
            return f"{why}; what is named runs there is no folder: rename it"
    return why


def check_name(name: str) -> None:
    """Check that a name is one of a folder right under runs/.

    Raises:
        RunError: when it is not.
    """
    if not name.isprintable() or "/" in name or name.startswith(".") or len(name.encode()) > 200:
        raise RunError(
            f"{name[:60]!r} cannot be the name of a run: it names a folder under runs/; "
            "use letters, digits, - and _."
        )


def is_after(line: str, step: int, only_pinned: bool) -> bool:
    """Whether a line is of a step after that one."""
    try:
        value = json.loads(line)
        return int(value["step"]) > step and bool(
            value.get("pinned") or value.get("drawn") or not only_pinned
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def is_locked(folder: Path) -> bool:
    """Whether a process is training this run now."""
    return locks.is_held(folder / "lock")


def status(folder: Path) -> RunStatus:
    """What became of a run, from its files."""
    state: RunState = "running"
    message, total, step = "", 0, 0
    for event in journal.read(folder / "events.jsonl"):
        kind = str(event.get("event"))
        total = int(event.get("total_steps") or total)
        step = int(event.get("step") or step)
        if kind in ("started", "resumed"):
            state, message = "running", ""
        elif kind in ENDED:
            state, message = ENDED[kind], str(event.get("message", ""))
    for line in journal.read(folder / "metrics.jsonl", only=journal.LAST)[-1:]:
        step = max(step, int(line.get("step") or 0))
    if state == "running" and not is_locked(folder):
        state = "interrupted"
        there = last_checkpoint(folder) is not None
        what = "resume it" if there else "it has no checkpoint yet: start a new one"
        message = f"Its process ended without a word; {what}."
    return RunStatus(
        name=folder.name,
        folder=str(folder),
        state=state,
        step=step,
        total_steps=total,
        message=message,
    )


def find(workspace: Path) -> list[Path]:
    """The folders of the workspace's runs, the one begun last at the end."""
    with suppress(OSError):
        found = [
            (entry.stat().st_mtime, Path(entry.path).parent)
            for folder in os.scandir(workspace / "runs")
            if folder.is_dir()
            for entry in os.scandir(folder.path)
            if entry.name == "session.toml"
        ]
        return [folder for _, folder in sorted(found)]
    return []


def new_name(workspace: Path, stem: str) -> str:
    """A name that no run has yet: the stem and a number."""
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
    numbers = [0]
    with suppress(OSError):
        for entry in os.scandir(workspace / "runs"):
            if match := re.fullmatch(re.escape(stem) + r"-(\d+)", entry.name):
                numbers.append(int(match[1]))
    return f"{stem}-{max(numbers) + 1}"


def finished_checkpoints(folder: Path) -> Iterator[tuple[int, Path]]:
    """(step, folder) of each checkpoint that was written to its end and is still there, in order.

    An event is appended once a checkpoint is whole, so one cut short by a kill has none.
    """
    steps = {
        int(event["step"])
        for event in standing(journal.read(folder / "events.jsonl"))
        if event.get("event") == "checkpoint" and "step" in event
    }
    for step in sorted(steps):
        path = folder / "checkpoints" / f"checkpoint-{step}"
        if (path / "trainer_state.json").exists():
            yield step, path


def standing(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without those of steps that a run went back beyond: it came to them anew."""
    kept: list[dict[str, Any]] = []
    for event in events:
        if event.get("event") == "resumed":
            step = int(event.get("step") or 0)
            kept = [one for one in kept if int(one.get("step") or 0) <= step]
        kept.append(event)
    return kept


def checkpoint_to_resume(folder: Path) -> tuple[int, Path] | None:
    """The checkpoint that a run goes on from: the newest whole one.

    Where numbers broke after it and its own evaluation gave none either, or they broke again, its
    weights are too far gone for any learning rate: then an earlier one, the best if it is earlier.
    """
    found = last_checkpoint(folder)
    kinds = ("started", "resumed", "broken_numbers")
    turns = [e for e in journal.read(folder / "events.jsonl") if e.get("event") in kinds][-2:]
    if found is None or [one["event"] for one in turns[-1:]] != ["broken_numbers"]:
        return found
    blank = broken_evaluations(folder)
    again = turns[0]["event"] == "resumed" and turns[0].get("step") == found[0]
    last = found[0] - 1 if again else found[0]
    sound = [one for one in finished_checkpoints(folder) if one[0] <= last and one[0] not in blank]
    if found in sound or not sound:
        return found
    best = best_checkpoint(folder)
    return best if best in sound else sound[-1]


def broken_evaluations(folder: Path) -> set[int]:
    """The steps whose evaluation gave a loss that is no number."""
    return {
        int(line["step"])
        for line in journal.read(folder / "metrics.jsonl", only=b'"eval_loss"')
        if "step" in line and not math.isfinite(float(line.get("eval_loss") or 0.0))
    }


def last_checkpoint(folder: Path) -> tuple[int, Path] | None:
    """The newest whole checkpoint: its step and its folder."""
    return next(iter(reversed(list(finished_checkpoints(folder)))), None)


def best_checkpoint(folder: Path) -> tuple[int, Path] | None:
    """The checkpoint of the best evaluation: its step and its folder; the newest where there was
    no evaluation."""
    there = dict(finished_checkpoints(folder))
    for event in reversed(standing(journal.read(folder / "events.jsonl"))):
        if event.get("event") == "best" and event.get("step") in there:
            return int(event["step"]), there[event["step"]]
    return last_checkpoint(folder)


# Of the metrics of evaluations those that are better where they are lower.
LOWER = ("loss", "perplexity", "ter", "calibration", "mae", "mse", "rmse", "brier", "error")


def full_name(metric: str) -> str:
    """eval_loss for loss, eval_accuracy for accuracy."""
    return metric if metric.startswith("eval_") else f"eval_{metric}"


def greater_is_better(metric: str) -> bool:
    """Whether more of a metric (eval_loss, eval_accuracy …) is better."""
    return metric.removeprefix("eval_").rpartition("_")[2] not in LOWER
