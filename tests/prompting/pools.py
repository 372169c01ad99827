"""Rows to take examples from: a few real ones, or a million that count how often they are read."""

import threading
from pathlib import Path
from typing import Any

import numpy

from tests.tiny import reviews
from workbench.data.formats import WORDING
from workbench.data.selection import Selection
from workbench.data.sources import memory_table
from workbench.prompting.shots import Shots
from workbench.protocol import FormatFound, Values
from workbench.session import ExampleSettings, Prompt

PROMPT = Prompt(name="plain", template="Review: {{ text }}\nSentiment:", completion="{{ label }}")


class CountingTable:
    """Rows made when they are asked for; `read` counts them."""

    def __init__(self, count: int) -> None:
        self.count, self.read_rows = count, 0

    def take(self, numbers: Any) -> list[Values]:
        self.read_rows += len(numbers)
        return [
            {"text": f"review {number}", "label": "positive" if number % 3 else "negative"}
            for number in map(int, numbers)
        ]


def pool_of(rows: list[Values], numbers: list[int] | None = None) -> Selection:
    chosen = range(len(rows)) if numbers is None else numbers
    return Selection(memory_table(rows), numpy.array(chosen, dtype=numpy.int64))


def review_pool(count: int = 64) -> Selection:
    return pool_of([dict(row) for row in reviews(count)])


def shots(
    pool: Selection,
    examples: ExampleSettings,
    prompt: Prompt = PROMPT,
    found: FormatFound = WORDING,
) -> Shots:
    from msgspec.structs import replace

    asked = replace(prompt, examples=examples)
    return Shots(asked, found, pool, Path(), lambda *_: None, threading.Event())
