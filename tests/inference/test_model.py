import json
import struct
from pathlib import Path

import pytest
import torch

from tests.tiny import make_tiny_model, make_tiny_tokenizer
from tests.work import fine_tune, load_tiny, nobody_listens
from workbench.inference import device
from workbench.inference.gguf import convert
from workbench.inference.model import ModelError, load_model
from workbench.inference.tokenizer import load_tokenizer
from workbench.session import ModelSettings


def load(folder: Path, name: str = "tiny", **settings):
    return load_model(ModelSettings(name=name, device="cpu", **settings), folder, nobody_listens)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_tiny_model(tmp_path / "tiny")
    return tmp_path


def test_a_folder_is_loaded_and_describes_itself(workspace: Path) -> None:
    status = load(workspace, dtype="float32").status()
    assert (status.name, status.device, status.dtype) == ("tiny", "cpu", "float32")
    assert (status.context_length, status.chat, status.trainable) == (512, True, 0)
    assert status.parameters == 112448


def test_bfloat16_is_chosen_where_the_processor_is_good_at_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for unit, dtype in (("amx_bf16", torch.bfloat16), ("", torch.float32)):
        monkeypatch.setattr(device, "bfloat16_unit", lambda unit=unit: unit)
        loaded = load(workspace)
        assert loaded.dtype == dtype
        assert (unit or "no unit for bfloat16") in loaded.dtype_reason


def test_a_bare_encoder_answers_nothing(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=600, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path / "bert")
    make_tiny_tokenizer().save_pretrained(tmp_path / "bert")
    with pytest.raises(ModelError, match=r"^bert is an encoder \(bert\) without a head"):
        load(tmp_path, "bert")


def test_weights_in_a_pickle_are_refused(workspace: Path) -> None:
    (workspace / "tiny" / "model.safetensors").rename(workspace / "tiny" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"tiny has its weights only as a pickle"):
        load(workspace)


def test_code_that_comes_with_a_model_needs_a_yes(workspace: Path) -> None:
    path = workspace / "tiny" / "config.json"
    config = json.loads(path.read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    path.write_text(json.dumps(config))
    (workspace / "tiny" / "own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError, match=r"Python code of its own; .*trust_remote_code = true"):
        load(workspace)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}broken", "tiny cannot be loaded from"),
        ("config.json", b"{", "config.json cannot be read"),
        ("config.json", b'{"model_type": "unheard-of"}', "of a kind that this program"),
        ("tokenizer.json", b"{", "tokenizer of tiny cannot be read"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_the_model(
    workspace: Path, file: str, content: bytes, sentence: str
) -> None:
    (workspace / "tiny" / file).write_bytes(content)
    with pytest.raises(ModelError, match=sentence) as caught:
        load(workspace)
    assert "tiny" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("./absent", r'there is no "./absent" in .*starter'),
        ("file.txt", r"is a file that is no GGUF"),
        ("nobody/nothing-of-this-name", r"is not on this machine and the hub cannot be reached"),
    ],
)
def test_a_model_that_is_not_there_says_what_to_do(
    workspace: Path, name: str, sentence: str
) -> None:
    (workspace / "file.txt").write_text("no model")
    with pytest.raises(ModelError, match=sentence):
        load(workspace, name)
    with pytest.raises(ModelError, match=sentence):
        load_tokenizer(ModelSettings(name=name), workspace, nobody_listens)


def test_a_model_larger_than_the_memory_is_refused_before_it_is_read(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    memory = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with pytest.raises(ModelError, match=r"tiny needs about .* GB are free; close other programs"):
        load(workspace)


def test_a_device_that_is_not_there_is_named(workspace: Path) -> None:
    settings = ModelSettings(name="tiny", device="cuda:7")
    with pytest.raises(ModelError, match=r'model.device: "cuda:7" cannot be used here'):
        load_model(settings, workspace, nobody_listens)


@pytest.mark.parametrize("device", ["banana", "cuda:x", "meta", ""])
def test_what_is_no_device_is_told_which_there_are(workspace: Path, device: str) -> None:
    settings = ModelSettings(name="tiny", device=device)
    with pytest.raises(ModelError, match=r"set it to auto, cpu, cuda, cuda:1 .*, mps or xpu\.$"):
        load_model(settings, workspace, nobody_listens)


def test_an_adapter_that_is_not_there_or_does_not_fit_leaves_the_base_model(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    loaded = load(workspace, dtype="float32")
    before = {name: one.clone() for name, one in loaded.model.named_parameters()}
    with pytest.raises(ModelError, match=r'neither a run nor a folder "absent"'):
        loaded.load_tuned("absent", workspace)
    (tmp_path_factory.getbasetemp() / "empty").mkdir()
    with pytest.raises(
        ModelError, match=r"should hold an adapter .* or a whole model and has none"
    ):
        loaded.load_tuned(str(tmp_path_factory.getbasetemp() / "empty"), workspace)
    other = tmp_path_factory.mktemp("other")
    run = fine_tune(load_tiny(other), other, "run")
    config = run.checkpoints / "checkpoint-12" / "adapter_config.json"
    config.write_text(config.read_text().replace('"r": 4', '"r": 8'))
    with pytest.raises(ModelError, match=r"does not fit tiny"):
        loaded.load_tuned("run", other)
    assert not loaded.has_adapter
    now = dict(loaded.model.named_parameters())
    assert set(now) == set(before)
    assert all(torch.equal(now[name], one) for name, one in before.items())


def test_a_gguf_file_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 10, 10))
    with pytest.raises(ModelError, match=r"cut.gguf cannot be read as a GGUF model"):
        convert(file, tmp_path / "made", nobody_listens)
    assert [path.name for path in tmp_path.iterdir()] == ["cut.gguf"]


def test_a_conversion_that_is_given_up_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "some.gguf"
    file.write_bytes(b"GGUF")

    class GivenUpError(Exception):
        pass

    def report(*_news: object) -> None:
        raise GivenUpError

    with pytest.raises(GivenUpError):
        convert(file, tmp_path / "made", report)
    assert [path.name for path in tmp_path.iterdir()] == ["some.gguf"]
