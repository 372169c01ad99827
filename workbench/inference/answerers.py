"""Who answers for a model in memory, by what it ends in."""

from importlib import import_module
from pathlib import Path
from typing import Any

from workbench.inference.answering import Answerer
from workbench.inference.heads import Kind
from workbench.inference.model import LoadedModel
from workbench.inference.prefixes import Prefixes
from workbench.protocol import Weights

# The module and the class for each kind of head; those that are not here answer nothing.
ANSWERERS: dict[Kind, tuple[str, str]] = {
    "causal": ("workbench.inference.local", "LocalAnswerer"),
    "seq2seq": ("workbench.inference.seq2seq", "Seq2SeqAnswerer"),
    "classifier": ("workbench.inference.classifier", "ClassifierAnswerer"),
    "masked": ("workbench.inference.masked", "MaskedAnswerer"),
}


def answerer_for(
    loaded: LoadedModel, weights: Weights, prefixes: Prefixes, folder: Path, **more: Any
) -> Answerer | None:
    """Who answers with those weights; None where such a model answers nothing."""
    if loaded.head.kind not in ANSWERERS:
        return None
    if loaded.head.problem == "regression":
        from workbench.inference.rewarding import RewardAnswerer

        rewarding = RewardAnswerer(loaded, weights, prefixes, folder, **more)
        if rewarding.run and rewarding.run.training.task == "reward":
            return rewarding
    module, name = ANSWERERS[loaded.head.kind]
    made: Answerer = getattr(import_module(module), name)(loaded, weights, prefixes, folder, **more)
    return made
