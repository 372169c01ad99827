"""Warnings where rows that are measured were seen before: as examples, or in tuning.

An answer to a row that stands in the prompt, or that the adapter was tuned on, measures memory.
Rows are compared by content: a row is the same where all its values are, or where it fills the
template with the same words. Knows rows and wordings; not where they come from.
"""

import hashlib
from collections.abc import Iterable, Sequence

from workbench.data.prompting import PromptError, render
from workbench.data.splits import row_key
from workbench.protocol import Values
from workbench.session import Prompt

SHOWN = 8  # numbers of rows in a sentence
QUOTED = 40  # characters from which on a row's text in the prompt is no coincidence


class Measured:
    """The rows that are measured, to be found by what is in them: `rows` are numbers (from 0) and
    values."""

    def __init__(self, prompt: Prompt, rows: Sequence[tuple[int, Values]]) -> None:
        self.prompt, self.rows = prompt, rows
        self.known: dict[str, set[int]] = {}
        for number, values in rows:
            for mark in self.marks(values):
                self.known.setdefault(mark, set()).add(number)

    def marks(self, values: Values) -> list[str]:
        """What two equal rows share: a hash of the values, and one of the filled template."""
        found = [row_key(0, values)]
        filled = self.filled(values)
        return [*found, filled] if filled else found

    def filled(self, values: Values) -> str:
        """A hash of the template as the row fills it; empty where it has none to fill."""
        if "{" not in self.prompt.template:
            return ""
        try:
            return marked(render(self.prompt.template, values))
        except PromptError:
            return ""

    def among(self, others: Iterable[Values]) -> set[int]:
        """The numbers of the measured rows that are among others."""
        found: set[int] = set()
        for values in others:
            for mark in self.marks(values):
                found |= self.known.get(mark, set())
        return found

    def in_text(self) -> set[int]:
        """The numbers of the measured rows that stand in the prompt's own text: a typed turn that
        is the filled template, or any text of the prompt that holds a long text of the row."""
        texts = [self.prompt.system, *(turn.content for turn in self.prompt.turns)]
        found: set[int] = set()
        for turn in self.prompt.turns:
            found |= self.known.get(marked(turn.content), set())
        whole = plain("\n".join([*texts, self.prompt.template]))
        if len(whole) < QUOTED:
            return found
        for number, values in self.rows:
            held = (plain(value) for value in values.values() if isinstance(value, str))
            if any(len(text) >= QUOTED and text in whole for text in held):
                found.add(number)
        return found


def marked(text: str) -> str:
    """A hash of a text, spaces aside."""
    return hashlib.md5(
        plain(text).encode("utf-8", "surrogatepass"), usedforsecurity=False
    ).hexdigest()


def plain(text: str) -> str:
    return " ".join(text.split())


def examples_overlap(
    prompt: Prompt, rows: Sequence[tuple[int, Values]], examples: Iterable[Values] = ()
) -> list[str]:
    """Sentences where rows of the dataset that are `examples`, or typed turns of the prompt, are
    among the measured `rows` (number from 0, values)."""
    measured = Measured(prompt, rows)
    warnings = []
    if found := measured.among(examples):
        warnings.append(
            f"{told(found, len(rows))} also among the prompt's examples, with their answers: "
            "choose examples from the rows to train on."
        )
    if found := measured.in_text():
        warnings.append(
            f"{told(found, len(rows))} also in the prompt's own text: take them out of it, or "
            "measure other rows."
        )
    return warnings


def tuning_overlap(
    prompt: Prompt, rows: Sequence[tuple[int, Values]], tuned: Iterable[Values]
) -> list[str]:
    """A sentence where rows that the adapter was `tuned` on are among the measured `rows`. `tuned`
    is read once and may be long."""
    found = Measured(prompt, rows).among(tuned)
    if not found:
        return []
    return [
        f"{told(found, len(rows))} also among those that the adapter was tuned on: the figures of "
        "the tuned model tell what it remembers, too."
    ]


def told(numbers: set[int], rows: int) -> str:
    """How many rows, and the first of their numbers, counted from 1 as on the screen."""
    shown = ", ".join(f"{number + 1:,}" for number in sorted(numbers)[:SHOWN])
    more = ", …" if len(numbers) > SHOWN else ""
    verb = "is" if len(numbers) == 1 else "are"
    return f"{len(numbers):,} of {rows:,} measured rows ({shown}{more}) {verb}"
