"""A run from its first step to its last, whatever the task: rows, method, steps, checkpoints.

Knows nothing of requests, events or the screen: see `hooks.Hooks`.
"""

import gc
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace
from transformers import set_seed

from workbench import journal, runs
from workbench import session as sessions
from workbench.data.sources import Dataset
from workbench.inference.errors import ModelError
from workbench.inference.model import LoadedModel
from workbench.inference.tokenizer import quiet
from workbench.protocol import RunState
from workbench.runs import Run, RunError
from workbench.session import Session, SessionError, TrainingSettings
from workbench.training import out_of_memory
from workbench.training.arguments import arguments
from workbench.training.arranged import arranged
from workbench.training.checkpoints import has_broken_weights, step_of
from workbench.training.computing import computing, leaving_one
from workbench.training.errors import BrokenNumbersError, StopRequested, TrainingError
from workbench.training.hooks import Hooks
from workbench.training.methods import Laid, lay, reserve
from workbench.training.recipe import Recipe, Work
from workbench.training.recorder import Recorder
from workbench.training.tasks import recipe_of
from workbench.training.trainer import Watched

__all__ = ["Hooks", "TrainingError", "train"]


def train(  # noqa: PLR0917
    session: Session,
    loaded: LoadedModel,
    data: Dataset,
    run: Run,
    hooks: Hooks,
    resume_from: Path | None,
) -> RunState:
    """Fine-tune the model in memory; "finished", or "stopped" when the hooks asked for it.

    `session` is resolved: nothing in its training is automatic (`choices.resolve`). Writes the
    run's metrics, and its events but "failed", which is the caller's to write. The tuned weights
    stay in memory: those of the best checkpoint. `resume_from` is a checkpoint of this run: losses
    go on as if there had been no interruption, to the last bit. Where memory runs out, the run goes
    on with smaller batches, and so does its session.

    Raises:
        TrainingError: with one sentence; checkpoints written before are whole.
    """
    quiet()
    return Loop(session, loaded, data, run, hooks, resume_from).go()


class Loop:
    """One run under way in this process.

    `go_on` is the checkpoint to go on from; `recorder` is there once there are steps.
    """

    def __init__(  # noqa: PLR0917
        self,
        session: Session,
        loaded: LoadedModel,
        data: Dataset,
        run: Run,
        hooks: Hooks,
        resume_from: Path | None,
    ) -> None:
        self.session, self.loaded, self.run, self.hooks = session, loaded, run, hooks
        self.workspace = run.folder.parents[1]
        self.go_on = resume_from
        self.first_step = step_of(resume_from) if resume_from else 0
        self.recorder: Recorder | None = None
        work = Work(session, loaded, data, self.workspace, self.pause, hooks.stop_requested)
        reserve(loaded, session.training, session)
        self.recipe: Recipe = recipe_of(session.training.task)(work)

    @property
    def settings(self) -> TrainingSettings:
        return self.session.training

    @property
    def step(self) -> int:
        return self.recorder.step if self.recorder else self.first_step

    def pause(self, what: str, _done: int, _total: int) -> None:
        """In the middle of long work: others get their turn."""
        total = self.recorder.total_steps if self.recorder else 0
        self.hooks.advanced(self.step, total, what)
        if self.recorder:
            self.recorder.serve()
        else:
            with leaving_one():
                self.hooks.between_steps(self.step)
        if self.hooks.stop_requested():
            raise StopRequested

    def go(self) -> RunState:
        with computing(self.loaded, self.settings):
            return self.train()

    def train(self) -> RunState:
        try:
            self.recipe.prepare()
        except StopRequested:
            words = "Stopped before the first step."
            self.run.event("stopped", step=self.first_step, message=words)
            return "stopped"
        self.recorder = self.begin()
        use_cache = getattr(self.loaded.model.config, "use_cache", False)
        try:
            while not self.attempt(self.recorder):
                pass
        except StopRequested:  # while a Trainer was made
            words = "Stopped before the first step."
            self.run.event("stopped", step=self.step, message=words)
            return "stopped"
        except (RunError, SessionError) as error:
            raise TrainingError(str(error)) from error
        except BrokenNumbersError as error:
            self.run.event("broken_numbers", step=error.step, message=str(error))
            self.restore(error.step)
            raise
        finally:
            self.hooks.steering = None
            self.recorder.gpus.close()
            if hasattr(self.loaded.model.config, "use_cache"):
                self.loaded.model.config.use_cache = use_cache
        return self.end(self.recorder)

    # --- the beginning -----------------------------------------------------------------------

    def begin(self) -> Recorder:
        """Lay the method over the model, and be as after the step that it goes on from."""
        laid = self.lay()
        recorder = Recorder(
            self.settings,
            self.run,
            self.hooks,
            device=self.loaded.device,
            about=describe(self.loaded, self.recipe, laid),
            first_step=self.first_step,
        )
        if self.first_step and was_broken(self.run):
            recorder.steering.change_rate(
                recorder.steering.last_rate / 2, "Half of what led to broken numbers."
            )
        self.hooks.steering = recorder.steering
        return recorder

    def lay(self) -> Laid:
        set_seed(self.settings.seed)
        laid = lay(self.loaded, self.settings, self.session)
        self.loaded.adapter = self.run.name
        return laid

    # --- the steps ---------------------------------------------------------------------------

    def attempt(self, recorder: Recorder) -> bool:
        """Train to the end, or to where memory runs out; whether it came to the end."""
        trainer: Watched | None = None
        failed = ""
        try:
            trainer = self.recipe.trainer(arguments(self.recipe, self.run), recorder)
            with arranged(self.loaded, self.settings, self.note):
                trainer.train(resume_from_checkpoint=str(self.go_on) if self.go_on else None)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory.is_out_of_memory(error):
                raise
            failed = str(error) or "no memory"
            clear_frames(error)
        finally:
            if not failed:
                release(self.loaded, trainer)
        if failed:  # outside of the handler: the error holds what did not fit
            self.take_smaller(recorder, trainer, failed)
        return not failed

    def note(self, problem: str) -> None:
        """Say what is amiss, and go on."""
        self.run.event("problem", step=self.step, message=problem)

    def take_smaller(self, recorder: Recorder, trainer: Watched | None, why: str) -> None:
        """Go on from the last step in smaller batches.

        Raises:
            TrainingError: where a batch is one row already.
        """
        self.loaded.model.zero_grad(set_to_none=True)
        out_of_memory.give_back(self.loaded.device)
        before, step = self.settings, recorder.step
        after = None
        if trainer is not None:
            after = out_of_memory.smaller(before, self.recipe.fewest_rows)
        if after is None or trainer is None:
            release(self.loaded, trainer)
            raise no_memory(self.loaded, before)
        recorder.watch.stop()
        recorder.back_to_step()
        if recorder.intact and step:
            trainer.save_now()
        release(self.loaded, trainer)
        found = runs.last_checkpoint(self.run.folder)
        self.go_on = found[1] if found else None
        if not recorder.intact and found is None:
            self.lay()  # some weights may have moved already
        recorder.go_on_from(found[0] if found else 0)
        self.use(after)
        recorder.settings = after
        self.run.event(
            "out_of_memory",
            step=recorder.step,
            message=out_of_memory.in_words(before, after, recorder.step),
            per_device_train_batch_size=after.per_device_train_batch_size,
            gradient_accumulation_steps=after.gradient_accumulation_steps,
            why=why[:200],
        )
        print(out_of_memory.in_words(before, after, recorder.step), why, sep="\n", flush=True)

    def use(self, settings: TrainingSettings) -> None:
        """Have other settings from here on, also where the run is resumed."""
        self.session = replace(self.session, training=settings)
        self.recipe.work = replaced(self.recipe.work, session=self.session)
        self.recipe.settings = settings
        path = self.run.folder / "session.toml"
        if path.exists():
            frozen = sessions.load(path)
            sizes = {
                name: getattr(settings, name)
                for name in ("per_device_train_batch_size", "gradient_accumulation_steps")
            }
            sessions.save(replace(frozen, training=replace(frozen.training, **sizes)), path)

    # --- the end -----------------------------------------------------------------------------

    def end(self, recorder: Recorder) -> RunState:
        """Say how it ended; the best weights stay in memory."""
        self.restore(recorder.step)
        step, total = recorder.step, recorder.total_steps
        if recorder.stopped and step < total:
            self.run.event("stopped", step=step, message=f"Stopped at step {step} of {total}.")
            return "stopped"
        said = " ".join(one for one in (recorder.message, recorder.best.no_gain) if one)
        words = {"message": said} if said else {}
        self.run.event("finished", step=step, **words)
        return "finished"

    def restore(self, step: int) -> None:
        """Have the best checkpoint's weights in memory, as the run's name means them, where they
        are not those after this step."""
        found = runs.best_checkpoint(self.run.folder)
        try:
            if found is None:
                if self.recorder and self.recorder.step:
                    self.loaded.drop_tuned()
            elif found[0] != step or has_broken_weights(self.loaded.model):
                self.loaded.load_tuned(self.run.name, self.workspace)
                self.run.event("restored", step=found[0])
        except ModelError as error:
            self.run.event("problem", step=step, message=str(error))


