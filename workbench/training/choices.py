"""What a session leaves to the program is chosen here, each with its reason.

A run is made from the session that `resolve` gives: nothing in its training is automatic any more,
so that it can be made again. What cannot be is said here, too, before anything is loaded.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from workbench.inference.heads import family_of
from workbench.processor import OWN_THREADS, cores
from workbench.protocol import Choice, FormatFound
from workbench.session import Session, TrainingSettings
from workbench.settings import Task
from workbench.training.checks import check_settings
from workbench.training.tasks import task_of
from workbench.usual import learning_rate, rows_in_memory

PACKS = ("sft", "pretraining")  # tasks whose rows may stand one after the other
METRICS = {"classification": "eval_accuracy", "seq2seq": "eval_chrf"}  # where rows are measured
MOST_THREADS = 1024  # as the setting training.threads
Fits = Callable[[Session, int], int]  # (session, rows) → the largest batch up to it that fits


@dataclass(frozen=True)
class Facts:
    """What choices depend on. `fits` tells how large a batch memory takes; it is asked only where
    the session leaves that open."""

    config: Any  # of the model
    found: FormatFound  # what the rows are
    rows: int  # to train on
    device: str = "cpu"  # its kind: cpu, cuda, mps, xpu
    dtype: str = ""  # of the model's weights
    dtype_reason: str = ""
    fits: Fits | None = None


@dataclass(frozen=True)
class Resolved:
    session: Session
    choices: list[Choice] = field(default_factory=list)


class Choices:
    """Settings as they are chosen, one after the other: a later choice sees the earlier ones."""

    def __init__(self, session: Session, facts: Facts) -> None:
        self.session, self.facts = session, facts
        self.made: list[Choice] = []

    @property
    def settings(self) -> TrainingSettings:
        return self.session.training

    def say(self, setting: str, value: Any, why: str) -> None:
        self.made.append(Choice(setting=setting, value=str(value), why=why))

    def choose(self, name: str, value: Any, why: str) -> None:
        training = replace(self.settings, **{name: value})
        self.session = replace(self.session, training=training)
        words = f"{value:g}" if isinstance(value, float) else value
        self.say(f"training.{name}", words, why)


def resolve(session: Session, facts: Facts) -> Resolved:
    """The session with all that was automatic chosen.

    Raises:
        TrainingError: where settings, model and rows do not go together.
    """
    task, why = task_of(session, family_of(facts.config), facts.found)
    choices = Choices(session, facts)
    if session.training.task == "auto":
        choices.choose("task", task, why)
    check_settings(choices.session, facts.config, facts.rows, facts.device)
    rate(choices, task)
    numbers(choices)
    attention(choices)
    packing(choices, task)
    best(choices, task)
    if not choices.settings.threads:
        choices.choose("threads", *threads(facts.device, task))
    batch(choices)
    if choices.settings.torch_compile == "auto":
        choices.choose("torch_compile", *compiling(choices))
    return Resolved(choices.session, choices.made)


def rate(choices: Choices, task: Task) -> None:
    settings = choices.settings
    if not settings.learning_rate:
        usual, why = learning_rate(task, settings.method, weights(choices.facts.config))
        choices.choose("learning_rate", usual.usual, why)


def numbers(choices: Choices) -> None:
    """The number format is the model's setting, and stays: another machine may need another."""
    facts = choices.facts
    if choices.session.model.dtype == "auto" and facts.dtype:
        choices.say("model.dtype", facts.dtype, facts.dtype_reason)


def attention(choices: Choices) -> None:
    if choices.settings.attn_implementation != "auto":
        return
    choices.choose("attn_implementation", "sdpa", "torch's own attention, fast on every device")


