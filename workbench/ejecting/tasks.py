"""Which tasks can be written out, and by what."""

from importlib import import_module

from workbench.ejecting.made import Made
from workbench.ejecting.written import Written
from workbench.exporting.errors import ExportError

# The modules whose function `written` writes a task.
MODULES = {
    "sft": "causal",
    "pretraining": "texts",
    "classification": "labels",
    "masked_lm": "masked",
    "seq2seq": "sequences",
    "dpo": "preferences",
    "kto": "preferences",
    "orpo": "preferences",
    "reward": "preferences",
    "grpo": "reinforcement",
}


def written_of(made: Made) -> Written:
    """What the run's task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    if made.task in MODULES:
        module = import_module(f"workbench.ejecting.{MODULES[made.task]}")
        found: Written = module.written(made)
        return found
    raise ExportError(
        f"A run of the task {made.task} cannot be written out as a script yet; its session makes "
        "it again: workbench train."
    )