def describe(loaded: LoadedModel, recipe: Recipe, laid: Laid) -> dict[str, Any]:
    """What the run's first event says: what is trained, on what, and what was chosen and why."""
    status = loaded.status()
    dtype = f"{status.dtype} for the model: {loaded.dtype_reason}" if loaded.dtype_reason else ""
    return {
        "model": status.name,
        "parameters": status.parameters,
        "trainable": status.trainable,
        "device": status.device,
        "dtype": status.dtype,
        "task": recipe.settings.task,
        "method": recipe.settings.method,
        "prompt": recipe.work.session.prompt().name,
        **laid.about,
        **recipe.about(),
        "reasons": [one for one in (dtype, *laid.reasons) if one],
    }


def was_broken(run: Run) -> bool:
    """Whether the run ended last because of broken numbers."""
    kinds = [str(one.get("event")) for one in journal.read(run.folder / "events.jsonl")]
    ends = [kind for kind in kinds if kind in ("started", "resumed", "broken_numbers")]
    return ends[-1:] == ["broken_numbers"]


def no_memory(loaded: LoadedModel, settings: TrainingSettings) -> TrainingError:
    size = settings.per_device_train_batch_size
    return TrainingError(
        f"There is not enough memory on {loaded.device} for batches of {size} "
        f"row{'s' if size > 1 else ''}; lower training.max_length, set "
        "training.activation_checkpointing, or use a smaller model or another training.method."
    )


def clear_frames(error: BaseException) -> None:
    """Let go of what the functions held that an error went through."""
    import traceback

    traceback.clear_frames(error.__traceback__)


def release(loaded: LoadedModel, trainer: Watched | None) -> None:
    """Give back the memory of gradients and optimiser; what is tuned stays, ready to answer."""
    loaded.model.zero_grad(set_to_none=True)
    loaded.model.eval()
    if trainer is not None:
        trainer.optimizer = trainer.lr_scheduler = None
        trainer.accelerator.free_memory()
        trainer.callback_handler.callbacks.clear()
    gc.collect()
    if loaded.device.type == "cuda":
        torch.cuda.empty_cache()
