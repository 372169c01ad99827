"""What ends a fine-tune early."""


class TrainingError(Exception):
    """A fine-tune that cannot begin or go on; the text is one sentence for the person."""


class StopRequested(Exception):  # noqa: N818  (no error: the person asked for it)
    """The person asked to stop while there was no step to stop after."""
