"""A run that is killed at a step and gone on with, as another process would."""

from collections.abc import Callable
from pathlib import Path

from tests.work import Listener, nobody_listens, rows
from workbench import runs
from workbench.inference.model import LoadedModel
from workbench.session import Session
from workbench.training.loop import train


class Killed(BaseException):
    """In place of a kill: no word is written after it."""


def killed_at(step: int, serve: Callable[[int], None] = nobody_listens) -> Listener:
    """Hooks that end the process, as it were, after that step."""

    def between(now: int) -> None:
        serve(now)
        if now >= step:
            raise Killed

    return Listener(between)


def resume(
    loaded: LoadedModel, folder: Path, made: Session, hooks: Listener | None = None
) -> runs.Run:
    """Go on with the run in `folder` from the checkpoint that is due, to its end."""
    last = runs.checkpoint_to_resume(folder)
    run = runs.Run(folder)
    try:
        train(made, loaded, rows(), run, hooks or Listener(), last[1] if last else None)
    finally:
        run.close()
    return run
