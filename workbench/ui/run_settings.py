"""The settings of a run as the sheet before it shows them: in groups, what matters first, and what
a number that stands for something means. Knows nothing of widgets."""

from collections.abc import Iterable
from typing import Any

from workbench.session import Session
from workbench.ui.setting import Key, value

# Title → settings of [training], or tables of it, in this order; what is named nowhere comes last.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "What is learnt",
        (
            "task",
            "method",
            "rows",
            "num_train_epochs",
            "max_steps",
            "learning_rate",
            "per_device_train_batch_size",
            "max_length",
        ),
    ),
    ("Of the task", ("reinforcement", "preference", "classification", "masking")),
    (
        "Of the method",
        (
            "lora_r",
            "lora_alpha",
            "lora_dropout",
            "target_modules",
            "virtual_tokens",
            "freeze_layers",
            "freeze_embeddings",
            "keep_base",
        ),
    ),
    (
        "Evaluations and checkpoints",
        (
            "eval_steps",
            "evaluation_rows",
            "metric_rows",
            "pinned_count",
            "pinned",
            "save_steps",
            "save_total_limit",
            "metric_for_best_model",
            "early_stopping_patience",
            "early_stopping_threshold",
        ),
    ),
    (
        "How steps are made",
        (
            "gradient_accumulation_steps",
            "lr_scheduler_type",
            "warmup_steps",
            "weight_decay",
            "max_grad_norm",
            "label_smoothing_factor",
            "optim",
            "seed",
        ),
    ),
    (
        "Speed and memory",
        (
            "packing",
            "overlong",
            "train_sampling_strategy",
            "activation_checkpointing",
            "attn_implementation",
            "torch_compile",
            "threads",
            "logging_steps",
        ),
    ),
)
REST = "More"
# What a value stands for that is no amount of what the setting is named after.
MEANT: dict[str, tuple[Any, str]] = {
    "rows": (0, "all"),
    "max_steps": (-1, "as the epochs say"),
    "learning_rate": (0, "usual for task and method"),
    "per_device_train_batch_size": (0, "by memory and rows"),
    "threads": (0, "all but one, or both of two"),
    "evaluation_rows": (0, "none"),
    "metric_rows": (0, "none"),
    "pinned_count": (0, "none"),
    "eval_steps": (0, "at the end only"),
    "save_steps": (0, "at the end only"),
    "early_stopping_patience": (0, "never"),
    "freeze_layers": (0, "none"),
    "pinned": ([], "first evaluation rows"),
    "target_modules": ([], "all linear layers"),
    "classification.labels": ([], "those of the rows"),
    "virtual_tokens.num_virtual_tokens": (0, "by the words"),
}


def grouped(keys: Iterable[Key]) -> list[tuple[str, list[Key]]]:
    """The settings by title, in the order in which they matter; empty groups are left out."""
    left = {".".join(key[1:]): key for key in keys}
    found: list[tuple[str, list[Key]]] = []
    for title, names in GROUPS:
        group = [
            name
            for wanted in names
            for name in left
            if name == wanted or name.startswith(f"{wanted}.")
        ]
        if group:
            found.append((title, [left.pop(name) for name in group]))
    return [*found, (REST, list(left.values()))] if left else found


def meaning(session: Session, key: Key) -> str:
    """What a setting's value stands for; empty where it is what it says."""
    special = MEANT.get(".".join(key[1:]))
    return special[1] if special and value(session, key) == special[0] else ""


def goal_words(task: str, source: str, wording: str) -> str:
    """What a run makes the model do, in one sentence; `wording`: its name, empty where the rows
    are examples by themselves."""
    given = f"the answers of the wording “{wording}”" if wording else "the answers"
    words = {
        "pretraining": f"go on with texts like those of {source}: every token counts",
        "masked_lm": f"guess hidden words in the texts of {source}",
        "classification": f"give the labels of {source}",
        "seq2seq": f"write the second text of each row of {source} from the first",
        "dpo": f"prefer the answers that are preferred in {source}",
        "kto": f"answer like the good answers of {source}",
        "orpo": f"give and prefer the answers that are preferred in {source}",
        "reward": f"score answers as {source} prefers them",
        "grpo": f"answer the prompts of {source} as a reward asks for it",
    }.get(task, f"give {given} on {source}")
    return f"The model learns to {words}."
