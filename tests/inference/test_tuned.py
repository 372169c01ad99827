"""Virtual tokens answer as peft's own forward says, whichever way the rows are read."""

import random
import threading
from pathlib import Path

import pytest
import torch

from tests.inference.kinds import load_kind
from tests.work import fine_tune, load_tiny, nobody_listens
from workbench.inference.abilities import MANNERS
from workbench.inference.answering import Question
from workbench.inference.errors import ModelError
from workbench.inference.fingerprints import fingerprint
from workbench.inference.generation import generate
from workbench.inference.loaded import LoadedModel
from workbench.inference.local import LocalAnswerer
from workbench.inference.prefixes import Prefixes
from workbench.session import GenerationSettings, Prompt, Session, TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.methods import lay

PROMPT = Prompt(system="You label film reviews as a kind critic would.", template="{{ text }}")
VIRTUAL = ["prompt_tuning", "prefix_tuning"]
STATES = ["deepseek_v3", "mamba", "lfm2"]  # keep something other than keys and values
NEVER = threading.Event()


def laid(loaded: LoadedModel, method: str) -> LoadedModel:
    """Virtual tokens over the model, moved from where they began."""
    lay(loaded, TrainingSettings(method=method), Session(prompts=[PROMPT]))
    torch.manual_seed(1)
    with torch.no_grad():
        for one in loaded.model.prompt_encoder.parameters():
            one.add_(torch.randn_like(one) * one.std() * 0.3)
    return loaded


@pytest.fixture(
    scope="module", params=[(k, m) for k in ("llama", "gpt2") for m in VIRTUAL], ids=str
)
def tuned(request: pytest.FixtureRequest) -> LoadedModel:
    kind, method = request.param
    loaded = load_kind(kind)
    if kind == "gpt2":  # its configuration has no such number; peft would believe it
        del loaded.model.config.num_key_value_heads
    return laid(loaded, method)


def questions(count: int = 5, common: int = 20) -> list[Question]:
    chance = random.Random(0)
    begun = [chance.randrange(3, 600) for _ in range(common)]
    return [
        Question(ids=[*begun, *(chance.randrange(3, 600) for _ in range(2 + n))])
        for n in range(count)
    ]


def whole(loaded: LoadedModel, ids: list[int]) -> torch.Tensor:
    """What peft says of one row, float32 [tokens, words]."""
    with loaded.answering("tuned"):
        said = loaded.model(input_ids=torch.tensor([ids])).logits[0].float()
    return said[-len(ids) :]


def greedy(loaded: LoadedModel, ids: list[int], count: int) -> list[int]:
    made: list[int] = []
    while len(made) < count and not (made and made[-1] in loaded.end_tokens):
        made.append(int(whole(loaded, [*ids, *made])[-1].argmax()))
    return made


def text(loaded: LoadedModel, ids: list[int]) -> str:
    return str(loaded.tokenizer.decode(ids, skip_special_tokens=True))


@pytest.mark.parametrize("manner", ["fused", "plain", "repeated", "whole"])
def test_answers_and_scores_are_those_of_pefts_forward(tuned: LoadedModel, manner: str) -> None:
    asked, labels = questions(), ["positive", "negative", "so so"]
    MANNERS[tuned.base] = manner  # type: ignore[assignment]
    answerer = LocalAnswerer(tuned, "tuned", Prefixes(), most=3)
    scores: dict[int, list[float]] = {}
    answerer.choose(asked, labels, scores.__setitem__, NEVER)
    found: dict[int, str] = {}
    settings = GenerationSettings(max_new_tokens=4)
    answerer.write(asked, settings, lambda n, one: found.__setitem__(n, one.text), NEVER)
    for n, question in enumerate(asked):
        assert found[n] == text(tuned, greedy(tuned, question.ids, 4))
        for label, score in zip(labels, scores[n], strict=True):
            ids = [*answerer.encode(question.before + label), *end(tuned, labels, answerer)]
            said = whole(tuned, [*question.ids, *ids]).log_softmax(-1)
            rows = said[len(question.ids) - 1 : -1]
            expected = sum(float(row[one]) for row, one in zip(rows, ids, strict=True))
            assert score == pytest.approx(expected, abs=2e-3)


def end(loaded: LoadedModel, labels: list[str], answerer: LocalAnswerer) -> list[int]:
    """The end of the turn, where labels are compared with it."""
    from workbench.data.prompting import end_of_turn
    from workbench.inference.choice import with_ends

    ids = [answerer.encode(label) for label in labels]
    ends = list(end_of_turn(loaded.tokenizer))
    return ends if with_ends(ids, ends)[0] != ids[0] else []


def test_one_answer_at_a_time_goes_on_from_the_last_prompt(tuned: LoadedModel) -> None:
    prefixes = Prefixes()
    answerer = LocalAnswerer(tuned, "tuned", prefixes)
    settings = GenerationSettings(max_new_tokens=5)
    for question in questions(3, common=40):
        said = answerer.stream(question, settings, nobody_listens, NEVER)
        assert said.text == text(tuned, greedy(tuned, question.ids, 5))
    assert prefixes.kept
    assert {one.virtual for one in prefixes.kept.values()} == {tuned.virtual_tokens}


