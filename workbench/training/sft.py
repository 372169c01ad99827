"""Supervised fine-tuning of a LoRA adapter: the answers to a prompt, learnt from rows.

The recipe, from top to bottom: prepare rows, lay a fresh adapter over the model in memory, train,
leave a checkpoint. Knows nothing of requests, events or the screen: see `hooks.Hooks`.
"""

import gc
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace
from transformers import TrainingArguments, set_seed

from workbench.catalogue import Report
from workbench.data.examples import Encoder
from workbench.data.examples import Examples as RowsBefore
from workbench.data.formats import recognise_table
from workbench.data.prompting import PromptError
from workbench.data.sources import Dataset
from workbench.inference.model import LoadedModel
from workbench.inference.tokenizer import quiet
from workbench.protocol import FormatFound, RunState
from workbench.runs import Run, RunError
from workbench.session import Prompt, Session, TrainingSettings
from workbench.training.adapter import fresh_adapter
from workbench.training.errors import StopRequested, TrainingError
from workbench.training.examples import Examples, choose_rows, prepare_examples
from workbench.training.hooks import Hooks
from workbench.training.recorder import Recorder
from workbench.training.trainer import CompletionTrainer

__all__ = ["Hooks", "TrainingError", "train"]


@dataclass(frozen=True)
class Drawing:
    """How a prompt's examples are drawn: names of encoders start in `folder`, the workspace."""

    folder: Path = Path()
    report: Report = lambda _what, _done, _total, _unit: None


def train(  # noqa: PLR0917
    session: Session,
    loaded: LoadedModel,
    data: Dataset,
    run: Run,
    hooks: Hooks,
    resume_from: Path | None,
) -> RunState:
    """Fine-tune the model in memory; "finished", or "stopped" when the hooks asked for it.

    Writes the run's metrics, and its events but "failed", which is the caller's to write. The
    adapter stays over the model afterwards, whatever the end. `resume_from` is a checkpoint of
    this run: losses go on as if there had been no interruption, to the last bit.

    Raises:
        TrainingError: with one sentence; checkpoints written before are whole.
    """
    quiet()
    settings, prompt = session.training, session.prompt()
    first_step = step_of(resume_from) if resume_from else 0
    try:
        examples, evaluation = prepare(
            loaded, data, session, hooks=hooks, step=first_step, folder=run.folder.parents[1]
        )
    except StopRequested:
        run.event("stopped", step=first_step, message="Stopped before the first step.")
        return "stopped"
    set_seed(settings.seed)
    fresh_adapter(loaded, settings)
    loaded.adapter = run.name
    about = describe(loaded, examples, evaluation, prompt)
    recorder = Recorder(
        settings, run, hooks, device=loaded.device, about=about, first_step=first_step
    )
    use_cache = loaded.model.config.use_cache
    trainer: CompletionTrainer | None = None
    try:
        trainer = CompletionTrainer(
            loaded,
            arguments(settings, run, loaded),
            examples,
            evaluation=evaluation,
            recorder=recorder,
            group_by_length=settings.train_sampling_strategy == "group_by_length",
        )
        if len(evaluation):
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
        loaded.model.config.use_cache = use_cache
        release(loaded, trainer)
    if recorder.stopped and step < total:
        run.event("stopped", step=step, message=f"Stopped at step {step} of {total}.")
        return "stopped"
    run.event("finished", step=step)
    return "finished"


def prepare(
    loaded: LoadedModel,
    data: Dataset,
    session: Session,
    *,
    hooks: Hooks,
    step: int,
    folder: Path = Path(),
) -> tuple[Examples, Examples]:
    """The rows to train on and those for the evaluation loss, as token ids.

    Raises:
        TrainingError: when there is nothing to learn from; the text says what to set.
        StopRequested: when the hooks ask for it.
    """

    settings = session.training

    def pause(_done: int) -> None:
        hooks.advanced(step, 0, "preparing")
        hooks.between_steps(step)
        if hooks.stop_requested():
            raise StopRequested

    if not len(data.train):
        raise TrainingError("There are no rows to train on; choose another dataset.split.")
    longest = min(settings.max_length, loaded.context_length)

    def report(_what: str, _done: float, _total: float, _unit: str) -> None:
        pause(0)

    encoder = encoder_for(loaded, data, session, longest, Drawing(folder, report))
    chosen = choose_rows(len(data.train), settings.rows, settings.seed)
    examples = prepare_examples(data.train, chosen, encoder, pause=pause)
    if not len(examples):
        raise TrainingError(
            f"Of all {len(chosen)} rows nothing is left to learn within {longest} tokens; "
            "raise training.max_length or shorten the prompt."
        )
    evaluation = Examples()
    if data.evaluation is not None and settings.evaluation_rows:
        count = min(settings.evaluation_rows, len(data.evaluation))
        evaluation = prepare_examples(data.evaluation, range(count), encoder, pause=pause)
    return examples, evaluation


def encoder_for(
    loaded: LoadedModel,
    data: Dataset,
    session: Session,
    max_length: int,
    drawing: Drawing | None = None,
) -> Encoder:
    """What makes examples of the dataset's rows, as the dataset pane shows them.

    Raises:
        TrainingError: when the session's format or mapping does not fit, or says no answer.
    """
    found = recognise_table(data.train.table, session.dataset, session.prompt())
    if found.problem:
        raise TrainingError(found.problem)
    settings = replace(session.training, max_length=max_length)
    try:
        shown = examples_of(data, session, found, drawing or Drawing())
        return Encoder(loaded.tokenizer, session.prompt(), found, settings, shown)
    except PromptError as error:
        raise TrainingError(str(error)) from error


def examples_of(
    data: Dataset, session: Session, found: FormatFound, drawing: Drawing
) -> RowsBefore | None:
    """Which rows stand before a row as the prompt's examples; None where it has none."""
    prompt = session.prompt()
    if not prompt.examples.wanted:
        return None
    from workbench.prompting.shots import Shots

    shots = Shots(prompt, found, data.train, drawing.folder, drawing.report, threading.Event())
    return lambda values: [row for _, row in shots.for_row(values, -1)]


def describe(
    loaded: LoadedModel, examples: Examples, evaluation: Examples, prompt: Prompt
) -> dict[str, Any]:
    """What the run's first event says: what is trained, on what, and what was chosen and why."""
    status = loaded.status()
    dtype = f"{status.dtype} for the model: {loaded.dtype_reason}" if loaded.dtype_reason else ""
    return {
        "model": status.name,
        "parameters": status.parameters,
        "trainable": status.trainable,
        "device": status.device,
        "dtype": status.dtype,
        "prompt": prompt.name,
        "rows": len(examples),
        "rows_left_out": examples.left_out,
        "rows_cut": examples.cut,
        "tokens": examples.tokens,
        "evaluation_rows": len(evaluation),
        "reasons": [one for one in (dtype, "float32 for the adapter: small steps add up") if one],
    }


def arguments(settings: TrainingSettings, run: Run, loaded: LoadedModel) -> TrainingArguments:
    """What the Trainer is told. When to evaluate, save and stop is the recorder's to say."""
    if loaded.device.type == "cuda":
        torch.cuda.set_device(loaded.device)
    args = TrainingArguments(
        output_dir=str(run.checkpoints),
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type=settings.lr_scheduler_type,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        logging_steps=settings.logging_steps,
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        use_cpu=loaded.device.type == "cpu",
        dataloader_num_workers=0,
        dataloader_pin_memory=loaded.device.type == "cuda",
        remove_unused_columns=False,
    )
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


def release(loaded: LoadedModel, trainer: CompletionTrainer | None) -> None:
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
