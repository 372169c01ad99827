"""The loss of a batch: cross-entropy over the tokens that have one, and nothing else computed.

Knows models and batches; knows nothing of steps.
"""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional

from workbench.data.prompting import IGNORED
from workbench.inference.model import LoadedModel
from workbench.inference.states import base_model
from workbench.training.flat_attention import flat_inputs, flat_logits
from workbench.training.fused_loss import fused_cross_entropy

LARGE = 1 << 26  # logits of a batch from which on they are never all held: 256 MB in float32
HEADS: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def mixed_precision(loaded: LoadedModel) -> torch.autocast:
    """bfloat16 products for the float32 adapter of a bfloat16 model, which loses nothing beside it.

    Measured on a CPU with AVX512-BF16, SmolLM2-135M, 16 rows a step, one thread: 215 tokens/s, 202
    without; the losses agree to four digits.
    """
    return torch.autocast(
        loaded.device.type, torch.bfloat16, enabled=loaded.dtype == torch.bfloat16
    )


def summed_loss(model: nn.Module, inputs: dict[str, Any], accepts: frozenset[str]) -> torch.Tensor:
    """Cross-entropy summed over the labels that are not -100, in float32.

    `inputs` is a padded batch of `LeftCollator`; `accepts` names what the model's forward takes.
    """
    labels = inputs["labels"]  # [rows, keep]
    keep = labels.shape[1]
    given = {
        name: value
        for name, value in inputs.items()
        if name in accepts and name not in ("labels", "tokens")
    }
    if "use_cache" in accepts:
        given["use_cache"] = False
    if "logits_to_keep" in accepts:
        given["logits_to_keep"] = keep
    logits = model(**given).logits[:, -keep:]  # [rows, keep, words]
    return functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1),
        labels[:, 1:].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )


def flat_loss(model: nn.Module, inputs: dict[str, Any], loaded: LoadedModel) -> torch.Tensor:
    """Cross-entropy summed over the tokens with a loss, in float32, inside `flat_attention.flat`.

    `inputs` is a batch of `FlatCollator`. Many logits are computed a part at a time.
    """
    targets = inputs["targets"].to(loaded.device)
    words = base_model(loaded).config.get_text_config().vocab_size
    if len(targets) * words < LARGE or not plain_head(loaded):
        logits = flat_logits(model, inputs, loaded.accepts, loaded.device)
        return functional.cross_entropy(logits.float(), targets, reduction="sum")
    given, predicting = flat_inputs(inputs, loaded.accepts, loaded.device)
    decoder, head = base_model(loaded).base_model, base_model(loaded).get_output_embeddings()
    hidden = decoder(**given).last_hidden_state[0, predicting]  # [n, size]
    return fused_cross_entropy(hidden, head.weight, head.bias, targets)


def plain_head(loaded: LoadedModel) -> bool:
    """Whether logits are the hidden states times the head's matrix, and nothing more; tried once
    on a few tokens."""
    model = base_model(loaded)
    if model not in HEADS:
        HEADS[model] = tried(loaded, model)
    # an adapter or a copy may lie over it, which is then another kind of module
    return HEADS[model] and type(model.get_output_embeddings()) is nn.Linear


def tried(loaded: LoadedModel, model: Any) -> bool:
    head, decoder = model.get_output_embeddings(), model.base_model
    if type(head) is not nn.Linear or decoder is model:
        return False
    words = model.config.get_text_config().vocab_size
    ids = torch.tensor([[(7 * n + 3) % words for n in range(6)]], device=loaded.device)
    try:
        with loaded.answering("base" if loaded.has_base else "tuned"):
            expected = loaded.model(ids).logits.float()
            found = head(decoder(ids).last_hidden_state).float()
    except Exception:  # whatever an architecture calls what comes before its head
        return False
    return found.shape == expected.shape and bool(torch.allclose(found, expected, atol=1e-4))