@pytest.mark.parametrize("method", VIRTUAL)
@pytest.mark.parametrize("kind", ["qwen3", "mistral", "gemma3_text", *STATES])
def test_every_architecture_that_can_reads_them_right(kind: str, method: str) -> None:
    """Windows, latent keys, states: a window is shorter than the virtual tokens and the row."""
    loaded = load_kind(kind)
    if method == "prefix_tuning" and kind in STATES:
        with pytest.raises(TrainingError, match="cannot have a tuned prefix"):
            laid(loaded, method)
        assert not loaded.has_tuned
        return
    laid(loaded, method)
    settings = GenerationSettings(max_new_tokens=4)
    for question in questions(2, common=30):
        made = generate(loaded, question.ids, settings, "tuned", NEVER, nobody_listens)
        assert made.text == text(loaded, greedy(loaded, question.ids, 4))


def test_a_model_that_keeps_nothing_reads_a_tuned_prompt_each_time() -> None:
    loaded = laid(load_kind("openai-gpt"), "prompt_tuning")
    ids = questions(1, common=3)[0].ids
    settings = GenerationSettings(max_new_tokens=3)
    made = generate(loaded, ids, settings, "tuned", NEVER, nobody_listens)
    assert made.text == text(loaded, greedy(loaded, ids, 3))


@pytest.mark.parametrize("method", VIRTUAL)
def test_before_the_first_step_the_model_answers_as_if_the_words_stood_there(method: str) -> None:
    loaded = load_kind("llama")
    words = loaded.tokenizer(PROMPT.system)["input_ids"]
    ids = questions(1)[0].ids
    with loaded.answering("base"):
        expected = loaded.model(input_ids=torch.tensor([[*words, *ids]])).logits[0, len(words) :]
    done = lay(loaded, TrainingSettings(method=method), Session(prompts=[PROMPT]))
    assert done.about["virtual_tokens"] == loaded.virtual_tokens == len(words)
    assert PROMPT.system in done.reasons[0]
    torch.testing.assert_close(whole(loaded, ids), expected.float(), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("method", VIRTUAL)
def test_rows_padded_on_the_left_are_the_rows(method: str) -> None:
    loaded = laid(load_kind("llama"), method)
    ids = questions(1)[0].ids
    inputs = {
        "input_ids": torch.tensor([[0, 0, 0, *ids]]),
        "attention_mask": torch.tensor([[0, 0, 0, *[1] * len(ids)]]),
        "position_ids": torch.tensor([[0, 0, 0, *range(len(ids))]]),
    }
    with loaded.answering("tuned"):
        found = loaded.model(**inputs).logits[0, -len(ids) :]
    torch.testing.assert_close(found.float(), whole(loaded, ids), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("method", VIRTUAL)
def test_virtual_tokens_take_of_the_context_and_the_base_keeps_all_of_it(method: str) -> None:
    loaded = laid(load_kind("llama"), method)
    virtual = loaded.virtual_tokens
    assert loaded.room("tuned") == 512 - virtual == loaded.status().context_length
    assert loaded.room("base") == 512
    ids = [5] * (512 - virtual)
    settings = GenerationSettings(max_new_tokens=1)
    with pytest.raises(ModelError, match=f"of its {512 - virtual} beside"):
        generate(loaded, ids, settings, "tuned", NEVER, nobody_listens)
    generate(loaded, ids, settings, "base", NEVER, nobody_listens)


METHODS = ["full", "lora", "dora", "prompt_tuning", "prefix_tuning"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize(
    ("method", "dtype"), [*((one, "bfloat16") for one in METHODS), ("full", "float32")]
)
def test_tuned_weights_of_a_folder_answer_as_those_in_memory(
    workspace: Path, tmp_path: Path, method: str, dtype: str
) -> None:
    loaded = load_tiny(workspace, dtype=dtype)
    before = fingerprint(loaded, "base")
    fine_tune(loaded, workspace, f"{method}-{dtype}", method=method, max_steps=2, pinned_count=0)
    ids = questions(1)[0].ids
    with loaded.answering("base"):
        base = loaded.model(input_ids=torch.tensor([ids])).logits
    expected = whole(loaded, ids)
    loaded.save_tuned(tmp_path / "saved")
    other = load_tiny(workspace, dtype=dtype)
    other.load_tuned(str(tmp_path / "saved"), workspace)
    assert torch.equal(whole(other, ids), expected)
    with other.answering("base"):
        assert torch.equal(other.model(input_ids=torch.tensor([ids])).logits, base)
    assert fingerprint(other, "base") == fingerprint(loaded, "base") == before
    assert fingerprint(other, "tuned") == fingerprint(loaded, "tuned") != before
    assert other.status().trainable == 0
    other.load_tuned(f"{method}-{dtype}", workspace)  # over those that lie there
    assert torch.equal(whole(other, ids), expected)
    other.drop_tuned()
    assert not other.has_tuned
    with other.answering("base"):
        assert torch.equal(other.model(input_ids=torch.tensor([ids])).logits, base)
