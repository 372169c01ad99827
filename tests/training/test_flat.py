"""Batches without padding, what rows begin with computed once: the same losses and gradients."""

import random
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.inference.kinds import KINDS, load_kind
from workbench.inference.model import LoadedModel
from workbench.settings import TrainingSettings
from workbench.training import flat_attention, losses
from workbench.training.arranged import arranged
from workbench.training.completion import attention_for, collator_for, has_dropout, loss_of
from workbench.training.flat import FlatCollator, Layout, alike
from workbench.training.fused_loss import fused_cross_entropy
from workbench.training.methods import lay

FLAT = {"llama", "qwen3", "gpt2", "gptj", "mistral", "gemma3_text", "deepseek_v3"}
DRAWN = random.Random(1)
BEGINNING = [DRAWN.randrange(3, 500) for _ in range(7)]


def row(length: int, begun: list[int], *trained: int) -> dict[str, Any]:
    ids = begun + [DRAWN.randrange(3, 500) for _ in range(length)]
    return {"input_ids": ids, "trained": list(trained)}


BATCHES = {
    "equally long": [
        row(9, BEGINNING, 12, 16),
        row(9, BEGINNING, 9, 14),
        row(9, BEGINNING, 15, 16),
    ],
    "of all lengths": [row(n, BEGINNING, 8, 7 + n) for n in (1, 20, 3, 21, 2)],
    "learnt from the start": [row(5, BEGINNING, 0, 12), row(6, BEGINNING, 0, 13)],
    "answers in between": [row(17, BEGINNING, 9, 12, 15, 20), row(11, BEGINNING, 8, 10, 17, 18)],
    "nothing in common": [row(8, [4], 3, 9), row(5, [5], 2, 6)],
    "the same twice": [{"input_ids": BEGINNING, "trained": [3, 7]}] * 2,
    "alone": [row(9, BEGINNING, 9, 16)],
}


def alone(model: Any, rows: list[dict[str, Any]]) -> torch.Tensor:
    """The summed loss by plain transformers, a row at a time."""
    total = torch.zeros(())
    for one in rows:
        ids, edges = torch.tensor([one["input_ids"]]), one["trained"]
        logits = model(ids).logits[0, :-1].float()
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            first = max(start, 1)
            total = total + functional.cross_entropy(
                logits[first - 1 : stop - 1], ids[0, first:stop], reduction="sum"
            )
    return total


def gradients(model: Any) -> torch.Tensor:
    found = [one.grad.flatten() for one in model.parameters() if one.grad is not None]
    model.zero_grad()
    return torch.cat(found)


@pytest.fixture(scope="module", params=sorted(FLAT))
def loaded(request: pytest.FixtureRequest) -> LoadedModel:
    made = load_kind(request.param)
    made.model.requires_grad_(True)
    return made


@pytest.mark.parametrize("rows", BATCHES.values(), ids=BATCHES)
def test_losses_and_gradients_are_those_of_each_row_alone(
    loaded: LoadedModel, rows: list[dict[str, Any]]
) -> None:
    collator = collator_for(loaded, TrainingSettings(), 32)
    assert isinstance(collator, FlatCollator)
    batch = FlatCollator()(rows)
    before = loaded.model.config._attn_implementation
    with attention_for(loaded, batch):
        loss = loss_of(loaded.model, batch, loaded)
        loss.backward()
    assert loaded.model.config._attn_implementation == before
    found = gradients(loaded.model)
    expected = alone(loaded.model, rows)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    reference = gradients(loaded.model)
    assert float((found - reference).norm() / reference.norm()) < 1e-5


def test_what_rows_begin_with_is_there_once_and_ends_before_the_first_loss() -> None:
    batch = FlatCollator()(BATCHES["answers in between"])
    assert batch["shared"] == len(BEGINNING)
    assert batch["input_ids"].shape == (1, 7 + 17 + 11)
    assert batch["tokens"] == 7 + 17 + 7 + 11
    assert FlatCollator()(BATCHES["learnt from the start"])["shared"] == 0
    assert FlatCollator(share=False)(BATCHES["equally long"])["shared"] == 0
    packed = FlatCollator()(
        [{"sequences": BATCHES["of all lengths"]}, {"sequences": BATCHES["alone"]}]
    )
    assert packed["lengths"] == [1, 20, 3, 21, 2, 9]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - FLAT))
def test_an_architecture_that_cannot_be_computed_so_is_padded(kind: str) -> None:
    loaded = load_kind(kind)
    assert not isinstance(collator_for(loaded, TrainingSettings(), 32), FlatCollator)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2", "lfm2", "mamba"])
def test_what_is_tried_in_16_bits_says_the_same(kind: str) -> None:
    loaded = load_kind(kind)
    loaded.model.bfloat16()
    loaded.dtype = torch.bfloat16
    assert flat_attention.flat_works(loaded) == (kind in FLAT)


