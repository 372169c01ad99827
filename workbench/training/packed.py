"""Rows of several sequences, one after the other, and batches of them.

Position ids that begin anew tell a model where a sequence ends; there is no attention mask, which
would join what has to stay apart. Knows token ids and positions; which sequences stand together is
`packing`'s to say.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch

from workbench.data.prompting import IGNORED
from workbench.inference.model import LoadedModel
from workbench.inference.states import base_model
from workbench.training.examples import Examples
from workbench.training.packing import plan

NEAR = 1e-3  # relative distance of logits in float32
NEAR_HALF = 0.06  # and in 16 bits
PACKS: WeakKeyDictionary[Any, dict[str, bool]] = WeakKeyDictionary()  # by attention


class PackedExamples:
    """Examples, several to a row of at most `longest` tokens; reads like a list of {"sequences":
    [{input_ids, trained}, …]}, for a data loader. No example may be longer than a row."""

    def __init__(self, examples: Examples, longest: int, seed: int) -> None:
        self.examples, self.longest = examples, longest
        self.rows = plan(examples.lengths, longest, seed)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"sequences": [self.examples[one] for one in self.rows[index]]}

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        sizes = self.examples.lengths
        return [sum(sizes[one] for one in row) for row in self.rows]

    @property
    def left_out(self) -> int:
        return self.examples.left_out

    @property
    def cut(self) -> int:
        return self.examples.cut

    @property
    def tokens(self) -> int:
        return self.examples.tokens


class PackedCollator:
    """Batches of input_ids, position_ids and labels, each [rows, longest], without a mask; `tokens`
    counts the text.

    labels[:, i] is the token at i where there is a loss on it; never on a sequence's first, which
    nothing of its own stands before. Behind a row's end comes padding as a sequence of its own.

    `flat`: all sequences in one row, [1, tokens]: for flash attention, which tells them apart only
    so, and without a token of padding.
    """

    def __init__(self, pad_token: int, flat: bool = False) -> None:
        self.pad_token, self.flat = pad_token, flat

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        packs = [row["sequences"] for row in rows]
        if self.flat:
            packs = [[one for pack in packs for one in pack]]
        counts = [sum(len(one["input_ids"]) for one in pack) for pack in packs]
        longest = max(counts)
        ids = torch.full((len(packs), longest), self.pad_token, dtype=torch.long)
        labels = torch.full_like(ids, IGNORED)
        positions = torch.zeros_like(ids)
        for row, pack in enumerate(packs):
            at = 0
            for one in pack:
                tokens = torch.tensor(one["input_ids"], dtype=torch.long)
                stop, edges = at + len(tokens), one["trained"]
                ids[row, at:stop] = tokens
                positions[row, at:stop] = torch.arange(len(tokens))
                for begin, end in zip(edges[::2], edges[1::2], strict=True):
                    first = max(begin, 1)
                    labels[row, at + first : at + end] = tokens[first:end]
                at = stop
            positions[row, at:] = torch.arange(longest - at)
        return {
            "input_ids": ids,
            "position_ids": positions,
            "labels": labels,
            "tokens": sum(counts),
        }


def collator_for(loaded: LoadedModel) -> PackedCollator:
    """The collator that keeps sequences apart with the model's attention."""
    return PackedCollator(loaded.pad_token, flat="flash" in attention_of(loaded))


def attention_of(loaded: LoadedModel) -> str:
    """How the model computes attention: sdpa, eager, flash_attention_2, …"""
    return str(getattr(base_model(loaded).config, "_attn_implementation", ""))


def packs_exactly(loaded: LoadedModel) -> bool:
    """Whether the model keeps packed sequences apart: tried once, on a few tokens, which must get
    the logits that they get alone. Of an outline without weights it is taken to be so."""
    if next(loaded.model.parameters()).is_meta:
        return "position_ids" in loaded.accepts
    known = PACKS.setdefault(base_model(loaded), {})
    attention = attention_of(loaded)
    if attention not in known:
        known[attention] = "position_ids" in loaded.accepts and keeps_apart(loaded)
    return known[attention]


def keeps_apart(loaded: LoadedModel) -> bool:
    words = base_model(loaded).config.get_text_config().vocab_size
    alone = [[(7 * n + 3) % words for n in range(6)], [(5 * n + 1) % words for n in range(4)]]
    rows = [{"input_ids": ids, "trained": [1, len(ids)]} for ids in alone]
    # the second row is of another length: padding must stay apart, too
    batch = collator_for(loaded)([{"sequences": rows}, {"sequences": rows[:1]}])
    try:
        with loaded.answering("base" if loaded.has_base else "tuned"):
            whole = [logits(loaded, torch.tensor([ids])) for ids in (*alone, alone[0])]
            found = logits(loaded, batch["input_ids"], batch["position_ids"])
    except Exception:  # whatever an architecture makes of position ids that begin anew
        return False
    flat = found.flatten(0, 1)
    there = batch["input_ids"].shape[1]
    second = 10 if batch["input_ids"].shape[0] == 1 else there
    packed = torch.cat([flat[:10], flat[second : second + 6]])
    expected = torch.cat([one[0] for one in whole])
    spread = expected - expected.mean(-1, keepdim=True)
    distance = float((packed - expected).norm() / spread.norm())
    return distance < (NEAR if loaded.dtype.itemsize > 2 else NEAR_HALF)


def logits(
    loaded: LoadedModel, ids: torch.Tensor, positions: torch.Tensor | None = None
) -> torch.Tensor:
    """Float32 [rows, tokens, words]."""
    given: dict[str, Any] = {"input_ids": ids.to(loaded.device)}
    if positions is not None:
        given["position_ids"] = positions.to(loaded.device)
    if "use_cache" in loaded.accepts:
        given["use_cache"] = False
    found: torch.Tensor = loaded.model(**given).logits.float()
    return found
