"""Which tasks can be written out, and by what."""

from workbench.ejecting.causal import Answers, Written
from workbench.ejecting.made import Made
from workbench.exporting.errors import ExportError

__all__ = ["Written", "written_of"]


def written_of(made: Made) -> Written:
    """What the run's task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    if made.task == "sft":
        return Answers(made).written()
    if made.task == "pretraining":
        from workbench.ejecting.texts import Texts

        return Texts(made).written()
    if made.task == "classification":
        from workbench.ejecting import labels

        return labels.written(made)
    raise ExportError(
        f"A run of the task {made.task} cannot be written out as a script yet; its session makes "
        "it again: workbench train."
    )
