"""What ends a fine-tune early."""


class TrainingError(Exception):
    """A fine-tune that cannot begin or go on; the text is one sentence for the person."""


class BrokenNumbersError(TrainingError):
    """A loss, a gradient or a weight is no number any more.

    Args:
        what: such as "loss is".
        step: after which it was seen.
        saved: whether the run has a checkpoint to go back to.
    """

    def __init__(self, what: str, step: int, saved: bool) -> None:
        if not step:
            words = (
                f"The {what} no number at the first step already, with the weights as they came: "
                "look for values far too large in the rows, set model.dtype to float32, or choose "
                "another model."
            )
        elif saved:
            words = (
                f"The {what} no number any more after step {step}; resume the run, which goes on "
                "from a checkpoint before with half the learning rate, or start anew with a lower "
                "training.learning_rate."
            )
        else:
            words = (
                f"The {what} no number any more after step {step}, and there is no checkpoint to "
                "go back to; start anew with a lower training.learning_rate."
            )
        super().__init__(words)
        self.step = step


class StopRequested(Exception):  # noqa: N818  (no error: the person asked for it)
    """The person asked to stop while there was no step to stop after."""
