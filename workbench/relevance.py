"""Which settings of a run matter for its task and its method."""

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from workbench.session import Session
from workbench.settings import Task, TrainingSettings
from workbench.usual import LORA_LIKE, VIRTUAL

WRITES = ("sft", "pretraining", "seq2seq", "dpo", "kto", "orpo", "grpo")  # tasks that end in text
PREFERENCES = ("dpo", "kto", "orpo", "reward")
# Tasks whose metrics need answers, to metric_rows rows; those of the others come with the loss.
ANSWERED = ("sft", "seq2seq")
LOSS = ("loss", "", "auto")  # metric_for_best_model, where it needs no answers

# Settings that matter for some tasks only, and for some methods only.
OF_TASKS: dict[str, tuple[str, ...]] = {
    "classification": ("classification",),
    "masking": ("masked_lm",),
    "preference": PREFERENCES,
    "preference.loss_type": ("dpo",),
    "preference.label_smoothing": ("dpo",),
    "preference.beta": ("dpo", "kto", "orpo"),
    "reinforcement": ("grpo",),
    "label_smoothing_factor": ("seq2seq", "classification"),
    "metric_rows": ANSWERED,
    "packing": ("sft", "pretraining"),
    "overlong": ("sft", "pretraining", "masked_lm", "classification", "seq2seq", "reward"),
    "pinned": (*WRITES, "classification", "masked_lm"),
    "pinned_count": (*WRITES, "classification", "masked_lm"),
    "train_sampling_strategy": ("sft", "classification", "masked_lm", "seq2seq"),
}
OF_METHODS: dict[str, tuple[str, ...]] = {
    "lora_r": LORA_LIKE,
    "lora_alpha": LORA_LIKE,
    "lora_dropout": LORA_LIKE,
    "target_modules": LORA_LIKE,
    "virtual_tokens": VIRTUAL,
    "keep_base": ("full",),
    "freeze_layers": ("full", *LORA_LIKE),
    "freeze_embeddings": ("full",),
}


def relevant(session: Session, task: str = "auto") -> set[str]:
    """The settings of a run, such as training.lora_r, that matter for the task and the session's
    method; of the task "auto" all that may."""
    settings = session.training
    found = set()
    for name in leaves(TrainingSettings):
        sections = (name, name.partition(".")[0])
        tasks = [OF_TASKS[one] for one in sections if one in OF_TASKS]
        methods = [OF_METHODS[one] for one in sections if one in OF_METHODS]
        if task != "auto" and any(task not in one for one in tasks):
            continue
        if any(settings.method not in one for one in methods):
            continue
        if name == "virtual_tokens.text" and settings.virtual_tokens.init != "text":
            continue
        if name == "early_stopping_threshold" and not settings.early_stopping_patience:
            continue
        if name == "num_train_epochs" and settings.max_steps > 0:
            continue
        found.add(f"training.{name}")
    return found


def leaves(section: Any, before: str = "") -> Iterable[str]:
    """The settings of a table and of the tables in it: masking.mlm_probability, seed, …"""
    for one in msgspec.structs.fields(section):
        if isinstance(one.type, type) and issubclass(one.type, msgspec.Struct):
            yield from leaves(one.type, f"{before}{one.name}.")
        else:
            yield before + one.name


def named(task: str) -> Task:
    """The task of that name; "auto" where there is none."""
    known: tuple[Task, ...] = get_args(Task)
    return next((one for one in known if one == task), known[0])
