"""Objectives that need no model: how good a prompt is on a row is made up, with noise."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy

from workbench.data.formats import WORDING
from workbench.data.selection import Selection
from workbench.data.sources import memory_table
from workbench.protocol import CandidateTried
from workbench.searching import random
from workbench.searching.development import Development, develop
from workbench.searching.objective import Found, Objective, Outcome, key_of
from workbench.session import OptimizeSettings, Prompt

START = Prompt(
    name="start",
    system="Is the review positive or negative?",
    template="{{ text }}",
    completion="{{ label }}",
)
LABELS = ["negative", "positive"]


def pool(count: int = 400) -> Selection:
    rows = [{"text": f"review {n}", "label": LABELS[n % 4 == 0]} for n in range(count)]
    return Selection(memory_table(rows), numpy.arange(count, dtype=numpy.int64))


def development(rows: int = 100, seed: int = 0) -> Development:
    return develop(START, WORDING, pool(), rows, seed)


def chance(*parts: Any) -> float:
    """A number from 0 to 1, always the same for the same parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def objective(quality: Callable[[Prompt], float], seed: int = 0) -> Objective:
    """A prompt is right on a row with the chance of its quality; hard rows are hard for all."""

    def measure(prompt: Prompt, positions: Sequence[int]) -> list[Outcome]:
        own = key_of(prompt)
        found = []
        for position in positions:
            hard = chance(seed, position)
            level = hard if chance(seed, own, position, "same") < 0.6 else chance(own, position)
            right = level < quality(prompt)
            found.append(
                Outcome(
                    float(right),
                    question=f"question {position}",
                    answer="positive" if right else "negative",
                    expected="positive",
                )
            )
        return found

    return measure


def by_wording_and_examples(prompt: Prompt) -> float:
    """From 60 % to 88 %: by the number of examples, a named label list, and luck in examples."""
    count = len(prompt.examples.rows)
    luck = 0.06 * chance(prompt.examples.rows)
    return 0.6 + 0.01 * count + luck + 0.06 * ("one of" in prompt.system + prompt.template)


def search(
    quality: Callable[[Prompt], float] | None = None,
    *,
    measure: Objective | None = None,
    seed: int = 0,
    candidates: int = 24,
    rows: int = 100,
    stopped: threading.Event | None = None,
    on_candidate: Callable[[CandidateTried], None] = lambda _: None,
    **settings: Any,
) -> Found:
    return random.search(
        START,
        others=[],
        labels=LABELS,
        found=WORDING,
        development=development(rows, seed),
        objective=measure or objective(quality or by_wording_and_examples, seed),
        settings=OptimizeSettings(candidates=candidates, rows=rows, seed=seed, **settings),
        folder=Path(),
        on_candidate=on_candidate,
        report=lambda *_: None,
        stopped=stopped or threading.Event(),
    )