def packing(choices: Choices, task: Task) -> None:
    settings = choices.settings
    if settings.packing != "auto":
        return
    if settings.method in ("prompt_tuning", "prefix_tuning"):
        choices.choose("packing", "off", "virtual tokens stand before each row by itself")
    elif task not in PACKS:
        choices.choose("packing", "off", f"{task} learns from each row by itself")
    elif task == "pretraining":
        choices.choose("packing", "on", "documents differ in length: no token is wasted")
    else:
        why = "no token is padding, and what rows begin with alike is computed once"
        choices.choose("packing", "on", why)


def best(choices: Choices, task: Task) -> None:
    settings = choices.settings
    if settings.metric_for_best_model not in ("", "auto"):
        return
    named = METRICS.get(task, "")
    measured = settings.evaluation_rows and (settings.metric_rows or task == "classification")
    if named and measured:
        choices.choose("metric_for_best_model", named, f"what {task} is measured by")
    else:
        choices.choose("metric_for_best_model", "eval_loss", "the loss on rows not trained on")


def threads(device: str, task: Task) -> tuple[int, str]:
    """How many processor threads, and why."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    there = cores()
    if said.isdecimal() and int(said) and said != os.environ.get(OWN_THREADS):
        return min(int(said), MOST_THREADS), "OMP_NUM_THREADS says so"
    if there == 1:
        return 1, "there is one processor"
    if there == 2 and device == "cpu" and task != "grpo":
        return 2, (
            "both processors: a third faster than one; while another program needs one of them, "
            "the run goes on with the other"
        )
    what = "the GPU computes; " if device != "cpu" else ""
    return there - 1, (
        f"{what}one of {there} processors is left for the screen: with all of them busy "
        "generation fell to a tenth"
    )


def compiling(choices: Choices) -> tuple[str, str]:
    """Whether layers are compiled, and why: never unasked, as it takes minutes and a compiler."""
    settings = choices.settings
    if choices.facts.device != "cuda":
        return "off", "it was measured to pay on NVIDIA GPUs"
    known = settings.method in ("full", "lora", "rslora") and settings.task in PACKS
    if not known or settings.activation_checkpointing:
        return "off", "it was measured to pay with full and lora, for answers and running text"
    return (
        "off",
        "compiling takes minutes; set it to on for a run of hours: steps are a third faster",
    )


def batch(choices: Choices) -> None:
    """Rows in memory at once: as many as learn well, and no more than fit."""
    settings, facts = choices.settings, choices.facts
    if settings.per_device_train_batch_size:
        return
    rows = min(settings.rows or facts.rows, facts.rows)
    wanted, why = rows_in_memory(rows)
    if settings.task == "grpo":  # a batch is whole groups of answers
        wanted = settings.reinforcement.num_generations * max(
            1, wanted // settings.reinforcement.num_generations
        )
        why = f"groups of {settings.reinforcement.num_generations} answers to a prompt"
    fitting = wanted
    if facts.fits is not None and settings.task != "grpo":
        trial = replace(
            choices.session, training=replace(settings, per_device_train_batch_size=wanted)
        )
        fitting = facts.fits(trial, wanted)
        if settings.task == "kto":  # it compares the rows of a batch
            fitting = max(2, fitting)
    choices.choose(
        "per_device_train_batch_size",
        fitting,
        why if fitting == wanted else f"no more than {fitting} of {wanted} fit into memory",
    )
    if fitting < wanted and settings.gradient_accumulation_steps == 1:
        choices.choose(
            "gradient_accumulation_steps", wanted // fitting, f"so that a step takes {wanted} rows"
        )


def weights(config: Any) -> float:
    """About how many weights a model of this configuration has; 0 where it does not say."""
    text = config.get_text_config()
    size = getattr(text, "hidden_size", 0) or getattr(text, "d_model", 0)
    layers = getattr(text, "num_hidden_layers", 0) or 0
    inner = getattr(text, "intermediate_size", 0) or getattr(text, "d_ff", 0) or 4 * size
    words = getattr(text, "vocab_size", 0) or 0
    if not all(isinstance(one, int) for one in (size, layers, inner, words)):
        return 0
    return float(words * size + layers * (4 * size * size + 3 * size * inner))
