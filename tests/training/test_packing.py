"""Packed rows: every sequence once, hardly a token wasted, and none sees another."""

import random

import pytest
import torch
from torch.nn import functional

from tests.inference.kinds import load_kind
from workbench.data.examples import pieces
from workbench.training.examples import Examples
from workbench.training.packed import (
    PackedCollator,
    PackedExamples,
    collator_for,
    packs_exactly,
)
from workbench.training.packing import plan


@pytest.mark.parametrize("seed", range(25))
def test_every_sequence_is_in_one_row_and_no_row_is_too_long(seed: int) -> None:
    drawn = random.Random(seed)
    longest = drawn.randint(1, 300)
    lengths = [drawn.randint(1, longest) for _ in range(drawn.randint(0, 400))]
    rows = plan(lengths, longest, seed)
    assert sorted(one for row in rows for one in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[one] for one in row) <= longest for row in rows)
    assert rows == plan(lengths, longest, seed)
    least = -(-sum(lengths) // longest)
    assert len(rows) <= 11 / 9 * max(least, sum(2 * one > longest for one in lengths)) + 1


def test_another_seed_mixes_other_sequences() -> None:
    lengths = list(range(5, 45)) * 20
    assert plan(lengths, 64, 0) != plan(lengths, 64, 1)
    assert sum(lengths) / (64 * len(plan(lengths, 64, 0))) > 0.98


def test_a_sequence_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="a sequence of 9 tokens in rows of 8"):
        plan([3, 9], 8)


@pytest.mark.parametrize("seed", range(25))
def test_pieces_of_a_text_lose_no_token_and_leave_none_alone(seed: int) -> None:
    drawn = random.Random(seed)
    length, longest = drawn.randint(2, 500), drawn.randint(3, 60)
    found = list(pieces(length, longest))
    assert [token for start, stop in found for token in range(start, stop)] == list(range(length))
    assert all(2 <= stop - start <= longest for start, stop in found)


def examples(count: int) -> Examples:
    """Sequences of random tokens, with a loss on stretches of them."""
    from array import array

    drawn = random.Random(0)
    made = Examples()
    for _ in range(count):
        length = drawn.randint(2, 40)
        made.input_ids.append(array("i", [drawn.randrange(3, 600) for _ in range(length)]))
        begin = drawn.randrange(length - 1)
        made.trained.append(array("i", [begin, drawn.randint(begin + 1, length)]))
    return made


def per_token(logits: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """The losses of all tokens with one, [rows, tokens]."""
    found = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="none"
    )
    return found[labels[:, 1:].flatten() != -100].tolist()


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_packed_losses_are_those_of_each_sequence_alone(
    kind: str, attention: str, flat: bool
) -> None:
    loaded = load_kind(kind)
    loaded.model.set_attn_implementation(attention)
    assert packs_exactly(loaded)
    made = examples(30)
    packed = PackedExamples(made, 64, seed=0)
    collate = PackedCollator(loaded.pad_token, flat)
    assert len(packed) < 15
    for start in range(0, len(packed), 4):
        rows = range(start, min(start + 4, len(packed)))
        batch = collate([packed[row] for row in rows])
        alone = []
        with torch.no_grad():
            logits = loaded.model(
                input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
            ).logits
            for one in (example for row in rows for example in packed.rows[row]):
                ids, edges = torch.tensor(made[one]["input_ids"]), made[one]["trained"]
                labels = torch.full_like(ids, -100)
                first = max(edges[0], 1)
                labels[first : edges[1]] = ids[first : edges[1]]
                alone += per_token(loaded.model(ids[None]).logits, labels[None])
        assert batch["tokens"] == sum(
            len(made.input_ids[one]) for r in rows for one in packed.rows[r]
        )
        assert per_token(logits, batch["labels"]) == pytest.approx(alone, abs=2e-5)


@pytest.mark.parametrize("kind", ["bloom", "mamba", "lfm2", "openai-gpt"])
def test_a_model_that_would_mix_sequences_is_not_packed(kind: str) -> None:
    assert not packs_exactly(load_kind(kind))


def test_the_choice_is_made_for_each_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_kind("llama")
    assert packs_exactly(loaded)
    assert not collator_for(loaded).flat
    monkeypatch.setattr("workbench.training.packed.keeps_apart", lambda _loaded: False)
    assert packs_exactly(loaded)
    loaded.model.set_attn_implementation("eager")
    assert not packs_exactly(loaded)
