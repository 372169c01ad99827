"""How likely a model finds the tokens that are asked about, computed for these alone.

TRL's Trainers call a causal model with `fused_lm_head=True` and get the log-probabilities of the
labels in place of logits. TRL computes them in tiles, for every position of a batch unless Triton
runs there. Where it does not, the head is computed here for the positions with a label only, as
long as their logits fit in memory: the same numbers, measured on two cores three times as fast.
"""

import functools
import types
from collections.abc import Callable
from typing import Any

import torch
from trl.trainer.utils import FusedCausalLMOutput, add_fused_lm_head

from workbench.data.prompting import IGNORED

MOST_LOGITS = 1 << 28  # numbers at once: 1 GB in float32
# What an architecture does to the logits after its head; TRL knows how to do each.
CHANGES = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "output_multiplier",
    "lm_head_multiplier",
)
OUTPUTS = ("log_probs", "entropy", "mean_logits", "is_top1")

Forward = Callable[..., Any]


class LogProbs:
    """Has a model's `forward` answer `fused_lm_head=True`, in place of what TRL installed; without
    it the forward is the model's own.

    Attributes:
        last: of the last answer the sum over each row's labels [rows].
    """

    def __init__(self, model: Any, temperature: float = 1.0) -> None:
        self.temperature = temperature
        self.last = torch.zeros(0)
        vars(model).pop("forward", None)
        own: Forward = model.forward
        add_fused_lm_head(model, temperature=temperature, outputs=OUTPUTS)
        tiled: Forward = model.forward

        @functools.wraps(type(model).forward)
        def forward(asked: Any, *args: Any, fused_lm_head: bool = False, **named: Any) -> Any:
            if not fused_lm_head:
                return own(*args, **named)
            if fits(asked, named):
                found = scored(asked, temperature, *args, **named)
            else:
                found = tiled(*args, fused_lm_head=True, **named)
            assert found.log_probs is not None
            self.last = found.log_probs.detach().sum(-1)
            return found

        model.forward = types.MethodType(forward, model)


def fits(model: Any, named: dict[str, Any]) -> bool:
    """Whether `scored` gives what TRL would, and its logits fit in memory."""
    config, labels = model.config.get_text_config(), named.get("labels")
    return (
        labels is not None
        and labels.device.type != "cuda"
        and all(getattr(config, name, None) in (None, 1, 1.0) for name in CHANGES)
        and not getattr(config, "output_router_logits", False)
        and not named.get("output_router_logits")
        and int(labels[:, 1:].ne(IGNORED).sum()) * config.vocab_size <= MOST_LOGITS
    )


def scored(
    model: Any, temperature: float, *args: Any, labels: torch.Tensor, **named: Any
) -> FusedCausalLMOutput:
    """The log-probability of each label [rows, length - 1] given the tokens before it; 0 where
    there is no label."""
    named.pop("num_items_in_batch", None)
    named["use_cache"] = False
    hidden = model.base_model(*args, **named).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    mask = wanted.ne(IGNORED)
    logits = model.get_output_embeddings()(hidden[mask]).float()  # [labels, words]
    if temperature != 1.0:
        logits = logits / temperature
    words = wanted[mask]
    found = logits.log_softmax(-1)  # [labels, words]
    log_probs = found.gather(-1, words[:, None])[:, 0]
    with torch.no_grad():
        entropy = -(found.exp() * found).sum(-1)
        mean = logits.mean(-1)
        top = logits.argmax(-1).eq(words)

    def placed(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(mask.shape).masked_scatter(mask, values)

    spread = placed(log_probs)
    return FusedCausalLMOutput(
        loss=-spread.sum() / mask.sum().clamp(min=1),
        log_probs=spread,
        entropy=placed(entropy),
        mean_logits=placed(mean),
        is_top1=placed(top),
        label_mask=mask,
    )
