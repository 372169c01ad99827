"""Weights in 4 bits: what transformers is told when they are read. bitsandbytes itself and a GPU
are not needed; a model of the ordinary kind stands for the one in 4 bits."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from tests.work import load_tiny, nobody_listens
from workbench.inference.errors import ModelError
from workbench.inference.model import check_memory, load_model
from workbench.session import ModelSettings

TINY = ModelSettings(name="tiny", dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("four-bits")
    load_tiny(made)
    return made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each reading of weights was told of 4 bits."""
    seen: list[dict[str, Any]] = []
    own = AutoModelForCausalLM.from_pretrained

    def from_pretrained(*arguments: Any, **named: Any) -> Any:
        bits = {key: named.pop(key, None) for key in ("quantization_config", "device_map")}
        seen.append(bits)
        return own(*arguments, **named)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", from_pretrained)
    return seen


def test_weights_are_read_straight_into_four_bits(folder: Path, told: list[dict[str, Any]]) -> None:
    loaded = load_model(TINY, folder, nobody_listens, quantised=True)
    assert loaded.quantised
    assert len(told) == 1  # and never in 16 bits before
    config = told[0]["quantization_config"]
    assert config.load_in_4bit
    assert config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_use_double_quant
    assert told[0]["device_map"] == {"": loaded.device}
    loaded.quantise()
    assert len(told) == 1  # they are there already
    loaded.quantise(False)
    assert told[1] == {"quantization_config": None, "device_map": None}


def test_weights_that_fit_in_four_bits_alone_are_not_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil
    import torch

    size = sum(file.stat().st_size for file in (folder / "tiny").glob("*.safetensors"))

    class Free:
        available = size // 2

    monkeypatch.setattr(psutil, "virtual_memory", Free)
    device = torch.device("cpu")
    check_memory("tiny", folder / "tiny", device, 0.52)
    with pytest.raises(ModelError, match="are free"):
        check_memory("tiny", folder / "tiny", device, 2)
