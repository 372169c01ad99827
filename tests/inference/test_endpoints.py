"""A server answers: well, badly, late or never, and the person reads one sentence about it."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import FakeServer, turned_round
from workbench.inference.answering import Answer, Question, Wanted
from workbench.inference.endpoints import EndpointAnswerer, check
from workbench.inference.errors import ModelError
from workbench.inference.several import HOPELESS
from workbench.protocol import Token
from workbench.session import GenerationSettings, ModelSettings

KEY = "sk-very/secret+key=0123456789"
SETTINGS = GenerationSettings(max_new_tokens=50)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as made:
        yield made


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def asked(text: str = "one two three") -> Question:
    return Question(turns=[{"role": "user", "content": text}])


def streamed(
    answerer: EndpointAnswerer, question: Question | None = None, **more: Any
) -> tuple[Answer, str, list[Token]]:
    """The answer, and what was told of it as it came."""
    told: list[str] = []
    tokens: list[Token] = []

    def on_text(text: str, _count: int, detail: list[Token]) -> None:
        told.append(text)
        tokens.extend(detail)

    settings = more.pop("settings", SETTINGS)
    stopped = more.pop("stopped", threading.Event())
    answer = answerer.stream(question or asked(), settings, on_text, stopped, Wanted(**more))
    return answer, "".join(told), tokens


def written(
    answerer: EndpointAnswerer, questions: list[Question], **more: Any
) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}

    def on_answer(position: int, answer: Answer) -> None:
        assert position not in answers, "told twice"
        answers[position] = answer

    settings = more.pop("settings", SETTINGS)
    stopped = more.pop("stopped", threading.Event())
    answerer.write(questions, settings, on_answer, stopped, **more)
    return answers


def refusal(answerer: EndpointAnswerer, **more: Any) -> str:
    """The sentence of a request that fails; it is one, and it is short."""
    with pytest.raises(ModelError) as raised:
        streamed(answerer, **more)
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 500
    assert text.endswith(".")
    return text


# --- a server that does what it should ------------------------------------------------------------


def test_an_answer_is_told_as_it_comes(server: FakeServer) -> None:
    answer, told, tokens = streamed(EndpointAnswerer(server.settings()))
    assert told == answer.text == "eerht owt eno"
    assert (answer.reason, answer.problem, answer.tokens) == ("end", "", 4)
    assert answer.logprob == pytest.approx(-0.75)
    assert tokens == answer.detail == []
    assert 0 < answer.seconds_to_first <= answer.seconds


def test_alternatives_come_with_their_probabilities(server: FakeServer) -> None:
    answer, _, tokens = streamed(EndpointAnswerer(server.settings()), alternatives=2)
    assert [token.text for token in tokens] == ["eerht", " owt", " eno"]
    assert tokens == answer.detail
    assert tokens[0].id == -1
    assert [option.logprob for option in tokens[0].options] == [-2.0, -3.0]


def test_an_answer_that_reaches_the_limit_says_so(server: FakeServer) -> None:
    answer, _, _ = streamed(
        EndpointAnswerer(server.settings()), settings=GenerationSettings(max_new_tokens=2)
    )
    assert (answer.text, answer.reason) == ("eerht owt", "length")


def test_many_questions_are_asked_at_once_and_no_more_than_allowed(server: FakeServer) -> None:
    server.delay = 0.05
    questions = [asked(f"row {n}") for n in range(24)]
    answers = written(EndpointAnswerer(server.settings(concurrency=4)), questions)
    assert [answers[n].text for n in range(24)] == [f"row {n}"[::-1] for n in range(24)]
    assert server.most_at_once == 4


def test_a_server_hears_all_settings_so_that_its_own_do_not_come_in(server: FakeServer) -> None:
    sampling = GenerationSettings(
        do_sample=True, temperature=0.3, top_p=0.8, top_k=7, repetition_penalty=1.2, seed=5
    )
    streamed(EndpointAnswerer(server.settings()), settings=sampling)
    body = server.requests[-1]
    wanted = {"temperature": 0.3, "top_p": 0.8, "top_k": 7, "repetition_penalty": 1.2, "seed": 5}
    assert {name: body[name] for name in wanted} == wanted
    streamed(EndpointAnswerer(server.settings()))
    assert server.requests[-1]["temperature"] == 0
    assert server.requests[-1]["repetition_penalty"] == 1.0


def test_a_server_lists_its_models(server: FakeServer) -> None:
    checked = check(server.settings())
    assert (checked.models, checked.note) == (["model", "other"], "")
    missing = check(server.settings(name="modle"))
    assert "no model modle; it has: model, other" in missing.note


def test_it_is_known_by_address_and_name(server: FakeServer) -> None:
    first, same = EndpointAnswerer(server.settings()), EndpointAnswerer(server.settings())
    streamed(first)
    assert first.fingerprint == same.fingerprint
    assert EndpointAnswerer(server.settings(name="other")).fingerprint != first.fingerprint
    assert first.context_length == 2048
    assert first.device == server.url.removeprefix("http://").removesuffix("/v1")


# --- what servers do not take ---------------------------------------------------------------------


def test_what_a_server_refuses_is_left_out_and_remembered(server: FakeServer) -> None:
    server.refuses = {"top_k", "repetition_penalty", "logprobs", "stream_options"}
    answerer = EndpointAnswerer(server.settings())
    settings = GenerationSettings(do_sample=True, top_k=7)
    assert streamed(answerer, settings=settings)[0].text == "eerht owt eno"
    before = server.asked
    assert streamed(answerer, settings=settings)[0].text == "eerht owt eno"
    assert server.asked == before + 1
    assert any("top_k" in note for note in answerer.notes)
    assert not any("repetition_penalty" in note for note in answerer.notes)  # 1 changes nothing


def test_new_models_of_openai_call_the_limit_by_another_name(server: FakeServer) -> None:
    server.refuses = {"max_tokens"}
    answer, _, _ = streamed(
        EndpointAnswerer(server.settings()), settings=GenerationSettings(max_new_tokens=2)
    )
    assert answer.text == "eerht owt"
    assert server.requests[-1]["max_completion_tokens"] == 2


def test_probabilities_that_do_not_come_are_missed_aloud(server: FakeServer) -> None:
    server.ignores = {"logprobs"}
    answerer = EndpointAnswerer(server.settings())
    answer, _, _ = streamed(answerer, alternatives=3)
    assert answer.logprob is None
    assert answerer.notes == ["The server tells no probabilities of tokens."]


@pytest.mark.parametrize("owner", ["vllm", "llamacpp", "someone"])
def test_an_answer_goes_on_from_its_start(server: FakeServer, owner: str) -> None:
    server.owner = owner
    server.answer = lambda _body: " film is good"
    answerer = EndpointAnswerer(server.settings())
    question = answerer.question([{"role": "user", "content": "?"}], "The")
    answer, told, _ = streamed(answerer, question, begin_text=" old")
    assert answer.text == told == " old film is good"
    body = server.requests[-1]
    assert body["messages"][-1] == {"role": "assistant", "content": "The old"}
    assert body.get("continue_final_message", False) == (owner != "llamacpp")


def test_a_server_that_cannot_go_on_is_asked_to_begin_so(server: FakeServer) -> None:
    server.refuses = {"continue_final_message"}
    server.answer = lambda _body: "The film is good"
    answerer = EndpointAnswerer(server.settings())
    question = answerer.question([{"role": "user", "content": "?"}], "The film")
    answer, told, _ = streamed(answerer, question)
    assert answer.text == told == " is good"
    assert server.requests[-1]["messages"][-1]["content"].endswith("\nThe film")
    assert any("cannot go on" in note for note in answerer.notes)
    assert question.turns == [{"role": "user", "content": "?"}]


def test_transformers_serve_is_known_by_how_it_refuses(server: FakeServer) -> None:
    server.refuses = {"repetition_penalty", "top_k"}
    server.refusal = "Unexpected fields in the request: {'top_k', 'repetition_penalty'}"
    settings = GenerationSettings(do_sample=True, top_k=7, repetition_penalty=1.2)
    answerer = EndpointAnswerer(server.settings())
    assert streamed(answerer, settings=settings)[0].text == "eerht owt eno"
    config = json.loads(server.requests[-1]["generation_config"])
    assert (config["do_sample"], config["top_k"], config["repetition_penalty"]) == (True, 7, 1.2)


def test_a_prompt_that_ollama_may_cut_is_noted(server: FakeServer) -> None:
    server.owner = "library"
    answerer = EndpointAnswerer(server.settings())
    streamed(answerer)
    assert answerer.notes == []
    streamed(answerer, asked("word " * 4000))
    assert "num_ctx" in answerer.notes[0]


LABELS = ["very good", 'bad "x"']
CHOICE = GenerationSettings(max_new_tokens=50, constraint="labels")


def test_vllm_and_llama_cpp_hold_an_answer_to_labels_in_their_own_way(server: FakeServer) -> None:
    server.answer = lambda _body: "very good"
    server.owner = "vllm"
    streamed(EndpointAnswerer(server.settings()), settings=CHOICE, labels=LABELS)
    assert server.requests[-1]["structured_outputs"] == {"choice": LABELS}
    server.owner = "llamacpp"
    streamed(EndpointAnswerer(server.settings()), settings=CHOICE, labels=LABELS)
    assert server.requests[-1]["grammar"] == r'root ::= "very good" | "bad \"x\""'


def test_other_servers_hold_an_answer_to_labels_through_json(server: FakeServer) -> None:
    server.answer = lambda _body: '{"answer": "very good"}'
    answerer = EndpointAnswerer(server.settings())
    answer, told, _ = streamed(answerer, settings=CHOICE, labels=LABELS)
    assert answer.text == told == "very good"
    schema = server.requests[-1]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"]["enum"] == LABELS
    answers = written(answerer, [asked()], settings=CHOICE, labels=LABELS)
    assert answers[0].text == "very good"


def test_a_constraint_that_does_not_hold_is_told(server: FakeServer) -> None:
    server.refuses = {"response_format"}
    answerer = EndpointAnswerer(server.settings())
    answer, _, _ = streamed(answerer, settings=CHOICE, labels=LABELS)
    assert answer.text == "eerht owt eno"
    assert any("constraint" in note for note in answerer.notes)
    ignoring = EndpointAnswerer(server.settings())
    server.refuses = set()
    written(ignoring, [asked()], settings=CHOICE, labels=LABELS)
    assert any("constraint" in note for note in ignoring.notes)


def test_a_json_schema_is_read_from_its_file(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "film.json").write_text('{"type": "object"}')
    server.answer = lambda _body: "{}"
    settings = GenerationSettings(constraint="json_schema", json_schema="film.json")
    answerer = EndpointAnswerer(server.settings(), tmp_path)
    streamed(answerer, settings=settings)
    asked_for = server.requests[-1]["response_format"]["json_schema"]
    assert asked_for["schema"] == {"type": "object"}
    assert answerer.notes == []


def test_a_server_without_scores_says_what_to_do(server: FakeServer) -> None:
    answerer = EndpointAnswerer(server.settings())
    with pytest.raises(ModelError, match='answer = "write"'):
        answerer.choose([asked()], ["a", "b"], lambda *_: None, threading.Event())
    assert not answerer.scores


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_server_that_is_down_is_said_once(server: FakeServer) -> None:
    down = ModelSettings(name="m", url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ModelError, match=r"127.0.0.1:9 cannot be reached.*start it or correct"):
        written(EndpointAnswerer(down), [asked()] * 300)
    with pytest.raises(ModelError, match=r"no host no-such-host\.invalid"):
        streamed(EndpointAnswerer(ModelSettings(url="http://no-such-host.invalid/v1")))


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("slow", "said nothing for 0.3 seconds; raise model.timeout"),
        ("drips", "said nothing for 0.3 seconds"),
        ("html", "answers with a web page"),
        ("nonsense", "no chat completion"),
        ("garbage", "no chat completion"),
        ("no_model", "does not answer as model: The model `model` does not exist"),
        ("fails", "failed with status 500: CUDA error"),
        ("key", "wants a key and there is none"),
    ],
)
def test_each_failure_is_one_clear_sentence(server: FakeServer, mode: Any, words: str) -> None:
    server.mode = mode
    timeout = 0.3 if "0.3 seconds" in words else 60.0
    settings = server.settings(timeout=timeout, max_retries=0)
    assert words in refusal(EndpointAnswerer(settings))
    with pytest.raises(ModelError) as raised:
        written(EndpointAnswerer(settings), [asked()] * 3)
    assert words in str(raised.value)


def test_an_address_without_v1_gets_the_hint(server: FakeServer) -> None:
    text = refusal(EndpointAnswerer(server.settings(url=server.url.removesuffix("/v1"))))
    assert f"ends in /v1, such as {server.url}" in text


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://host/v1", "http://", "http://host:99999/v1", "http://[/v1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ModelError, match=r"model\.url should be an address"):
        EndpointAnswerer(ModelSettings(url=url))


def test_an_address_holds_no_password() -> None:
    with pytest.raises(ModelError) as raised:
        EndpointAnswerer(ModelSettings(url="http://me:hunter2@host/v1"))
    assert "hunter2" not in str(raised.value)


def test_a_model_that_is_not_there_names_those_that_are(server: FakeServer) -> None:
    server.mode = "no_model"
    assert "it has: model, other" in refusal(EndpointAnswerer(server.settings(name="modle")))


@pytest.mark.parametrize("mode", ["drops", "ends", "error_in_stream", "huge"])
def test_what_came_before_a_stream_broke_off_is_kept(server: FakeServer, mode: Any) -> None:
    server.mode = mode
    answer, told, _ = streamed(EndpointAnswerer(server.settings()))
    assert answer.text == told
    assert answer.text.startswith("aaaa" if mode == "huge" else "eerht")
    assert answer.reason == "failed"
    assert "broke off in the middle" in answer.problem
    assert ("the worker died" in answer.problem) == (mode == "error_in_stream")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("no_choices", "answered with nothing"),
        ("empty", "answered with nothing"),
        ("thinks", "only thought"),
    ],
)
def test_an_answer_without_text_says_why(server: FakeServer, mode: Any, words: str) -> None:
    server.mode = mode
    assert words in streamed(EndpointAnswerer(server.settings()))[0].problem
    assert words in written(EndpointAnswerer(server.settings()), [asked()])[0].problem


def test_a_model_may_end_its_answer_at_once(server: FakeServer) -> None:
    server.answer = lambda _body: ""
    answer = written(EndpointAnswerer(server.settings()), [asked()])[0]
    assert (answer.text, answer.problem, answer.reason) == ("", "", "end")


def test_a_busy_server_is_asked_again_when_it_says(server: FakeServer) -> None:
    server.mode, server.failures, server.retry_after = "busy", 2, "0.3"
    answerer = EndpointAnswerer(server.settings(concurrency=1))
    assert streamed(answerer)[0].text == "eerht owt eno"
    assert len(server.times) == 3
    assert all(b - a >= 0.3 for a, b in zip(server.times, server.times[1:], strict=False))


def test_a_server_that_asks_to_wait_for_an_hour_is_not_waited_for(server: FakeServer) -> None:
    server.mode, server.retry_after = "busy", "3600"
    assert "asks to wait 3,600 seconds" in refusal(EndpointAnswerer(server.settings()))
    assert server.asked == 1


def test_a_server_that_failed_is_asked_again_so_often_as_allowed(server: FakeServer) -> None:
    server.mode, server.failures = "fails", 1
    assert streamed(EndpointAnswerer(server.settings(max_retries=1)))[0].text == "eerht owt eno"
    server.failures, server.failed = 2, 0
    assert "status 500" in refusal(EndpointAnswerer(server.settings(max_retries=1)))


def test_a_question_that_fails_alone_is_a_problem_of_its_row(server: FakeServer) -> None:
    server.mode = "too_long"
    answers = written(
        EndpointAnswerer(server.settings()), [asked(), asked("x" * 2000), asked("a b")]
    )
    assert [answers[n].text for n in range(3)] == ["eerht owt eno", "", "b a"]
    assert "too long for model: This model's maximum context length" in answers[1].problem
    server.mode = "moderates"
    answers = written(EndpointAnswerer(server.settings()), [asked("forbidden"), asked("a b")])
    assert "flagged by moderation" in answers[0].problem
    assert answers[1].text == "b a"


def test_what_came_is_kept_when_the_server_goes_in_the_middle(server: FakeServer) -> None:
    def answer(body: dict[str, Any]) -> str:
        if server.asked == 6:
            server.mode = "fails"
        return turned_round(body)

    server.answer = answer
    answerer = EndpointAnswerer(server.settings(concurrency=1, max_retries=0))
    answers = written(answerer, [asked()] * 40)
    assert len(answers) == 40
    assert [answers[n].text for n in range(6)] == ["eerht owt eno"] * 6
    assert all("status 500" in answers[n].problem for n in range(6, 40))
    assert server.asked == 6 + HOPELESS  # and then no more


def test_stopping_takes_a_moment_and_keeps_what_came(server: FakeServer) -> None:
    server.mode = "slow"
    stopped = threading.Event()
    threading.Timer(0.2, stopped.set).start()
    begun = time.monotonic()
    answer, _, _ = streamed(EndpointAnswerer(server.settings(timeout=60.0)), stopped=stopped)
    assert answer.reason == "stopped"
    written(EndpointAnswerer(server.settings()), [asked()] * 5, stopped=stopped)
    assert time.monotonic() - begun < 25  # the server would take 30


def test_a_wait_between_retries_is_stopped_too(server: FakeServer) -> None:
    server.mode, server.retry_after = "busy", "60"
    stopped = threading.Event()
    threading.Timer(0.2, stopped.set).start()
    begun = time.monotonic()
    assert written(EndpointAnswerer(server.settings()), [asked()] * 5, stopped=stopped) == {}
    assert time.monotonic() - begun < 25


def test_an_error_of_who_is_told_is_not_taken_for_the_servers(server: FakeServer) -> None:
    def on_answer(_position: int, _answer: Answer) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        EndpointAnswerer(server.settings()).write([asked()], SETTINGS, on_answer, threading.Event())


# --- the key --------------------------------------------------------------------------------------


def test_the_key_is_sent_and_appears_nowhere(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-account")
    caplog.set_level(logging.DEBUG)
    answerer = EndpointAnswerer(server.settings())
    streamed(answerer)
    assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"
    assert "org-of-another-account" not in str(server.headers)
    server.mode = "key"
    fresh = EndpointAnswerer(server.settings())
    with pytest.raises(ModelError) as raised:
        streamed(fresh)
    assert "does not take the key in OPENAI_API_KEY" in str(raised.value)
    server.mode = "echoes_key"
    answer, told, _ = streamed(answerer)
    assert answer.text == told == "You sent Bearer [key] to me"
    shown = f"{raised.value} {raised.value!r} {answerer!r} {vars(answerer)} {answer} {caplog.text}"
    error: BaseException | None = raised.value
    while error:
        shown += f"{error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__
    for written_so in (KEY, json.dumps(KEY)[1:-1], "very/secret", "very%2Fsecret"):
        assert written_so not in shown


def test_a_key_that_is_said_back_in_pieces_is_taken_out(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-one two three-0123456789".replace(" ", "")
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server.pieces = lambda text: [text[n : n + 5] for n in range(0, len(text), 5)]
    server.answer = lambda _body: f"It is {key}, and sk-one is not"
    answer, told, _ = streamed(EndpointAnswerer(server.settings()))
    assert answer.text == told == "It is [key], and sk-one is not"


def test_a_key_that_cannot_be_one_is_not_said_back(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-two\nlines-of-a-file")
    text = refusal(EndpointAnswerer(server.settings()))
    assert "OPENAI_API_KEY" in text
    assert "lines-of" not in text


def test_without_a_key_a_placeholder_is_sent(server: FakeServer) -> None:
    streamed(EndpointAnswerer(server.settings(api_key_env="")))
    assert server.headers[-1]["Authorization"] == "Bearer none"


def test_a_server_on_this_machine_is_asked_without_a_proxy(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert streamed(EndpointAnswerer(server.settings()))[0].text == "eerht owt eno"
    elsewhere = ModelSettings(url="http://192.0.2.1/v1", max_retries=0, timeout=1)
    assert "127.0.0.1:9" not in refusal(EndpointAnswerer(elsewhere))
