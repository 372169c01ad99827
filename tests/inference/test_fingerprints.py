"""Names of weights: of the same weights the same, of others another."""

from pathlib import Path

import pytest
import torch

from tests.work import fine_tune, load_tiny
from workbench.inference.fingerprints import content, fingerprint
from workbench.inference.model import LoadedModel


@pytest.fixture
def tuned(tmp_path: Path) -> LoadedModel:
    loaded = load_tiny(tmp_path)
    fine_tune(loaded, tmp_path, "run", max_steps=2)
    return loaded


@pytest.mark.parametrize("way", [{"fused": True}, {"foreach": True}, {"foreach": False}])
def test_each_step_of_training_is_another_name(tuned: LoadedModel, way: dict[str, bool]) -> None:
    weights = [one for name, one in tuned.model.named_parameters() if "lora_" in name]
    for one in weights:
        one.requires_grad_(True)
    optimizer = torch.optim.AdamW(weights, lr=1e-2, **way)
    base, names = fingerprint(tuned, "base"), {fingerprint(tuned, "tuned")}
    for count in range(2, 4):
        for one in weights:
            one.grad = torch.ones_like(one)
        optimizer.step()
        names.add(fingerprint(tuned, "tuned"))
        assert len(names) == count
    assert fingerprint(tuned, "base") == base


def test_answers_while_a_model_is_trained_are_of_their_step(tmp_path: Path) -> None:
    from tests.work import Listener

    loaded = load_tiny(tmp_path)
    names: list[str] = []
    hooks = Listener(serve=lambda _step: names.append(fingerprint(loaded, "tuned")))
    fine_tune(loaded, tmp_path, "run", hooks, max_steps=4)
    assert len(set(names)) >= 4, "a name of before the first step, and of each but the last"
    assert fingerprint(loaded, "tuned") == fingerprint(loaded, "tuned") not in set(names[:-1])


def test_a_tensors_content_is_told_by_every_bit_and_its_place() -> None:
    one = torch.randn(1000, 7)
    assert content(one) == content(one.clone())
    changed = [one.clone(), one.flip(0), one[:, :6], one.clone()]
    changed[0][123, 4] = torch.nextafter(one[123, 4], torch.tensor(9.0))
    changed[3][5], changed[3][6] = one[6], one[5]
    assert len({content(one), *(content(other) for other in changed)}) == 5
    half = one.bfloat16()
    assert content(half) == content(half.clone()) != content(half + 1)
    assert content(torch.tensor([0.0])) != content(torch.tensor([-0.0]))


def test_weights_of_one_run_after_another_have_names_of_their_own(tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path)
    for name, rate in (("a", 1e-3), ("b", 1e-2)):
        fine_tune(loaded, tmp_path, name, method="full", learning_rate=rate, max_steps=2)
    names = []
    for name in ("a", "b", "a"):
        loaded.load_tuned(name, tmp_path)
        names.append(fingerprint(loaded, "tuned"))
    assert names[0] == names[2] != names[1]
