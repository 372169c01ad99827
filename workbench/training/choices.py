"""What a session leaves to the program is chosen here, each with its reason.

A run is made from the session that `resolve` gives: nothing in its training is automatic any more,
so that it can be made again.
"""

from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from workbench.inference.heads import family_of
from workbench.protocol import Choice, FormatFound
from workbench.session import Session
from workbench.training.tasks import task_of

RATES = {
    "full": 5e-5,
    "lora": 2e-4,
    "dora": 2e-4,
    "rslora": 2e-4,
    "qlora": 2e-4,
    "prompt_tuning": 3e-2,
    "prefix_tuning": 1e-2,
}


@dataclass(frozen=True)
class Facts:
    """What choices depend on."""

    config: Any  # of the model
    found: FormatFound  # what the rows are
    rows: int  # to train on


@dataclass(frozen=True)
class Resolved:
    session: Session
    choices: list[Choice] = field(default_factory=list)


def resolve(session: Session, facts: Facts) -> Resolved:
    """The session with all that was automatic chosen.

    Raises:
        TrainingError: where settings, model and rows do not go together.
    """
    settings = session.training
    task, why = task_of(session, family_of(facts.config), facts.found)
    chosen: dict[str, Any] = {}
    reasons = []

    def choose(name: str, value: Any, why: str) -> None:
        chosen[name] = value
        reasons.append(Choice(setting=f"training.{name}", value=str(value), why=why))

    if settings.task == "auto":
        choose("task", task, why)
    if not settings.learning_rate:
        rate = RATES[settings.method]
        choose("learning_rate", rate, f"usual with {settings.method}")
    if not settings.per_device_train_batch_size:
        choose("per_device_train_batch_size", 8, "small steps learn more from few rows")
    made = replace(session, training=replace(settings, **chosen))
    return Resolved(made, reasons)
