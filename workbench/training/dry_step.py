"""One step of a task on a model without numbers: what it is given, what it answers, and the loss.

As the tasks' Trainers compute it, as far as that decides what is in memory: flat batches or padded
ones, a head computed where there is a loss alone, log-probabilities beside those of a reference.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from workbench.inference.loaded import LoadedModel
from workbench.training.flat import Layout
from workbench.training.flat_attention import flat
from workbench.training.fused_loss import fused_cross_entropy
from workbench.training.losses import LARGE
from workbench.training.reading import in_bfloat16

PAIRED = ("dpo", "orpo", "reward")  # a row is two sequences
REFERRED = ("dpo", "kto")  # an adapter's model is computed once more, without the adapter
LIKELIHOODS = ("dpo", "kto", "orpo", "grpo")  # of the labels, by TRL's Trainers


@dataclass(frozen=True)
class Batch:
    """`rows` of `length` tokens each, behind `shared` ones that are there once; logits are computed
    of `kept` positions of each. `answer` is the length of what a model that reads and then writes
    has to write. `flat`: one sequence without padding, as in `flat.FlatCollator`."""

    rows: int
    length: int
    kept: int
    answer: int = 0
    shared: int = 0
    flat: bool = False

    @property
    def tokens(self) -> int:
        """That are computed."""
        return self.shared + self.rows * self.length


class DryStep:
    """`model` is without numbers; `loaded` says what it is. Inside a fake tensor mode.

    `fused`: the head is computed with its loss, a part at a time.
    """

    def __init__(
        self, model: Any, loaded: LoadedModel, task: str, batch: Batch, fused: bool
    ) -> None:
        self.model, self.loaded, self.task, self.batch = model, loaded, task, batch
        self.base: Any = model.get_base_model() if hasattr(model, "peft_config") else model
        self.flat = batch.flat and loaded.head.kind == "causal"
        self.fused = fused
        self.rows = batch.rows * sequences(task)

    def precision(self) -> torch.autocast:
        """In what numbers products are made."""
        loaded = self.loaded
        half = in_bfloat16(loaded) if loaded.head.reads else loaded.dtype == torch.bfloat16
        half = half or loaded.dtype == torch.float16
        return torch.autocast(loaded.device.type, torch.bfloat16, enabled=half)

    def arranged(self) -> AbstractContextManager[None]:
        """What forward is computed in."""
        return flat(self.base) if self.flat else nullcontext()

    def forward(self) -> torch.Tensor:
        """Logits, or where head and loss are one what the head is given."""
        given = self.given()
        if self.loaded.head.kind == "masked":
            from workbench.training.masked_lm import head_only_at

            places = torch.arange(self.positions, device=self.loaded.device)
            shim: Any = SimpleNamespace(base=self.base)
            with head_only_at(shim, places):
                found: torch.Tensor = self.model(**given).logits
            return found
        if self.fused:
            given.pop("logits_to_keep", None)
            with torch.no_grad() if not self.any_moves else nullcontext():
                hidden = self.base.base_model(**given).last_hidden_state
            picked: torch.Tensor = hidden.flatten(0, 1)[: self.positions].clone()
            return picked
        logits: torch.Tensor = self.model(**given).logits
        return logits

    @property
    def any_moves(self) -> bool:
        return any(one.requires_grad for one in self.base.parameters())

    @property
    def positions(self) -> int:
        """Of which logits are computed, of all rows."""
        return max(1, self.rows * self.batch.kept)

    def given(self) -> dict[str, Any]:
        """What the model is given."""
        batch, loaded, device = self.batch, self.loaded, self.loaded.device
        shape = (1, batch.tokens) if self.flat else (self.rows, batch.shared + batch.length)
        ids = torch.zeros(shape, dtype=torch.long, device=device)
        given: dict[str, Any] = {"input_ids": ids}
        if self.flat:
            given["layout"] = Layout(batch.shared, [batch.length] * batch.rows, device)
        else:
            given["attention_mask"] = torch.ones_like(ids)
        virtual = getattr(self.base, "prompt_encoder", None)
        if virtual is not None:  # tokens that are learnt stand before each row
            count = virtual.num_embeddings
            width = self.base.get_input_embeddings().weight.shape[1]
            words = torch.zeros(shape[0], shape[1] + count, width, device=device)
            mask = torch.ones(shape[0], shape[1] + count, dtype=torch.long, device=device)
            given = {"inputs_embeds": words.requires_grad_(), "attention_mask": mask}
        elif "position_ids" in loaded.accepts and loaded.head.kind == "causal":
            given["position_ids"] = torch.zeros_like(ids)
        if "use_cache" in loaded.accepts:
            given["use_cache"] = False
        if loaded.head.kind == "causal" and "logits_to_keep" in loaded.accepts:
            each = min(batch.kept, batch.shared + batch.length)
            given["logits_to_keep"] = (
                torch.arange(self.positions, device=device) if self.flat else max(1, each)
            )
        if loaded.head.kind == "seq2seq":
            length = max(1, batch.answer)
            answer = torch.zeros(self.rows, length, dtype=torch.long, device=device)
            given["decoder_input_ids"] = answer
        return given

    def loss(self, given: torch.Tensor) -> torch.Tensor:
        """Of what `forward` gave, a tensor of its own."""
        if self.loaded.head.kind == "classifier":
            return given.float().logsumexp(-1).sum()
        labels = torch.zeros(given.flatten(0, -2).shape[0], dtype=torch.long, device=given.device)
        if self.fused:
            head = self.base.get_output_embeddings()
            return fused_cross_entropy(given, head.weight, head.bias, labels)
        flat_logits = given.flatten(0, -2)
        if self.task not in LIKELIHOODS:
            return functional.cross_entropy(flat_logits.float(), labels, reduction="sum")
        found = likelihoods(flat_logits, labels)
        if self.task in REFERRED and hasattr(self.model, "peft_config"):
            with torch.no_grad():  # beside the first ones, which the way back needs
                likelihoods(given.detach().clone().flatten(0, -2), labels)
        return found.sum()


def likelihoods(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """As `log_probs.scored` has them, the figures beside them included."""
    wide = logits.float()
    found = wide.log_softmax(-1)
    chosen = found.gather(-1, labels[:, None])[:, 0]
    with torch.no_grad():
        (found.exp() * found).sum(-1)
        wide.mean(-1)
    return chosen


def sequences(task: str) -> int:
    """That a row of the task is made of."""
    return 2 if task in PAIRED else 1


def is_fused(loaded: LoadedModel, task: str, batch: Batch) -> bool:
    """Whether a batch has so many logits that they are computed a part at a time."""
    head = loaded.base.get_output_embeddings()
    if loaded.head.kind != "causal" or (not batch.flat and task not in LIKELIHOODS):
        return False
    if type(head) is not nn.Linear or loaded.base.base_model is loaded.base:
        return False
    count = batch.rows * sequences(task) * batch.kept * head.weight.shape[0]
    if task in LIKELIHOODS:  # TRL's tiles
        from workbench.training.log_probs import MOST_LOGITS

        return loaded.device.type == "cuda" or count > MOST_LOGITS
    return count >= LARGE
