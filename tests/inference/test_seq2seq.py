"""Encoder-decoders answer what transformers' generate answers, whoever stands beside them."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.translating import PAIRS, ROWS, load_pairs_model
from workbench.data.examples import expected_answer, prompt_ids
from workbench.data.formats import recognise
from workbench.data.prompting import PromptError, encode_turns
from workbench.data.sources import memory_table
from workbench.inference.answering import Answer, Question, Wanted
from workbench.inference.errors import ModelError
from workbench.inference.loaded import LoadedModel
from workbench.inference.seq2seq import Seq2SeqAnswerer
from workbench.session import DatasetSettings, GenerationSettings, Prompt

NEVER = threading.Event()
SETTINGS = GenerationSettings(max_new_tokens=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=["t5", "marian"])
def loaded(request: pytest.FixtureRequest, folder: Path) -> LoadedModel:
    made = load_pairs_model(folder, request.param)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for parameter in made.model.parameters():  # far apart, so that no two tokens are a tie
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return made


def questions(answerer: Seq2SeqAnswerer) -> list[Question]:
    return [answerer.question([{"role": "user", "content": row["en"]}]) for row in ROWS[:12]]


def generated(loaded: LoadedModel, question: Question, **settings: Any) -> list[int]:
    """By transformers, without the token that starts it."""
    made = loaded.model.generate(
        input_ids=torch.tensor([question.ids]), max_new_tokens=5, do_sample=False, **settings
    )
    return made[0, 1:].tolist()


def decoded(loaded: LoadedModel, ids: list[int]) -> str:
    return str(loaded.tokenizer.decode(ids, skip_special_tokens=True))


@pytest.mark.parametrize("beams", [1, 3])
def test_answers_are_those_of_generate_one_by_one_and_together(
    loaded: LoadedModel, beams: int
) -> None:
    answerer = Seq2SeqAnswerer(loaded, "base", most=5)
    asked = questions(answerer)
    settings = GenerationSettings(max_new_tokens=5, num_beams=beams)
    expected = [
        decoded(loaded, generated(loaded, one, num_beams=beams, early_stopping=True))
        for one in asked
    ]
    together: dict[int, Answer] = {}
    answerer.write(asked, settings, together.__setitem__, NEVER)
    assert [together[n].text for n in range(len(asked))] == expected
    assert len(set(expected)) > 3
    for question, text in zip(asked, expected, strict=True):
        heard: list[str] = []
        answer = answerer.stream(
            question, settings, lambda piece, _count, _tokens, heard=heard: heard.append(piece),
            NEVER,
        )  # fmt: skip
        assert answer.text == "".join(heard) == text


def test_probabilities_of_answers_are_the_models_own(loaded: LoadedModel) -> None:
    answerer = Seq2SeqAnswerer(loaded, "base", most=5)
    asked = questions(answerer)
    found: dict[int, tuple[float, int]] = {}
    answerer.likelihood(
        asked, [row["fr"] for row in ROWS[:12]],
        lambda n, score, count: found.__setitem__(n, (score, count)), NEVER,
    )  # fmt: skip
    for number, question in enumerate(asked):
        labels = torch.tensor([loaded.tokenizer(text_target=ROWS[number]["fr"])["input_ids"]])
        with torch.no_grad():
            loss = loaded.model(input_ids=torch.tensor([question.ids]), labels=labels).loss
        score, count = found[number]
        assert count == labels.shape[1]
        assert score == pytest.approx(-float(loss) * count, abs=1e-3)
    labels_of = ["un", "deux trois", "rouge"]
    scores: dict[int, list[float]] = {}
    answerer.choose(asked, labels_of, scores.__setitem__, NEVER)
    answerer.likelihood(
        asked[:1] * 3, labels_of, lambda n, score, _: found.__setitem__(n, (score, 0)), NEVER
    )
    assert scores[0] == pytest.approx([found[n][0] for n in range(3)], abs=1e-3)
    assert len(scores) == 12


def test_what_was_said_can_be_gone_on_from_and_tokens_are_told(loaded: LoadedModel) -> None:
    answerer = Seq2SeqAnswerer(loaded, "base")
    question = questions(answerer)[0]
    tokens: list[Any] = []
    whole = answerer.stream(
        question,
        SETTINGS,
        lambda _text, _count, told: tokens.extend(told),
        NEVER,
        Wanted(alternatives=3),
    )
    assert [one.id for one in tokens] == generated(loaded, question)
    assert whole.logprob == pytest.approx(sum(one.logprob for one in tokens))
    rest = answerer.stream(
        question, SETTINGS, lambda *_: None, NEVER, Wanted(begin=[one.id for one in tokens[:2]])
    )
    assert rest.text == whole.text


def test_a_stop_ends_an_answer_between_two_tokens(loaded: LoadedModel) -> None:
    answerer = Seq2SeqAnswerer(loaded, "base")
    stopped = threading.Event()
    count: list[int] = []

    def hear(_text: str, _count: int, _tokens: Any) -> None:
        count.append(1)
        if len(count) == 2:
            stopped.set()

    settings = GenerationSettings(max_new_tokens=60)
    answer = answerer.stream(questions(answerer)[0], settings, hear, stopped)
    assert answer.tokens == 2
    assert answer.reason == "stopped"


def test_drawn_answers_are_the_seeds(loaded: LoadedModel) -> None:
    answerer = Seq2SeqAnswerer(loaded, "base")
    question = questions(answerer)[1]
    settings = GenerationSettings(max_new_tokens=5, do_sample=True, temperature=3.0, seed=4)
    texts = {answerer.stream(question, settings, lambda *_: None, NEVER).text for _ in range(3)}
    assert len(texts) == 1


def test_too_long_is_said(loaded: LoadedModel) -> None:
    answerer = Seq2SeqAnswerer(loaded, "base")
    limit = loaded.context_length
    long = Question(ids=[5] * (limit + 1))
    with pytest.raises(ModelError, match=rf"has {limit + 1:,} tokens and .* reads {limit:,}"):
        answerer.stream(long, SETTINGS, lambda *_: None, NEVER)
    found: dict[int, Answer] = {}
    answerer.write([long, questions(answerer)[0]], SETTINGS, found.__setitem__, NEVER)
    assert found[0].reason == "failed"
    assert found[1].problem == ""
    too_many = GenerationSettings(max_new_tokens=limit + 1)
    with pytest.raises(ModelError, match=r"lower generation.max_new_tokens"):
        answerer.stream(questions(answerer)[0], too_many, lambda *_: None, NEVER)


def test_a_row_is_asked_without_a_chats_words(loaded: LoadedModel) -> None:
    table = memory_table(ROWS)
    found = recognise(table.columns, ROWS, DatasetSettings(), Prompt())
    assert found.format == "translation"
    ids = prompt_ids(loaded.tokenizer, Prompt(), found, ROWS[0])
    t5 = loaded.tokenizer.encoder_decoder == "t5"
    source = "translate English to French: one" if t5 else "one"
    assert ids == loaded.tokenizer(source)["input_ids"]
    assert expected_answer(Prompt(), found, ROWS[0]) == PAIRS[0][1]
    own = Prompt(template="{{ en }}", completion="{{ fr }}")
    assert (
        prompt_ids(loaded.tokenizer, own, found, ROWS[0]) == (loaded.tokenizer("one")["input_ids"])
    )
    with pytest.raises(PromptError, match="leave the prompt's answer_start empty"):
        encode_turns(loaded.tokenizer, [{"role": "user", "content": "one"}], "un")
