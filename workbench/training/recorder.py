"""What happens between the steps of a fine-tune: it is written down, and others get their turn.

Decides when to evaluate, save and stop; knows nothing of losses or of the screen.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from workbench import runs
from workbench.session import TrainingSettings
from workbench.training.gpus import Gpus
from workbench.training.hooks import Hooks
from workbench.training.stopwatch import Stopwatch

Made = TypeVar("Made")


class Recorder(TrainerCallback):
    """Writes the run's metrics and events, serves prompts, and steers the Trainer.

    `about` goes into the event that opens the run; `first_step` is the step that it goes on from.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        run: runs.Run,
        hooks: Hooks,
        *,
        device: torch.device,
        about: dict[str, Any],
        first_step: int,
    ) -> None:
        self.settings, self.run, self.hooks, self.device = settings, run, hooks, device
        self.about, self.first_step = about, first_step
        self.evaluates: Callable[[], object] | None = None  # set where there are rows for it
        self.step, self.total_steps = first_step, 0
        self.gpus = Gpus()
        self.process = psutil.Process()
        before = last_line(run.folder, first_step)
        self.tokens = int(before.get("tokens") or 0)
        self.memory_peak = int(before.get("memory_peak") or 0)
        self.watch = Stopwatch(float(before.get("seconds") or 0.0))
        self.logged = (self.tokens, self.watch.seconds)  # at the last line
        self.stopped = False
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    # --- others' turn -----------------------------------------------------------------------

    def serve(self) -> None:
        """Let what waits be served, from the weights as they are."""
        with self.watch.paused():
            self.hooks.between_steps(self.step)

    def stop_requested(self) -> bool:
        if self.hooks.stop_requested():
            self.stopped = True
        return self.stopped

    def paused_while(self, work: Callable[[], Made], what: str) -> Made:
        """Do what is no training: say so, and do not count its time."""
        self.hooks.advanced(self.step, self.total_steps, what)
        with self.watch.paused():
            return work()

    # --- what the Trainer calls -------------------------------------------------------------

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.step, self.total_steps = state.global_step, state.max_steps
        kind = "resumed" if self.first_step else "started"
        self.run.event(kind, step=self.step, total_steps=self.total_steps, **self.about)
        self.hooks.advanced(self.step, self.total_steps, "training")
        if self.evaluates is not None and not self.first_step:
            self.evaluates()
        self.watch.start()

    @override
    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.serve()

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.step = state.global_step
        self.hooks.advanced(self.step, self.total_steps, "training")
        self.serve()
        last = self.step >= self.total_steps
        if last or self.due(self.settings.save_steps):
            control.should_save = True
        if self.evaluates is not None and (last or self.due(self.settings.eval_steps)):
            control.should_evaluate = True
        if not last and self.stop_requested():
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        if control.should_save:
            # The line of a checkpoint's step holds the counters that a resumed run goes on from.
            control.should_log = True

    def due(self, every: int) -> bool:
        return every > 0 and self.step % every == 0

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return  # the Trainer's own summary at the end
        seconds = self.watch.seconds
        tokens, since = self.tokens - self.logged[0], seconds - self.logged[1]
        self.logged = (self.tokens, seconds)
        gpus = self.gpus.read()
        self.run.metrics(
            step=state.global_step,
            epoch=state.epoch,
            loss=logs["loss"],
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            tokens_per_second=tokens / since if since > 0 else 0.0,
            tokens=self.tokens,
            memory=self.memory(),
            memory_peak=self.memory_peak,
            seconds=seconds,
            **({"gpus": gpus} if gpus else {}),
        )
        self.hooks.advanced(self.step, self.total_steps, "training")

    @override
    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if metrics:
            epoch = state.epoch or 0.0
            self.run.metrics(step=state.global_step, epoch=epoch, eval_loss=metrics["eval_loss"])
        self.hooks.advanced(self.step, self.total_steps, "training")

    @override
    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.run.event("checkpoint", step=state.global_step)
        # Only now that the new one counts may older ones go: a kill at any moment leaves one.
        drop_old_checkpoints(self.run.checkpoints, self.settings.save_total_limit)
        self.hooks.advanced(self.step, self.total_steps, "training")

    @override
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.watch.stop()

    def memory(self) -> int:
        """Bytes that the process holds, on the GPU where it trains there; keeps the peak."""
        if self.device.type == "cuda":
            now = torch.cuda.memory_allocated(self.device)
            self.memory_peak = max(self.memory_peak, torch.cuda.max_memory_allocated(self.device))
        else:
            now = int(self.process.memory_info().rss)
            self.memory_peak = max(self.memory_peak, now)
        return now


def last_line(folder: Path, step: int) -> dict[str, Any]:
    """The counters that the run's metrics held at a step; none at step 0."""
    lines = runs.Tail(folder / "metrics.jsonl").read() if step else []
    found = [line for line in lines if "tokens" in line and int(line.get("step") or 0) <= step]
    return found[-1] if found else {}


def drop_old_checkpoints(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints."""
    numbered = sorted(
        (int(path.name.rpartition("-")[2]), path)
        for path in folder.glob("checkpoint-*")
        if path.name.rpartition("-")[2].isdigit()
    )
    for _, path in numbered[:-keep]:
        shutil.rmtree(path, ignore_errors=True)
