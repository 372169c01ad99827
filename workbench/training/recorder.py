"""What happens between the steps of a fine-tune: it is written down, and others get their turn.

Decides when to evaluate, save, hold and stop; knows nothing of losses or of the screen.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from workbench import journal, runs
from workbench.processor import cores
from workbench.session import TrainingSettings
from workbench.training.best import Best
from workbench.training.checkpoints import counters_at, drop_later, drop_old
from workbench.training.computing import leaving_one
from workbench.training.crowding import Crowding, Vacancy, idle_seconds
from workbench.training.errors import StopRequested
from workbench.training.forecast import Forecast
from workbench.training.gpus import Gpus
from workbench.training.hooks import Hooks
from workbench.training.randomness import RandomState
from workbench.training.steering import Steering
from workbench.training.stopwatch import Stopwatch

Made = TypeVar("Made")
HELD = 0.05  # seconds between two looks at what is asked while a run is paused
TOOK = "evaluation_seconds"  # in the line of an evaluation
SAID = 1.0  # seconds between two words that it is: for those who come to look


def nothing() -> None:
    return None


class Recorder(TrainerCallback):
    """Writes the run's metrics and events, serves prompts, and steers the Trainer.

    `about` goes into the event that opens the run; `first_step` is the step that it goes on from.
    What the Trainer does for it: `checks` the evaluation before the first step, `evaluates` (None
    where there is nothing to evaluate), `saves` a checkpoint.
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
        self.checks: Callable[[], object] = nothing
        self.saves: Callable[[], object] = nothing
        self.evaluates: Callable[[], object] | None = None
        self.steering = Steering(settings, run)
        self.gpus = Gpus()
        self.process = psutil.Process()
        self.total_steps = 0
        self.begun = False  # the event that opens the run is written
        self.asked = False  # the evaluation under way is one that the person asked for
        self.stopped = False
        self.message = ""  # why it ends before its last step
        self.go_on_from(first_step)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def go_on_from(self, step: int) -> None:
        """Be as after this step, of which there is a checkpoint; after 0: as at the beginning."""
        self.run.rewind(step)
        drop_later(self.run.checkpoints, step)
        lines = journal.read(self.run.folder / "metrics.jsonl")
        events = journal.read(self.run.folder / "events.jsonl")
        before = counters_at(step, lines, events)
        self.step = step
        self.tokens = int(before.get("tokens") or 0)
        self.memory_peak = int(before.get("memory_peak") or 0)
        self.watch = Stopwatch(float(before.get("seconds") or 0.0))
        self.crowding, self.vacancy = Crowding(), Vacancy()
        self.forecast = Forecast(self.settings, step, self.watch.seconds)
        for line in lines:
            if TOOK in line:
                self.forecast.note("evaluating", float(line[TOOK]))
        self.logged = (self.tokens, self.watch.seconds)  # at the last line
        self.best = Best(self.settings)
        self.best.take_all(lines)
        self.evaluated = {int(line["step"]) for line in lines if has_figures(line)}
        self.steering.read_back(events, step)
        self.saved = {one for one, _ in runs.finished_checkpoints(self.run.folder)}
        self.intact = True  # all weights are those after the same step
        self.noted = (self.tokens, RandomState.now(self.device))

    # --- others' turn -----------------------------------------------------------------------

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is no training: its time does not count, and the screen has a processor."""
        with self.watch.paused(), leaving_one():
            yield

    def serve(self) -> None:
        """Let what waits be served, from the weights as they are."""
        with self.aside():
            self.hooks.between_steps(self.step)

    def stop_requested(self) -> bool:
        if self.hooks.stop_requested():
            self.stopped = True
        return self.stopped

    def paused_while(self, work: Callable[[], Made], what: str, *, whole: bool = True) -> Made:
        """Do what is no training: say so, and do not count its time. `whole`: the next one will
        take as long."""
        self.hooks.advanced(self.step, self.total_steps, what)
        begun = time.perf_counter()
        with self.aside():
            made = work()
        if whole:
            self.forecast.note(what, time.perf_counter() - begun)
        return made

    def hold(self, control: TrainerControl, logs: Callable[[], object]) -> None:
        """While the person has it paused: serve, do what is asked, and train nothing. `logs` the
        steps since the last line."""
        if not self.steering.paused or self.step >= self.total_steps:
            return
        said = -math.inf
        with self.aside():
            while self.steering.paused and not control.should_training_stop:
                if time.monotonic() - said > SAID:
                    said = time.monotonic()
                    self.hooks.advanced(self.step, self.total_steps, "paused")
                self.hooks.between_steps(self.step)
                if self.stop_requested():
                    control.should_save = control.should_training_stop = True
                    control.should_log = True
                    return
                if self.do_now(control, logs):
                    said = -math.inf
                else:
                    time.sleep(HELD)
        self.hooks.advanced(self.step, self.total_steps, "training")

    def do_now(self, control: TrainerControl, logs: Callable[[], object]) -> bool:
        """What was asked for while it is paused; whether there was something."""
        wants_evaluation, wants_checkpoint = self.steering.evaluate, self.steering.checkpoint
        if wants_evaluation and self.evaluates is not None:
            self.steering.evaluate, self.asked = False, True
            self.evaluates()
        if wants_checkpoint or control.should_save:
            control.should_save = False
            logs()
            self.saves()
        return wants_evaluation or wants_checkpoint

    def back_to_step(self) -> None:
        """Be as after the last step, before the one that failed: counters and random numbers."""
        self.tokens = self.noted[0]
        self.noted[1].restore(self.device)

    # --- what the Trainer calls -------------------------------------------------------------

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.step = self.steering.step = state.global_step
        self.total_steps = state.max_steps
        if not self.begun:
            kind = "resumed" if self.first_step else "started"
            self.run.event(kind, step=self.step, total_steps=self.total_steps, **self.about)
        self.hooks.advanced(self.step, self.total_steps, "training")
        if not self.begun:
            self.begun = True
            self.checks()
        self.look_first()
        self.use_threads()
        self.intact = True
        self.noted = (self.tokens, RandomState.now(self.device))
        self.watch.start()

    def look_first(self) -> None:
        """The evaluation of the step that it goes on from, where there is none yet."""
        due = not self.step or self.best.is_regular(self.step)
        if self.evaluates is not None and due and self.step not in self.evaluated:
            self.evaluates()
        if self.step and self.best.step == self.step:
            self.note_best()
        if self.step in self.evaluated and self.best.hopeless:  # a kill came before its end
            self.message = self.best.in_words()

    @override
    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.serve()

    @override
    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **named: Any
    ) -> None:
        self.steering.apply(named["lr_scheduler"])
        self.intact = False

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.step = self.steering.step = state.global_step
        self.intact = True
        self.hooks.advanced(self.step, self.total_steps, "training")
        self.serve()
        self.share_processors()
        self.decide(control)
        self.noted = (self.tokens, RandomState.now(self.device))

    def share_processors(self) -> None:
        """Compute with fewer threads where others compute, too, and with all when they are gone."""
        steering, watch = self.steering, self.watch
        threads, fewer = torch.get_num_threads(), max(1, cores() - 1)
        wanted = self.settings.threads
        if not steering.computes_as_before and steering.threads == threads:
            if threads > fewer:
                if self.crowding.crowded(threads, watch.seconds, watch.computed):
                    steering.compute_with(fewer)
            elif threads < wanted <= cores() and self.vacancy.vacant(
                wanted - threads, time.perf_counter(), idle_seconds()
            ):
                self.crowding = Crowding()
                steering.compute_with(wanted)
        self.use_threads()

    def use_threads(self) -> None:
        """As many as are due after this step, also where it is gone on from a checkpoint."""
        if self.steering.threads not in (0, torch.get_num_threads()):
            torch.set_num_threads(self.steering.threads)

    def decide(self, control: TrainerControl) -> None:
        """What comes after this step."""
        last, steering, settings = self.step >= self.total_steps, self.steering, self.settings
        self.asked = steering.evaluate or self.step in steering.again
        if last or self.due(settings.save_steps) or steering.checkpoint:
            control.should_save = True
        due = last or self.due(settings.eval_steps) or self.asked
        if due and self.evaluates is not None:
            control.should_evaluate = True
            steering.evaluate = False
        if not last and self.stop_requested():
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        if control.should_save or control.should_evaluate:
            # The loss of a line is the mean since the line before, and a resumed run begins one;
            # an evaluation that is the best has a checkpoint, too.
            control.should_log = True

    @property
    def is_over(self) -> bool:
        """Whether no step comes any more: the last is done, or it was to stop early."""
        return bool(self.message) or self.step >= self.total_steps

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
        left = self.forecast.left(self.step, self.total_steps, seconds)
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
            **({"seconds_left": left} if left >= 0 else {}),
            **{name: logs[name] for name in runs.TASK_METRICS if name in logs},
            **({"gpus": gpus} if gpus else {}),
        )
        self.hooks.advanced(self.step, self.total_steps, "training")

    @override
    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Between the batches of the Trainer's own evaluation."""
        self.serve()
        if self.stop_requested():
            raise StopRequested

    @override
    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        asked, self.asked = self.asked, False
        if metrics:
            took = {TOOK: self.forecast.last("evaluating")}
            self.run.metrics(step=self.step, epoch=state.epoch or 0.0, **metrics, **took)
            again = self.step in self.evaluated  # of the same weights
            self.evaluated.add(self.step)
            if asked:
                self.run.event("evaluated", step=self.step, asked=True)
            self.judge(metrics, control, self.best.is_regular(self.step) and not again)
        self.hooks.advanced(self.step, self.total_steps, "training")

    def judge(self, metrics: dict[str, float], control: TrainerControl, regular: bool) -> None:
        """Keep a checkpoint of the best; stop where it gets no better."""
        self.best.check(metrics)
        if self.best.take(self.step, metrics, regular):
            control.should_save = True
        if 0 < self.step < self.total_steps and self.best.hopeless:
            self.message = self.best.in_words()
            self.run.event("early_stopping", step=self.step, message=self.message)
            control.should_save = control.should_training_stop = True

    @override
    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.step not in self.saved:
            asked = {"asked": True} if self.steering.checkpoint else {}
            # The counters that a resumed run goes on from; the Trainer may log more seldom.
            self.run.event(
                "checkpoint",
                step=self.step,
                tokens=self.tokens,
                seconds=self.watch.seconds,
                memory_peak=self.memory_peak,
                **asked,
            )
            self.saved.add(self.step)
        self.steering.checkpoint = False
        if self.best.step == self.step:
            self.note_best()
        # Only now that the new one counts may older ones go: a kill at any moment leaves one.
        drop_old(self.run.checkpoints, self.settings.save_total_limit, self.best.step)
        self.hooks.advanced(self.step, self.total_steps, "training")

    def note_best(self) -> None:
        """Say that the checkpoint of this step is the best, once."""
        events = runs.standing(journal.read(self.run.folder / "events.jsonl"))
        if any(one.get("event") == "best" and one.get("step") == self.step for one in events):
            return
        best = self.best
        before = {} if math.isnan(best.before) else {"before": best.before}
        self.run.event("best", step=self.step, metric=best.metric, value=best.value, **before)

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


def has_figures(line: dict[str, Any]) -> bool:
    """Whether a line of metrics is of an evaluation."""
    return any(key.startswith("eval_") for key in line)
