"""Answers that lean to one side, and examples drawn against it."""

import random
from collections import Counter
from collections.abc import Sequence

from tests.searching.made_up import LABELS, START, search
from workbench.searching.leaning import Leaning, against, leaning, shares
from workbench.searching.objective import Outcome
from workbench.session import Prompt


def outcomes(given: str, right: str) -> list[Outcome]:
    return [Outcome(float(a == b), answer=a, expected=b) for a, b in zip(given, right, strict=True)]


def test_a_leaning_is_what_is_answered_more_often_than_it_is_right() -> None:
    found = leaning(outcomes("aaaaaaab", "aaaabbbb"), ["a", "b"])
    assert found == Leaning("a", "b", 3 / 8)
    assert leaning(outcomes("abababab", "babababa"), ["a", "b"]) is None  # wrong, but not leaning
    assert leaning(outcomes("aaaa", "aaab"), []) is None


def test_what_comes_too_seldom_moves_to_the_end_and_nothing_is_lost() -> None:
    keys = [f"{n}:x" for n in range(8)]
    answers = {key: "ab"[n % 2] for n, key in enumerate(keys)}
    for seed in range(20):
        moved = against(keys, answers, Leaning("a", "b", 0.4), random.Random(seed))
        assert sorted(moved) == sorted(keys)
        assert "b" in [answers[key] for key in moved[-3:]]


def test_shares_are_drawn_and_lean_against() -> None:
    dice = random.Random(0)
    counts = [
        Counter(shares(LABELS, 16, Leaning("positive", "negative", 0.5), dice)) for _ in range(60)
    ]
    assert sum(one["negative"] for one in counts) > 0.55 * 16 * 60
    assert len({one["negative"] for one in counts}) > 5


def test_it_finds_the_examples_that_a_leaning_model_needs() -> None:
    """A model that answers "positive" unless most examples, or the last of them, are negative: with
    as many of each it is right on the rows that are positive only."""

    def measure(prompt: Prompt, positions: Sequence[int]) -> Sequence[Outcome]:
        numbers = [int(key.partition(":")[0]) for key in prompt.examples.rows]
        positive = [number % 4 == 0 for number in numbers]  # as the rows are made
        pull = sum(0.06 if one else -0.06 for one in positive)
        pull += 0.1 if not positive or positive[-1] else -0.1
        found = []
        for position in positions:
            truth = (position * 7919) % 100 < 50
            evidence = (0.35 if truth else -0.35) + ((position * 104_729) % 100 - 50) / 120
            answer = LABELS[evidence + pull + 0.3 > 0]
            found.append(Outcome(float(answer == LABELS[truth]), "", answer, LABELS[truth]))
        return found

    found = search(measure=measure, candidates=30)
    assert found.start_value < 0.75
    assert found.value > 0.85
    assert found.prompt.completion == START.completion
