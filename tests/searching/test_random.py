"""The random search on objectives that are made up: what is best is known."""

import threading
from collections.abc import Sequence
from statistics import mean

import pytest

from tests.searching.made_up import (
    LABELS,
    START,
    by_wording_and_examples,
    chance,
    development,
    objective,
    search,
)
from workbench.data.engine import Stopped
from workbench.data.prompting import PromptError
from workbench.inference.errors import ModelError
from workbench.protocol import CandidateTried
from workbench.searching.objective import Outcome
from workbench.session import Prompt


def test_it_finds_a_better_prompt_in_noise_at_any_seed() -> None:
    gains = [
        by_wording_and_examples(search(seed=seed).prompt) - by_wording_and_examples(START)
        for seed in range(6)
    ]
    assert min(gains) > 0.05
    assert mean(gains) > 0.12  # of at most 0.28


def test_it_asks_for_much_less_than_all_rows_of_all_candidates() -> None:
    found = search()
    assert len(found.tried) == 24
    assert found.spent < 0.75 * 25 * 100
    dropped = [one for one in found.tried if one.rows < 100]
    assert dropped
    assert all(one.rows in (20, 40, 100) for one in found.tried)


def test_bad_prompts_are_dropped_after_few_rows() -> None:
    found = search(
        lambda prompt: 0.8 if prompt.system == START.system and not prompt.examples.rows else 0.2
    )
    assert found.prompt == START
    assert max(one.rows for one in found.tried) <= 40
    assert "None of 24 prompts did better" in found.words


def test_the_best_was_measured_on_all_rows_and_is_the_one_that_is_told() -> None:
    told: list[CandidateTried] = []
    found = search(on_candidate=told.append)
    best = [one for one in told if one.best]
    assert best
    assert all(one.rows == found.rows == 100 for one in best)
    assert best[-1].prompt == found.prompt
    assert best[-1].value == pytest.approx(found.value)
    assert [one.value for one in best] == sorted({one.value for one in best})  # it only rises
    assert found.value > found.start_value
    assert all(one.low <= one.value <= one.high for one in told)
    spent = [one.spent for one in told]
    assert spent == sorted(spent)
    assert spent[-1] == found.spent


def test_each_look_is_told_with_the_candidates_number() -> None:
    told: list[CandidateTried] = []
    search(on_candidate=told.append, candidates=10)
    assert {one.index for one in told} == set(range(1, 11))
    for index in range(1, 11):
        rows = [one.rows for one in told if one.index == index]
        assert rows == sorted(rows)


def test_where_nothing_helps_it_does_not_claim_so() -> None:
    """The best of 24 equal prompts looks better by chance: that is said to be chance."""
    claims = [
        search(lambda _: 0.7, seed=seed).words.partition("which ")[2].startswith("it was chosen")
        for seed in range(20)
    ]
    assert sum(claims) <= 2


def test_the_same_seed_tries_the_same_and_another_others() -> None:
    one, again, other = search(seed=1), search(seed=1), search(seed=2)
    assert [tried.prompt for tried in one.tried] == [tried.prompt for tried in again.tried]
    assert one.prompt == again.prompt
    assert [tried.prompt for tried in one.tried] != [tried.prompt for tried in other.tried]


def test_no_prompt_is_tried_twice_and_each_keeps_the_column_and_the_answer() -> None:
    found = search(candidates=60)
    asked = [
        (
            one.prompt.system,
            one.prompt.template,
            one.prompt.answer_start,
            tuple(one.prompt.examples.rows),
            one.prompt.examples.choose,
        )
        for one in found.tried
    ]
    assert len(set(asked)) == len(asked)
    for one in found.tried:
        assert "{{ text }}" in one.prompt.template
        assert one.prompt.completion == START.completion
        assert one.prompt.examples.choose in ("picked", "nearest", "random")
        assert len(one.prompt.examples.rows) <= 16


def test_examples_are_picked_apart_from_the_development_rows() -> None:
    drawn = development()
    measured = {int(number) for number in drawn.rows.numbers}
    for one in search().tried:
        numbers = {int(key.partition(":")[0]) for key in one.prompt.examples.rows}
        assert not numbers & measured


def test_no_examples_are_taken_where_none_may_be() -> None:
    assert all(one.prompt.examples.count == 0 for one in search(most_examples=0).tried)


def test_later_candidates_are_made_of_the_best() -> None:
    found = search(candidates=40)
    children = [one for one in found.tried if one.parent]
    assert len(children) >= 5
    assert all(0 < one.parent < one.index for one in children)


@pytest.mark.parametrize("after", [0, 130, 600])
def test_stopped_it_keeps_the_best_so_far(after: int) -> None:
    """Given up at any moment: while the start is measured, at first candidates, in the middle."""
    stopped = threading.Event()
    asked = 0
    inner = objective(by_wording_and_examples)
    told: list[CandidateTried] = []

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        nonlocal asked
        asked += len(positions)
        if asked > after:
            stopped.set()
            raise Stopped
        return inner(prompt, positions)

    found = search(measure=measure, stopped=stopped, on_candidate=told.append)
    assert found.stopped
    best = [one for one in told if one.best]
    assert found.prompt == (best[-1].prompt if best else START)
    if after == 600:
        assert found.prompt != START
        assert by_wording_and_examples(found.prompt) > by_wording_and_examples(START)


def test_a_server_that_fails_ends_it_with_the_best_so_far() -> None:
    inner, asked = objective(by_wording_and_examples), 0

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        nonlocal asked
        asked += len(positions)
        if asked > 700:
            raise ModelError("The server is down; start it.")
        return inner(prompt, positions)

    found = search(measure=measure)
    assert found.problem == "The server is down; start it."
    assert found.prompt != START

    def down(_prompt: Prompt, _positions: Sequence[int]) -> Sequence[Outcome]:
        raise ModelError("The server is down; start it.")

    with pytest.raises(ModelError):
        search(measure=down)


def test_a_candidate_that_cannot_be_asked_is_said_and_passed_over() -> None:
    inner = objective(by_wording_and_examples)

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        if not prompt.system:
            raise PromptError("it is too long")
        return inner(prompt, positions)

    told: list[CandidateTried] = []
    found = search(measure=measure, on_candidate=told.append)
    refused = [one for one in told if one.what.endswith("it is too long")]
    assert refused
    assert not any(one.best for one in refused)
    assert found.prompt.system


def test_figures_that_are_no_shares_are_searched_by_as_well() -> None:
    """Such as chrF, 0 to 100, or a metric turned round, below 0."""

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        good = 20 * by_wording_and_examples(prompt)
        return [Outcome(-40 + good + 5 * chance(prompt.template, one)) for one in positions]

    found = search(measure=measure)
    assert found.value > found.start_value
    assert "%" not in found.words
    assert set(LABELS) == {"negative", "positive"}
