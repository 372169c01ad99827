"""Settings of a run that go together: quick look, balanced, best."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from workbench.relevance import ANSWERED, LOSS, named
from workbench.session import Session, SessionError
from workbench.settings import Task
from workbench.usual import BILLION, LORA_LIKE

Changes = dict[str, Any]  # setting, such as training.lora_r → value


@dataclass(frozen=True)
class Preset:
    """`words`: one sentence on what it does."""

    name: str
    title: str
    words: str
    changes: "Callable[[Aim], Changes]"


@dataclass(frozen=True)
class Aim:
    """What a preset goes by; numbers are 0 where they are not known."""

    session: Session
    task: Task
    parameters: float = 0
    rows: int = 0

    @property
    def large(self) -> bool:
        return self.parameters >= BILLION


def quick(aim: Aim) -> Changes:
    longest = aim.session.training.max_length
    return {
        "training.rows": 200,
        "training.max_steps": 20 if aim.large else 40,
        "training.num_train_epochs": 1.0,
        "training.learning_rate": 0.0,
        "training.per_device_train_batch_size": 4,
        "training.gradient_accumulation_steps": 1,
        "training.max_length": min(longest, 256),
        "training.evaluation_rows": 40,
        "training.metric_rows": answered_rows(aim),
        "training.pinned_count": 1,
        "training.eval_steps": 10 if aim.large else 20,
        "training.save_steps": 0,
        "training.early_stopping_patience": 0,
        "training.lr_scheduler_type": "linear",
        "training.warmup_steps": 0.05,
    }


def balanced(aim: Aim) -> Changes:
    return {
        "training.rows": 0,
        "training.max_steps": -1,
        "training.num_train_epochs": 2.0 if aim.task in ("classification", "seq2seq") else 1.0,
        "training.learning_rate": 0.0,
        "training.per_device_train_batch_size": 0,
        "training.gradient_accumulation_steps": 1,
        "training.evaluation_rows": 200,
        "training.metric_rows": answered_rows(aim),
        "training.pinned_count": 3,
        "training.eval_steps": 50,
        "training.save_steps": 50,
        "training.early_stopping_patience": 0,
        "training.lr_scheduler_type": "linear",
        "training.warmup_steps": 0.03,
        "training.weight_decay": 0.01 if aim.session.training.method == "full" else 0.0,
        **lora(aim, rank=16, dropout=0.0),
    }


def best(aim: Aim) -> Changes:
    epochs = {"grpo": 1.0, "dpo": 2.0, "kto": 2.0, "orpo": 2.0, "reward": 1.0, "pretraining": 2.0}
    many = aim.rows > 50_000
    return {
        **balanced(aim),
        "training.num_train_epochs": 1.0 if many else epochs.get(aim.task, 3.0),
        "training.evaluation_rows": 500,
        "training.early_stopping_patience": 4,
        "training.lr_scheduler_type": "cosine",
        "training.warmup_steps": 0.06,
        **lora(aim, rank=32, dropout=0.05),
    }


def answered_rows(aim: Aim) -> int:
    """None, for answers that are written cost more than what they tell; but as many as the session
    has where a figure of answers says which checkpoint is the best."""
    settings = aim.session.training
    by_loss = settings.metric_for_best_model.removeprefix("eval_") in LOSS
    return 0 if by_loss or aim.task not in (*ANSWERED, "auto") else settings.metric_rows


def lora(aim: Aim, *, rank: int, dropout: float) -> Changes:
    if aim.session.training.method not in LORA_LIKE:
        return {}
    return {
        "training.lora_r": rank,
        # rslora divides by the root of the rank: twice the rank would be far too strong
        "training.lora_alpha": rank if aim.session.training.method == "rslora" else 2 * rank,
        "training.lora_dropout": dropout,
        "training.target_modules": [],
    }


PRESETS: tuple[Preset, ...] = (
    Preset(
        "quick",
        "quick look",
        "A few steps on 200 rows, in minutes: to see that all works and the loss falls.",
        quick,
    ),
    Preset(
        "balanced",
        "balanced",
        "All rows once or twice at the usual learning rate: most of what there is to gain.",
        balanced,
    ),
    Preset(
        "best",
        "best",
        "As many epochs as the task gains by, with more to learn with, stopped once evaluations "
        "get no better; the best checkpoint counts.",
        best,
    ),
)


def changes(
    session: Session, name: str, task: str = "auto", parameters: float = 0, rows: int = 0
) -> Changes:
    """What a preset changes in a session, by setting.

    Raises:
        SessionError: where there is no such preset.
    """
    preset = next((one for one in PRESETS if name in (one.name, one.title)), None)
    if preset is None:
        raise SessionError(
            f'There is no preset "{name}"; there is {", ".join(one.name for one in PRESETS)}.'
        )
    return preset.changes(Aim(session, named(task), parameters, rows))


def apply(
    session: Session, name: str, task: str = "auto", parameters: float = 0, rows: int = 0
) -> Session:
    """The session as a preset has it.

    Raises:
        SessionError: where there is no such preset.
    """
    made = changes(session, name, task, parameters, rows)
    training = {key.removeprefix("training."): value for key, value in made.items()}
    return replace(session, training=replace(session.training, **training))
