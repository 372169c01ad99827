"""What a run is made of, found out before any weight is loaded: the plan and the run both begin
here, and so say the same."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.data.formats import recognise_table
from workbench.data.sources import Dataset
from workbench.inference.device import choose_device
from workbench.inference.heads import Head, family_of
from workbench.inference.model import model_config, number_format
from workbench.protocol import Choice
from workbench.session import Session
from workbench.training.choices import Facts, Fits, resolve
from workbench.training.figures import check_metric
from workbench.training.labels import settle
from workbench.training.tasks import head_of, task_of

Report = Callable[[str, float, float, str], None]


@dataclass(frozen=True)
class Settled:
    """`session` leaves nothing open any more; `head` is what the model must end in for it."""

    session: Session
    head: Head
    choices: list[Choice]
    config: Any


def settled(
    session: Session,
    data: Dataset,
    folder: Path,
    report: Report,
    fits: Fits | None = None,
) -> Settled:
    """The session with all that was automatic chosen.

    Raises:
        TrainingError, ModelError: where it cannot be trained so; the text says what to set.
    """
    config = model_config(session.model, folder, report)
    facts = facts_of(session, data, config, fits)
    made = resolve(session, facts)
    session, choices = made.session, list(made.choices)
    if session.training.task == "classification":

        def pause(done: int) -> None:
            report("reading labels", done, len(data.train), "rows")

        session, more = settle(session, data, config, pause)
        choices += more
    check_metric(session)
    head = head_of(session.training.task, config, session.training)
    if head.fresh:
        choices.append(at_random(session, head))
    return Settled(session, head, choices, config)


def at_random(session: Session, head: Head) -> Choice:
    """That what the model ends in is not the checkpoint's."""
    does = "guesses words" if head.kind == "masked" else "tells these labels"
    if session.training.task == "reward":
        does = "gives a reward"
    return Choice(
        setting="head",
        value="at random",
        why=f"{session.model.name} comes without one that {does}; the figures from before the "
        "first step say nothing of the model",
    )


def facts_of(session: Session, data: Dataset, config: Any, fits: Fits | None = None) -> Facts:
    """What the choices of a session depend on.

    Raises:
        ModelError: where there is no such device.
    """
    found = recognise_table(data.train.table, session.dataset, session.prompt())
    device = choose_device(session.model.device)
    task, _ = task_of(session, family_of(config), found)
    dtype, why = number_format(session.model, device, head_of(task, config), config)
    return Facts(
        config=config,
        found=found,
        rows=len(data.train),
        device=device.type,
        dtype=str(dtype).removeprefix("torch."),
        dtype_reason=why,
        fits=fits,
    )
