"""GEPA with a reflector that is scripted: what it may say, and what becomes of it."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.searching.made_up import START, development, objective
from workbench.data.engine import Stopped
from workbench.data.prompting import PromptError
from workbench.inference.errors import ModelError
from workbench.protocol import CandidateTried
from workbench.searching import gepa
from workbench.searching.objective import Found, Objective, Outcome
from workbench.session import OptimizeSettings, Prompt


def quality(prompt: Prompt) -> float:
    return 0.4 + 0.3 * ("one word" in prompt.system) + 0.2 * prompt.template.startswith("Review:")


def search(
    reflect: Callable[[str], str],
    *,
    measure: Objective | None = None,
    calls: int = 700,
    stopped: threading.Event | None = None,
    on_candidate: Callable[[CandidateTried], None] = lambda _: None,
    **more: Any,
) -> Found:
    return gepa.search(
        START,
        development=development(60),
        objective=measure or objective(quality),
        reflect=reflect,
        settings=OptimizeSettings(method="gepa", max_metric_calls=calls),
        on_candidate=on_candidate,
        stopped=stopped or threading.Event(),
        **more,
    )


class Reflector:
    """Says better texts now and then, and broken ones between; keeps what it was asked."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, text: str) -> str:
        self.read.append(text)
        if "told this before" in text:
            return "Here is a better one:\n```\nAnswer with one word.\n```"
        broken = ["nothing to fill in", "{{ text", "{{ text }} {{ title }}", "x" * 20_000]
        turn = len(self.read) // 2 % 5
        return f"```\n{[*broken, 'Review: {{ text }}'][turn]}\n```"


def test_it_finds_the_texts_that_the_reflector_words() -> None:
    told: list[CandidateTried] = []
    found = search(Reflector(), on_candidate=told.append)
    assert found.prompt.system == "Answer with one word."
    assert found.prompt.template == "Review: {{ text }}"
    assert found.value > found.start_value + 0.3
    assert [one.index for one in told] == list(range(1, len(told) + 1))
    assert [one for one in told if one.best][-1].prompt == found.prompt
    assert all(one.parent < one.index for one in told)
    assert found.prompt.completion == START.completion
    assert found.spent <= 700


def test_the_reflector_reads_questions_answers_and_what_was_wrong() -> None:
    reflector = Reflector()
    search(reflector, calls=200)
    first = reflector.read[0]
    assert START.system in first or START.template in first
    assert "question " in first
    assert "The right answer is: positive" in first
    # and of a template it is told to keep the variables
    assert any("Keep everything between {{ and }}" in text for text in reflector.read)


@pytest.mark.parametrize("said", ["", "no blocks at all", "```", "``````", "```\n\n```", "{{ text"])
def test_a_reflector_that_says_nonsense_harms_nothing(said: str) -> None:
    told: list[CandidateTried] = []
    found = search(lambda _: said, calls=150, on_candidate=told.append)
    assert "{{ text }}" in found.prompt.template
    assert found.value >= found.start_value


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("no variable", "lacks {{ text }}"),
        ("{{ text }} {{ other }}", "no {{ other }}"),
        ("{{ text", "cannot be read"),
        ("{{ text | nothing }}", "cannot be read"),
        ("{{ text }}" + "x" * 9_000, "longer than"),
    ],
)
def test_a_template_that_cannot_be_asked_is_never_asked(template: str, word: str) -> None:
    asked: list[str] = []

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        asked.append(prompt.template)
        return objective(quality)(prompt, positions)

    found = search(lambda _: f"```\n{template}\n```", measure=measure, calls=150)
    assert template not in asked
    assert found.prompt.template == START.template
    from msgspec.structs import replace

    assert word in gepa.flaw(replace(START, template=template), START)


def test_a_flaw_never_wins_where_figures_lie_below_zero() -> None:
    def measure(_prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        return [Outcome(-50.0 - one) for one in positions]

    found = search(lambda _: "```\nno variable\n```", measure=measure, calls=150, highest=0.0)
    assert found.prompt == START


def test_a_candidate_that_the_model_refuses_is_told_why() -> None:
    read: list[str] = []

    def reflect(text: str) -> str:
        read.append(text)
        return "```\nReview: {{ text }}\n```" if "template" in text[:60] else "```\nlong\n```"

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        if prompt.system == "long":
            raise PromptError("it has 9,000 tokens")
        return objective(quality)(prompt, positions)

    found = search(reflect, measure=measure, calls=300)
    assert found.prompt.system != "long"


def test_stopped_it_keeps_the_best_so_far() -> None:
    stopped = threading.Event()

    def tell(tried: CandidateTried) -> None:
        if tried.best:
            stopped.set()

    found = search(Reflector(), stopped=stopped, on_candidate=tell)
    assert found.stopped
    assert found.prompt != START
    assert len(found.tried) == 1


def test_stopped_within_a_measurement_it_keeps_the_best_so_far() -> None:
    stopped, asked = threading.Event(), 0
    inner = objective(quality)

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        nonlocal asked
        asked += len(positions)
        if asked > 60:
            stopped.set()
            raise Stopped
        return inner(prompt, positions)

    found = search(Reflector(), measure=measure, stopped=stopped)
    assert found.stopped
    assert found.prompt == START


def test_a_reflector_that_is_down_ends_it_with_a_sentence() -> None:
    calls = 0

    def reflect(_text: str) -> str:
        nonlocal calls
        calls += 1
        raise ModelError("The server is down; start it.")

    found = search(reflect, calls=100_000)
    assert "The server is down" in found.problem
    assert calls <= 4
    assert found.prompt == START


def test_the_library_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    search(Reflector(), calls=200)
    assert capfd.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_search() -> None:
    one, again = search(Reflector()), search(Reflector())
    assert [tried.prompt for tried in one.tried] == [tried.prompt for tried in again.tried]
