"""Warnings where rows that are measured were seen before: as examples, or in tuning.

An answer to a row that stands in the prompt, or that the adapter was tuned on, measures memory.
Rows are compared by content: a row is the same where all its values are, or where it fills the
template with the same values. Knows rows and wordings; not where they come from.
"""

import hashlib
from collections.abc import Iterable, Sequence

import jinja2
from jinja2 import meta

from workbench.data.prompting import PromptError, render
from workbench.data.splits import row_key
from workbench.data.templates import ENVIRONMENT
from workbench.protocol import Values
from workbench.session import Prompt

SHOWN = 8  # numbers of rows in a sentence
SHARED = 2  # rows that may hold the same text, for it to be their own
QUOTED = 40  # characters from which on a row's text in the prompt is no coincidence


class Measured:
    """The rows that are measured, to be found by what is in them: `rows` are numbers (from 0) and
    values."""

    def __init__(self, prompt: Prompt, rows: Sequence[tuple[int, Values]]) -> None:
        self.prompt, self.rows, self.columns = prompt, rows, columns_in(prompt.template)
        self.known: dict[str, set[int]] = {}
        for number, values in rows:
            for mark in self.marks(values):
                self.known.setdefault(mark, set()).add(number)

    def marks(self, values: Values) -> list[str]:
        """What two equal rows share: a hash of all values, and one of what fills the template (not
        of the filled template: that takes five times as long)."""
        found = [row_key(0, values)]
        if self.columns and all(column in values for column in self.columns):
            fills = [plain(str(values[column])) for column in self.columns]
            found.append(marked("\x00".join(fills)))
        return found

    def filled(self, values: Values) -> str:
        """The template as the row fills it, spaces aside; empty where it has none to fill."""
        if "{" not in self.prompt.template:
            return ""
        try:
            return plain(render(self.prompt.template, values))
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
        typed = {plain(turn.content) for turn in self.prompt.turns}
        found = {number for number, values in self.rows if self.filled(values) in typed - {""}}
        whole = plain("\n".join([*texts, self.prompt.template]))
        if len(whole) < QUOTED:
            return found
        holders: dict[str, set[int]] = {}
        for number, values in self.rows:
            for text in {plain(value) for value in values.values() if isinstance(value, str)}:
                if len(text) >= QUOTED:
                    holders.setdefault(text, set()).add(number)
        for text, numbers in holders.items():
            # What many rows hold, an instruction, say, is no row's own.
            if len(numbers) <= SHARED and text in whole:
                found |= numbers
        return found


def columns_in(template: str) -> list[str]:
    """The columns that fill a template; none where it cannot be told."""
    try:
        used = meta.find_undeclared_variables(ENVIRONMENT.parse(template))
    except jinja2.TemplateError:
        return []
    return [] if "row" in used else sorted(used)


def marked(text: str) -> str:
    """A hash of a text."""
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


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
