"""A run from its first step to its last, whatever the task: rows, method, steps, checkpoints.

Knows nothing of requests, events or the screen: see `hooks.Hooks`.
"""

import gc
import re
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed

from workbench.data.sources import Dataset
from workbench.inference.model import LoadedModel
from workbench.inference.tokenizer import quiet
from workbench.protocol import RunState
from workbench.runs import Run, RunError
from workbench.session import Session, TrainingSettings
from workbench.training.errors import StopRequested, TrainingError
from workbench.training.hooks import Hooks
from workbench.training.methods import lay
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
    run's metrics, and its events but "failed", which is the caller's to write. What was tuned stays
    in memory afterwards, whatever the end. `resume_from` is a checkpoint of this run: losses go on
    as if there had been no interruption, to the last bit.

    Raises:
        TrainingError: with one sentence; checkpoints written before are whole.
    """
    quiet()
    settings = session.training
    first_step = step_of(resume_from) if resume_from else 0

    def pause(what: str, _done: int, _total: int) -> None:
        hooks.advanced(first_step, 0, what)
        hooks.between_steps(first_step)
        if hooks.stop_requested():
            raise StopRequested

    recipe = recipe_of(settings.task)(Work(session, loaded, data, run.folder.parents[1], pause))
    try:
        recipe.prepare()
    except StopRequested:
        run.event("stopped", step=first_step, message="Stopped before the first step.")
        return "stopped"
    set_seed(settings.seed)
    lay(loaded, settings)
    loaded.adapter = run.name
    about = describe(loaded, recipe)
    recorder = Recorder(
        settings, run, hooks, device=loaded.device, about=about, first_step=first_step
    )
    use_cache = getattr(loaded.model.config, "use_cache", False)
    trainer: Watched | None = None
    try:
        trainer = recipe.trainer(arguments(recipe, run), recorder)
        if len(recipe.evaluation):
            recorder.evaluates = trainer.evaluate
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
        step, total = trainer.state.global_step, trainer.state.max_steps
    except RunError as error:
        raise TrainingError(str(error)) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise no_memory(loaded, settings) from error
    except RuntimeError as error:
        if "not enough memory" in str(error):
            raise no_memory(loaded, settings) from error
        raise
    finally:
        recorder.gpus.close()
        if hasattr(loaded.model.config, "use_cache"):
            loaded.model.config.use_cache = use_cache
        release(loaded, trainer)
    if recorder.stopped and step < total:
        run.event("stopped", step=step, message=f"Stopped at step {step} of {total}.")
        return "stopped"
    run.event("finished", step=step)
    return "finished"


def describe(loaded: LoadedModel, recipe: Recipe) -> dict[str, Any]:
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
        **recipe.about(),
        "reasons": [one for one in (dtype, "float32 for the adapter: small steps add up") if one],
    }


def arguments(recipe: Recipe, run: Run) -> TrainingArguments:
    """What the Trainer is told. When to evaluate, save and stop is the recorder's to say."""
    settings, loaded = recipe.settings, recipe.loaded
    if loaded.device.type == "cuda":
        torch.cuda.set_device(loaded.device)
    kind, more = recipe.arguments()
    usual: dict[str, Any] = {
        "output_dir": str(run.checkpoints),
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.num_train_epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": settings.per_device_train_batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "warmup_steps": settings.warmup_steps,
        "lr_scheduler_type": settings.lr_scheduler_type,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "logging_steps": settings.logging_steps,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "eval_strategy": "no",
        "save_strategy": "no",
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "use_cpu": loaded.device.type == "cpu",
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": loaded.device.type == "cuda",
        "remove_unused_columns": False,
        "optim": settings.optim,
    }
    args = kind(**(usual | more))
    args._n_gpu = min(args.n_gpu, 1)  # more GPUs need a launcher; DataParallel is slower than one
    args.__dict__["_setup_devices"] = loaded.device
    return args


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint's folder is named after."""
    found = re.fullmatch(r"checkpoint-(\d+)", checkpoint.name)
    if not found or not (checkpoint / "trainer_state.json").exists():
        raise TrainingError(f"{checkpoint} is no whole checkpoint; resume from another.")
    return int(found[1])


def no_memory(loaded: LoadedModel, settings: TrainingSettings) -> TrainingError:
    return TrainingError(
        f"There is not enough memory on {loaded.device} for batches of "
        f"{settings.per_device_train_batch_size} rows; halve "
        "training.per_device_train_batch_size and double training.gradient_accumulation_steps."
    )


def release(loaded: LoadedModel, trainer: Watched | None) -> None:
    """Give back the memory of gradients and optimiser; the adapter stays, ready to answer."""
    loaded.model.zero_grad(set_to_none=True)
    loaded.model.eval()
    if trainer is not None:
        trainer.optimizer = trainer.lr_scheduler = None
        trainer.accelerator.free_memory()
        trainer.callback_handler.callbacks.clear()
    gc.collect()
    if loaded.device.type == "cuda":
        torch.cuda.empty_cache()