def test_rows_beyond_an_attention_window_and_without_packing_are_padded() -> None:
    loaded = load_kind("mistral")
    assert not isinstance(collator_for(loaded, TrainingSettings(), 33), FlatCollator)
    assert not isinstance(collator_for(loaded, TrainingSettings(packing="off"), 8), FlatCollator)


def test_with_dropout_each_row_has_a_beginning_of_its_own() -> None:
    loaded = load_kind("gpt2")
    assert has_dropout(loaded)
    assert collator_for(loaded, TrainingSettings(), 32).share is False  # type: ignore[union-attr]
    assert not has_dropout(load_kind("llama"))


def test_attention_dropout_leaves_out_the_share_that_it_says() -> None:
    layout = Layout(0, [40, 40], torch.device("cpu"))
    query, value = torch.zeros(1, 2, 80, 8), torch.ones(1, 2, 80, 8)
    for longest in (1000, 0):  # by plain products, and by torch's own kernel
        flat_attention.PLAIN[torch.float32], before = longest, flat_attention.PLAIN[torch.float32]
        try:
            found, _ = flat_attention.attend(
                nn.Module(), query, query, value, None, dropout=0.5, layout=layout
            )
        finally:
            flat_attention.PLAIN[torch.float32] = before
        assert float(found.mean()) == pytest.approx(1, abs=0.1)
        assert float(found.std()) > 0.1


def test_rows_of_about_one_length_are_attended_to_together() -> None:
    groups = alike([(0, 10), (10, 100), (110, 11), (121, 90), (211, 3)])
    assert groups == [[(211, 3)], [(0, 10), (110, 11)], [(121, 90), (10, 100)]]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("part", [1, 7 * 50, 10**6])
def test_a_fused_loss_is_that_of_all_logits_at_once(bias: bool, part: int) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(23, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    offset = torch.randn(50, requires_grad=True) if bias else None
    targets = torch.randint(0, 50, (23,))
    given = [one for one in (hidden, weight, offset) if one is not None]
    expected = functional.cross_entropy(
        functional.linear(hidden, weight, offset), targets, reduction="sum"
    )
    reference = torch.autograd.grad(expected * 3, given)
    found = fused_cross_entropy(hidden, weight, offset, targets, part)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    for one, other in zip(torch.autograd.grad(found * 3, given), reference, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_many_logits_are_never_all_held(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_kind("llama")
    rows = BATCHES["of all lengths"]
    expected = alone(loaded.model, rows)
    shapes = []
    loaded.model.get_output_embeddings().register_forward_hook(
        lambda _module, _given, found: shapes.append(found.shape)
    )
    assert isinstance(collator_for(loaded, TrainingSettings(), 32), FlatCollator)
    shapes.clear()
    monkeypatch.setattr(losses, "LARGE", 1)
    batch = FlatCollator()(rows)
    with attention_for(loaded, batch):
        found = loss_of(loaded.model, batch, loaded)
    assert not shapes
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_head_that_does_more_than_a_product_is_not_fused() -> None:
    assert not losses.plain_head(load_kind("gemma2"))  # caps its logits


def test_activations_computed_anew_change_no_gradient() -> None:
    loaded = load_kind("llama")
    loaded.model.requires_grad_(True).train()
    rows = BATCHES["of all lengths"]
    found = []
    for settings in (TrainingSettings(), TrainingSettings(activation_checkpointing=True)):
        batch = FlatCollator()(rows)
        with arranged(loaded, settings), attention_for(loaded, batch):
            loss_of(loaded.model, batch, loaded).backward()
        found.append(gradients(loaded.model))
        assert not loaded.model.is_activation_checkpointing
    assert torch.equal(*found)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("settings", [{}, {"method": "rslora"}, {"method": "dora"}])
def test_lora_in_fewer_passes_gives_the_same_losses_and_gradients(
    settings: dict[str, Any], mixed: bool
) -> None:
    loaded = load_kind("llama")
    if mixed:
        loaded.model.bfloat16()
        loaded.dtype = torch.bfloat16
    made = TrainingSettings(**settings)
    lay(loaded, made)
    for name, one in loaded.model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(one, std=0.05)
    batch = FlatCollator()(BATCHES["of all lengths"])
    loaded.model.train()
    found = []
    for around in (nullcontext(), arranged(loaded, made)):
        with around:
            with attention_for(loaded, batch):
                loss = loss_of(loaded.model, batch, loaded)
                loss.backward()
            with loaded.answering("base"):
                base = loaded.model(torch.tensor([[5, 6, 7]])).logits
        found.append((loss.detach(), gradients(loaded.model), base))
    (plain, reference, base), (fast, slopes, again) = found
    near = 2e-2 if mixed else 1e-5
    assert fast.item() == pytest.approx(plain.item(), rel=near)
    assert float((slopes - reference).norm() / reference.norm()) < 3 * near
    assert torch.equal(base, again)
    assert not any("forward" in vars(one) for one in loaded.model.modules())
