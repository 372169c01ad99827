"""What a fine-tune asks of whoever runs it."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workbench.training.steering import Steering


class Hooks(Protocol):
    """Called from the training thread, between two pieces of work, never inside one.

    `steering` is set while there are steps: what the person asks of the run is told to it, inside
    `between_steps`.
    """

    steering: "Steering | None"

    def between_steps(self, step: int) -> None:
        """Serve what waits, from the weights after `step` optimiser steps."""

    def stop_requested(self) -> bool:
        """Whether to stop after this step and leave a checkpoint."""

    def advanced(self, step: int, total_steps: int, what: str) -> None:
        """There is news: preparing, training, evaluating, saving or paused."""
