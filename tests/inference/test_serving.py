"""The servers of others: `transformers serve` itself, and what vLLM says of a given answer."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.servers import FakeServer
from tests.serving import serving
from workbench.inference.answering import Answer
from workbench.inference.endpoints import EndpointAnswerer, check
from workbench.inference.local import LocalAnswerer
from workbench.inference.model import load_model
from workbench.inference.prefixes import Prefixes
from workbench.session import GenerationSettings, ModelSettings

QUESTIONS = [
    "What is the capital of France?",
    "Name three colours.",
    "Review: A warm and funny film.\nPositive or negative?",
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSettings]:
    with serving(tmp_path_factory.mktemp("serve")) as made:
        yield made


def plain_answers(folder: str, count: int) -> list[str]:
    """What transformers answers by itself, greedily, a question at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    answers = []
    for question in QUESTIONS:
        given = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        made = model.generate(**given, max_new_tokens=count, do_sample=False)
        new = made[0, given["input_ids"].shape[1] :]
        answers.append(tokenizer.decode(new, skip_special_tokens=True))
    return answers


def test_transformers_serve_answers_as_transformers_does(served: ModelSettings) -> None:
    checked = check(served)
    assert (checked.models, checked.note) == ([served.name], "")
    wanted = plain_answers(served.name, 10)
    answerer = EndpointAnswerer(served)
    questions = [answerer.question([{"role": "user", "content": text}]) for text in QUESTIONS]
    settings = GenerationSettings(max_new_tokens=10)
    answers: dict[int, Answer] = {}
    answerer.write(questions, settings, answers.__setitem__, threading.Event())
    assert [answers[n].text for n in range(3)] == wanted
    assert all(answer.problem == "" and answer.tokens for answer in answers.values())
    told: list[str] = []
    answer = answerer.stream(
        questions[0], settings, lambda text, *_: told.append(text), threading.Event()
    )
    assert answer.text == "".join(told) == wanted[0]
    assert len(told) > 3


def test_transformers_serve_samples_where_it_is_asked_to(served: ModelSettings) -> None:
    answerer = EndpointAnswerer(served)
    question = answerer.question([{"role": "user", "content": "Tell me about the sea."}])

    def sampled(seed: int) -> str:
        settings = GenerationSettings(
            max_new_tokens=8, do_sample=True, temperature=1.5, top_p=1.0, top_k=0, seed=seed
        )
        return answerer.stream(question, settings, lambda *_: None, threading.Event()).text

    first = sampled(1)
    assert first == sampled(1)
    assert first != sampled(2)


# --- vLLM, as its sources say it answers ----------------------------------------------------------


@pytest.fixture
def local(tiny_model: Path) -> LocalAnswerer:
    settings = ModelSettings(name=str(tiny_model), dtype="float32", device="cpu")
    loaded = load_model(settings, Path(), lambda *_: None)
    return LocalAnswerer(loaded, "base", Prefixes())


def like_vllm(server: FakeServer, local: LocalAnswerer) -> None:
    """Let a server answer /tokenize and completions with echo from a model, as vLLM does."""
    tokenizer, model = local.loaded.tokenizer, local.loaded.model

    def tokenize(body: dict[str, Any]) -> dict[str, Any]:
        if "prompt" in body:
            ids = tokenizer(body["prompt"], add_special_tokens=body["add_special_tokens"])
            return {"tokens": ids["input_ids"]}
        text = tokenizer.apply_chat_template(
            body["messages"],
            tokenize=False,
            add_generation_prompt=body["add_generation_prompt"],
            continue_final_message=body["continue_final_message"],
        )
        return {"tokens": tokenizer(text, add_special_tokens=False)["input_ids"]}

    def complete(body: dict[str, Any]) -> dict[str, Any]:
        assert body["echo"]
        assert body["max_tokens"] == 1
        choices = []
        for index, prompt in enumerate(body["prompt"]):
            ids = torch.tensor([prompt])
            with torch.no_grad():
                logprobs = model(input_ids=ids).logits[0].log_softmax(-1)
            found = logprobs[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist()
            told = [None, *found, float(logprobs[-1].max())]
            choices.append({"index": index, "text": "", "logprobs": {"token_logprobs": told}})
        return {"choices": choices[::-1]}

    server.owner = "vllm"
    server.routes = {"/tokenize": tokenize, "/v1/completions": complete}


@pytest.mark.parametrize("labels", [["positive", "negative"], ["yes", "not at all", "no"]])
@pytest.mark.parametrize("start", ["", "It is"])
def test_labels_are_scored_on_vllm_as_in_memory(
    local: LocalAnswerer, labels: list[str], start: str
) -> None:
    turns = [{"role": "user", "content": "A film.\nPositive or negative?"}]
    wanted: dict[int, list[float]] = {}
    local.choose([local.question(turns, start)], labels, wanted.__setitem__, threading.Event())
    with FakeServer() as server:
        like_vllm(server, local)
        answerer = EndpointAnswerer(server.settings())
        answerer.connect(threading.Event())
        assert answerer.scores
        found: dict[int, list[float]] = {}
        question = answerer.question(turns, start)
        answerer.choose([question], labels, found.__setitem__, threading.Event())
    assert found[0] == pytest.approx(wanted[0], abs=1e-4)


def test_a_given_answer_is_as_likely_on_vllm_as_in_memory(local: LocalAnswerer) -> None:
    turns = [{"role": "user", "content": "Say something."}]
    wanted: list[tuple[int, float, int]] = []
    found: list[tuple[int, float, int]] = []
    stopped = threading.Event()
    local.likelihood(
        [local.question(turns)], ["in the end"], lambda *said: wanted.append(said), stopped
    )
    with FakeServer() as server:
        like_vllm(server, local)
        answerer = EndpointAnswerer(server.settings())
        answerer.connect(stopped)
        answerer.likelihood(
            [answerer.question(turns)], ["in the end"], lambda *said: found.append(said), stopped
        )
    assert found[0][1] == pytest.approx(wanted[0][1], abs=1e-4)
    assert found[0][2] == wanted[0][2]
