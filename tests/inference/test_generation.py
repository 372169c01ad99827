import threading
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.work import PROMPT, load_tiny, nobody_listens
from workbench.data.prompting import encode_prompt
from workbench.inference.generation import generate
from workbench.inference.model import LoadedModel, ModelError
from workbench.session import GenerationSettings

VALUES = {"text": "A warm and funny film.", "label": "positive"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


def answer(loaded: LoadedModel, settings: GenerationSettings, stopped=None, on_text=nobody_listens):
    ids = encode_prompt(loaded.tokenizer, PROMPT, VALUES)
    return generate(loaded, ids, settings, "base", stopped or threading.Event(), on_text)


def test_a_greedy_answer_is_that_of_plain_transformers(tiny: LoadedModel) -> None:
    ids = encode_prompt(tiny.tokenizer, PROMPT, VALUES)
    plain = AutoModelForCausalLM.from_pretrained(
        tiny.model.config._name_or_path, dtype=torch.float32
    )
    expected = plain.generate(torch.tensor([ids]), max_new_tokens=40, do_sample=False)[
        0, len(ids) :
    ]
    made = answer(tiny, GenerationSettings(max_new_tokens=40))
    assert made.tokens == len(expected)
    assert made.text == tiny.tokenizer.decode(expected, skip_special_tokens=True)
    assert made.reason == "length"


def test_text_comes_token_by_token_and_adds_up(tiny: LoadedModel) -> None:
    pieces: list[tuple[str, int]] = []
    settings = GenerationSettings(max_new_tokens=60, do_sample=True, temperature=3.0, top_k=0)
    made = answer(tiny, settings, on_text=lambda text, count: pieces.append((text, count)))
    assert "".join(text for text, _ in pieces) == made.text
    assert sum(count for _, count in pieces) == made.tokens
    assert len(pieces) >= made.tokens > 5
    assert made.tokens_per_second > 0
    assert made.seconds_to_first > 0


def test_an_answer_stops_at_the_next_token(tiny: LoadedModel) -> None:
    stopped, seen = threading.Event(), []

    def third(text: str, count: int) -> None:
        seen.append(text)
        if len(seen) == 3:
            stopped.set()

    made = answer(tiny, GenerationSettings(max_new_tokens=100), stopped, third)
    assert made.reason == "stopped"
    assert made.tokens in (3, 4)  # the next token may be under way already


def test_an_answer_stopped_before_it_begins_is_empty(tiny: LoadedModel) -> None:
    stopped = threading.Event()
    stopped.set()
    made = answer(tiny, GenerationSettings(), stopped)
    assert (made.text, made.tokens, made.reason) == ("", 0, "stopped")


def test_a_seed_gives_the_same_sample_and_leaves_the_random_numbers_alone(
    tiny: LoadedModel,
) -> None:
    settings = GenerationSettings(max_new_tokens=20, do_sample=True, temperature=2.0, seed=7)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = answer(tiny, settings)
    assert torch.equal(torch.rand(3), expected)
    assert answer(tiny, settings).text == first.text
    other = GenerationSettings(max_new_tokens=20, do_sample=True, temperature=2.0, seed=8)
    assert answer(tiny, other).text != first.text


def test_what_the_models_own_generation_config_says_does_not_leak_in(tmp_path: Path) -> None:
    plain = answer(load_tiny(tmp_path), GenerationSettings(max_new_tokens=20))
    (tmp_path / "tiny" / "generation_config.json").write_text(
        '{"eos_token_id": 2, "repetition_penalty": 5.0, "do_sample": true, "temperature": 9.0,'
        ' "max_length": 3, "suppress_tokens": [10, 11, 12]}'
    )
    assert answer(load_tiny(tmp_path), GenerationSettings(max_new_tokens=20)).text == plain.text


def test_a_prompt_too_long_for_the_context_is_refused_and_not_cut(tiny: LoadedModel) -> None:
    with pytest.raises(ModelError, match=r"has 600 tokens .* room for 502 of its 512"):
        generate(
            tiny,
            [5] * 600,
            GenerationSettings(max_new_tokens=10),
            "base",
            threading.Event(),
            nobody_listens,
        )


def test_a_model_in_training_goes_on_training_after_an_answer(tiny: LoadedModel) -> None:
    tiny.model.train()
    answer(tiny, GenerationSettings(max_new_tokens=3))
    assert tiny.model.training
    tiny.model.eval()
