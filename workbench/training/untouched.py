"""What TRL's Trainers change in a model that they are given, and how it is put back.

The model stays in memory after a run and answers during it: nothing of a Trainer may be left in it.
"""

import copy
from typing import Any

from torch import nn

from workbench.inference.model import LoadedModel

SPECIAL = ("pad_token_id", "bos_token_id", "eos_token_id")


def bare(model: Any) -> Any:
    """The model of transformers itself, without what peft lays over it."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def stand_in(model: Any) -> Any:
    """Something that TRL takes for a reference model of its own: the same weights, no copy.

    Without one it would load the model a second time, or lay a second adapter over it.
    """
    return copy.copy(bare(model))


class Untouched:
    """A model as it is now: its forward, dropout, special tokens, generation settings and tags."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.model = model = bare(loaded.model)
        self.forward = vars(model).get("forward")
        self.dropout = [
            (module, module.p)
            for module in loaded.model.modules()
            if isinstance(module, nn.Dropout)
        ]
        self.special = {name: getattr(model.config, name, None) for name in SPECIAL}
        self.generation = copy.deepcopy(getattr(model, "generation_config", None))
        self.tags = copy.copy(getattr(model, "model_tags", None))

    def restore(self) -> None:
        """Put all of it back."""
        model = self.model
        vars(model).pop("forward", None)
        if self.forward is not None:
            model.forward = self.forward
        for module, share in self.dropout:
            module.p = share
        for name, value in self.special.items():
            if hasattr(model.config, name):
                setattr(model.config, name, value)
        if self.generation is not None:
            model.generation_config = self.generation
        if hasattr(model, "model_tags"):
            model.model_tags = self.tags
