"""What ends a fine-tune early."""


class TrainingError(Exception):
    """A fine-tune that cannot begin or go on; the text is one sentence for the person."""


class BrokenNumbersError(TrainingError):
    """A loss, a gradient or a weight is no number any more."""

    def __init__(self, what: str, step: int) -> None:
        super().__init__(
            f"The {what} no number any more after step {step}; resume the run, which goes on from "
            "a checkpoint before with half the learning rate, or start anew with a lower "
            "training.learning_rate."
        )
        self.step = step


class StopRequested(Exception):  # noqa: N818  (no error: the person asked for it)
    """The person asked to stop while there was no step to stop after."""
