"""Choosing among labels without decoding: which is the likeliest answer to a prompt.

Knows token ids and log-probabilities; knows nothing of rows or of what the labels mean.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from workbench.inference.model import LoadedModel
from workbench.inference.states import States, cache_argument


def with_ends(labels: Sequence[list[int]], end: Sequence[int]) -> list[list[int]]:
    """The labels' token ids so that their log-probabilities can be compared.

    Where labels differ in length, or one begins another, each is followed by the token that ends
    a turn: "is it exactly this?" and not "does it begin like this?". Else nothing is added.
    """
    lengths = {len(label) for label in labels}
    if len(lengths) == 1 and 0 not in lengths:  # of one length, none begins another
        return [list(label) for label in labels]
    return [[*label, *end] for label in labels]


def pad_left(
    loaded: LoadedModel, sequences: Sequence[Sequence[int]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids, attention mask and positions, each [rows, longest], padded on the left."""
    longest = max(len(one) for one in sequences)
    ids = torch.full((len(sequences), longest), loaded.pad_token, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(sequences):
        ids[row, longest - len(one) :] = torch.tensor(one, dtype=torch.long)
        mask[row, longest - len(one) :] = 1
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    return ids.to(loaded.device), mask.to(loaded.device), positions.to(loaded.device)


def forward(loaded: LoadedModel, keep: int, **inputs: Any) -> tuple[torch.Tensor, Any]:
    """Log-probabilities of the last `keep` positions, float32 [rows, keep, words]; the cache."""
    inputs = {name: value for name, value in inputs.items() if name in loaded.accepts}
    if "logits_to_keep" in loaded.accepts:
        inputs["logits_to_keep"] = keep
    output = loaded.model(**inputs)
    logits: torch.Tensor = output.logits[:, -keep:]
    return logits.float().log_softmax(-1), getattr(output, cache_argument(loaded) or "cache", None)


def score_labels(
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], labels: Sequence[list[int]]
) -> torch.Tensor:
    """Log-probability of each label (all its tokens) after each prompt, float32 [prompts, labels].

    One forward pass over the prompts; labels of more than one token go on from its cache. Call it
    inside `loaded.answering(…)`.
    """
    longest = max(len(label) for label in labels)
    ids, mask, positions = pad_left(loaded, prompts)
    found, cache = forward(
        loaded,
        1,
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=longest > 1,
    )
    scores = found[:, -1, [label[0] for label in labels]].cpu()
    if longest == 1:
        return scores
    if type(cache) is not DynamicCache or not cache_argument(loaded):
        return score_whole(loaded, prompts, labels)  # a state that cannot be repeated
    return scores + score_rest(loaded, cache, mask, labels).cpu()


def score_rest(
    loaded: LoadedModel, cache: DynamicCache, mask: torch.Tensor, labels: Sequence[list[int]]
) -> torch.Tensor:
    """Log-probability of each label's tokens after its first, [prompts, labels].

    `cache` holds the prompts, whose `mask` is [prompts, tokens].
    """
    rows, count = mask.shape[0], len(labels)
    width = max(len(label) for label in labels) - 1
    given = torch.full((count, width), loaded.pad_token, dtype=torch.long)
    wanted = torch.zeros((count, width), dtype=torch.long)
    there = torch.zeros((count, width), dtype=torch.long)
    for row, label in enumerate(labels):
        size = len(label) - 1
        given[row, :size] = torch.tensor(label[:-1], dtype=torch.long)
        wanted[row, :size] = torch.tensor(label[1:], dtype=torch.long)
        there[row, :size] = 1
    given, wanted, there = (
        one.repeat(rows, 1).to(loaded.device) for one in (given, wanted, there)
    )  # each [prompts x labels, width]: all labels of a prompt, then of the next
    cache.batch_repeat_interleave(count)
    lengths = mask.sum(1).repeat_interleave(count)  # [prompts x labels]
    positions = lengths[:, None] + torch.arange(width, device=loaded.device)
    found, _ = forward(
        loaded,
        width,
        input_ids=given,
        attention_mask=torch.cat([mask.repeat_interleave(count, 0), there], 1),
        position_ids=positions,
        **{cache_argument(loaded): cache},
        use_cache=True,
    )
    found = found.gather(2, wanted[:, :, None])[:, :, 0]
    return (found * there).sum(1).view(rows, count)


def score_whole(
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], labels: Sequence[list[int]]
) -> torch.Tensor:
    """As `score_labels`, from one pass over every prompt with every label."""
    longest = max(len(label) for label in labels)
    whole = [[*prompt, *label] for prompt in prompts for label in labels]
    ids, mask, positions = pad_left(loaded, whole)
    found, _ = forward(
        loaded,
        longest + 1,
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=False,
    )
    found = found[:, :-1].gather(2, ids[:, -longest:, None])[:, :, 0]  # [whole, longest]
    sizes = torch.tensor([len(label) for _ in prompts for label in labels])
    counted = torch.arange(longest)[None, :] >= longest - sizes[:, None]
    return (found.cpu() * counted).sum(1).view(len(prompts), len(labels))


def rest_of_labels(states: States, labels: Sequence[list[int]], pad: int) -> torch.Tensor:
    """Log-probability of each label's tokens after its first, float32 [rows, labels], after the
    rows that `states` holds; it goes on from them."""
    rows, count = states.rows, len(labels)
    width = max(len(label) for label in labels) - 1
    given = torch.full((count, width), pad, dtype=torch.long)
    wanted, there = torch.zeros_like(given), torch.zeros_like(given)
    for row, label in enumerate(labels):
        size = len(label) - 1
        given[row, :size] = torch.tensor(label[:-1], dtype=torch.long)
        wanted[row, :size] = torch.tensor(label[1:], dtype=torch.long)
        there[row, :size] = 1
    given, wanted, there = (one.repeat(rows, 1) for one in (given, wanted, there))
    states.select([row for row in range(rows) for _ in range(count)])
    exact = [token for label in labels for token in label]
    found = states.extend(given, there, width, exact).log_softmax(-1)
    found = found.gather(2, wanted[:, :, None].to(found.device))[:, :, 0]
    return (found * there.to(found.device)).sum(1).view(rows, count)
