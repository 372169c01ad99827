"""Few-shot examples: which rows of the dataset stand before a row, worded and answered as it is.

Knows rows and wordings; knows nothing of models but the encoder by which rows are near. A row is
never an example for itself, nor is another that asks the same.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data import prompting, wordings
from workbench.data.prompting import PromptError
from workbench.data.selection import Selection
from workbench.data.splits import row_key
from workbench.prompting import picked
from workbench.prompting.drawing import drawn
from workbench.protocol import FormatFound, Values
from workbench.session import Prompt

if TYPE_CHECKING:
    from workbench.prompting.nearest import Nearest

Numbered = tuple[int, Values]  # a row's number in its table, from 0, and the row
Report = Callable[[str, float, float, str], None]
SPARE = 8  # more rows than are asked for: one takes the place of a row that is asked itself
LOOKED_AT = 2_000  # rows among which the answers are told apart, or usable ones are looked for
SLOW = 1.0  # seconds in which a template that ends is filled
MOST_ANSWERS = 50  # distinct answers above which they are free text, which nothing balances


@dataclass(frozen=True)
class Shot:
    """A row that can be an example: what it asks and what is answered are not empty."""

    number: int  # in its table, from 0
    values: Values
    question: str
    answer: str


class Shots:
    """The examples of a prompt, of rows of a `pool` (those that are trained on).

    Rows are read only as far as is needed, whatever the pool's size. `folder` is the workspace, in
    which a local encoder is looked for. Nothing is read before the first question.
    """

    def __init__(  # noqa: PLR0917
        self,
        prompt: Prompt,
        found: FormatFound,
        pool: Selection,
        folder: Path,
        report: Report,
        stopped: threading.Event,
    ) -> None:
        self.settings, self.found, self.pool = prompt.examples, found, pool
        self.folder, self.report, self.stopped = folder, report, stopped
        worded = found.format in wordings.WORDED
        self.prompt = wordings.in_use(found, prompt) if worded else prompt
        self.count = self.settings.wanted
        self.problems: list[str] = []  # of the choice: rows that are gone, too few rows

    # --- what others ask ------------------------------------------------------------------------

    def for_row(self, values: Values, number: int = -1) -> list[tuple[int, Values]]:
        """The examples for a row: the number of each in the pool's table, and the row.

        `number` is that of the row where it is one of the pool's table, else -1. The nearest stand
        in order of likeness, the most similar last, next to the question: a model goes by the last
        examples the most (Zhao et al., 2021, "Calibrate Before Use").

        Raises:
            SourceError: where a row cannot be read.
            ModelError: where the nearest are asked for and there is no such encoder.
            PromptError: where the template runs for too long.
            Stopped: once `stopped` is set while rows are embedded.
        """
        return [(shot.number, shot.values) for shot in self.shots_for(values, number)]

    def shots_for(self, values: Values, number: int = -1) -> list[Shot]:
        """As `for_row`, with what each asks and answers."""
        if not self.count:
            return []
        asked = self.question(values)

        def same(shot: Shot) -> bool:
            return shot.number == number or shot.question == asked

        if self.settings.choose == "nearest":
            return self.nearest.shots(values, self.count, same)
        chosen, spare = self.chosen
        free = [shot for shot in spare if not same(shot)]
        found = [[shot] if not same(shot) else instead(shot, free) for shot in chosen]
        return [shot for one in found for shot in one]

    def prepare(self, rows: Iterable[Values]) -> None:
        """Embed rows that will be asked about, where the nearest are wanted: many at once are
        several times as fast as one by one."""
        if self.count and self.settings.choose == "nearest":
            self.nearest.prepare(rows)

    def key(self, number: int, values: Values) -> str:
        """What names a row in `ExampleSettings.rows`."""
        return row_key(number, values)

    def describe(self) -> str:
        """How the examples are chosen, in a sentence, and what is wrong with the choice."""
        if not self.count:
            return "No examples: examples.count is 0."
        settings, number = self.settings, self.count
        if settings.choose != "nearest":
            number = len(self.chosen[0])
        rows = f"{number} row{'s' if number != 1 else ''}"
        match settings.choose:
            case "first":
                said = f"The first {rows} that are trained on."
            case "random":
                said = f"{rows} drawn at random by seed {settings.seed}."
            case "balanced":
                said = self.balance_in_words()
            case "nearest":
                said = f"The {rows} nearest to this one in meaning, by {settings.embedder}, the "
                said += f"most similar last; looked for among {self.nearest.words}."
            case "picked":
                said = f"{rows}, as picked."
        return " ".join([said, *self.problems])

    # --- which they are -------------------------------------------------------------------------

    @cached_property
    def chosen(self) -> tuple[list[Shot], list[Shot]]:
        """The examples that are the same for every row, and more to take the place of one."""
        if self.settings.choose == "picked":
            rows = picked.rows(self.pool, self.settings.rows, self.problems)
            return self.complete(list(self.usable(rows)), len(rows)), []
        if self.settings.choose == "balanced" and (groups := self.groups()):
            return self.balanced(groups)
        order = drawn(self.pool, None if self.settings.choose == "first" else self.settings.seed)
        shots = self.distinct(itertools.islice(order, LOOKED_AT + self.count))
        taken = list(itertools.islice(shots, self.count + SPARE))
        return self.complete(taken[: self.count], self.count), taken[self.count :]

    def groups(self) -> dict[str, list[Numbered]]:
        """Rows drawn by the seed by their answer, in an order of the seed; none where the answers
        are free text."""
        groups: dict[str, list[Numbered]] = {}
        for number, values in itertools.islice(drawn(self.pool, self.settings.seed), LOOKED_AT):
            if answer := self.answer(values):
                groups.setdefault(answer, []).append((number, values))
        total = sum(map(len, groups.values()))
        if len(groups) > min(MOST_ANSWERS, max(2, total // 2)):
            self.problems.append(
                f"The answers are free text ({len(groups):,} different ones in {total:,} rows), "
                "which cannot be balanced: they are as drawn."
            )
            return {}
        order = sorted(groups)
        random.Random(self.settings.seed).shuffle(order)
        return {answer: groups[answer] for answer in order}

    def balanced(self, groups: dict[str, list[Numbered]]) -> tuple[list[Shot], list[Shot]]:
        """As many examples of each answer, in random order, and some more of each."""
        enough = -(-self.count // len(groups)) + SPARE
        shots = {
            answer: list(itertools.islice(self.distinct(rows), enough))
            for answer, rows in groups.items()
        }
        shares = shared_out(self.count, list(shots), {one: len(shots[one]) for one in shots})
        chosen = [shot for answer in shots for shot in shots[answer][: shares[answer]]]
        random.Random(self.settings.seed).shuffle(chosen)
        spare = [shot for answer in shots for shot in shots[answer][shares[answer] :]]
        fair = len(chosen) // len(shots)
        if short := [f'"{one[:40]}"' for one in shots if shares[one] < fair]:
            self.problems.append(
                f"Of {', '.join(short)} there are too few among the {LOOKED_AT:,} rows looked at."
            )
        return self.complete(chosen, self.count), spare

    def distinct(self, rows: Iterable[Numbered]) -> Iterator[Shot]:
        """The usable ones, each question once."""
        asked: set[str] = set()
        for shot in self.usable(rows):
            if shot.question not in asked:
                asked.add(shot.question)
                yield shot

    def usable(self, rows: Iterable[Numbered]) -> Iterator[Shot]:
        """Those of the rows that fill the wording, with an answer."""
        for number, values in rows:
            question, answer = self.question(values), self.answer(values)
            if question and answer:
                yield Shot(number, values, question, answer)

    def question(self, values: Values) -> str:
        """The user's turn for a row; empty where the row cannot fill it."""
        return self.filled(self.prompt.template, values)

    def answer(self, values: Values) -> str:
        """The answer that an example shows; empty where the row has none."""
        return self.filled(self.prompt.completion, values)

    def filled(self, template: str, values: Values) -> str:
        """A template filled from a row, without spaces around it; empty where the row cannot fill
        it.

        Raises:
            PromptError: where the template runs for too long: so it would for every row.
        """
        begun = time.monotonic()
        try:
            return prompting.render(template, self.spoken(values)).strip()
        except PromptError:
            if time.monotonic() - begun > SLOW:
                raise
            return ""

    def spoken(self, values: Values) -> Values:
        worded = self.found.format in wordings.WORDED
        return wordings.spoken(self.found, values) if worded else values

    def complete(self, shots: list[Shot], wanted: int) -> list[Shot]:
        """The same; says so where they are fewer than are wanted."""
        if not self.prompt.template.strip():
            self.problems.append("There is no template that could word them; write one.")
        elif not self.prompt.completion.strip():
            self.problems.append(
                "The prompt has no completion, so they have no answers; set it to the right "
                "answer, such as {{ label }}."
            )
        elif len(shots) < wanted:
            self.problems.append(
                f"Only {len(shots)} of {wanted} are usable: the others do not fill the template "
                "and the completion, or ask the same as another."
            )
        return shots

    def balance_in_words(self) -> str:
        answers = [shot.answer for shot in self.chosen[0]]
        kinds = sorted(set(answers), key=lambda one: (-answers.count(one), one))
        said = f"{len(answers)} rows drawn by seed {self.settings.seed}"
        if len(kinds) == len(answers):
            return f"{said}, each with another answer."
        named = ", ".join(f"{answers.count(kind)} {kind[:40]}" for kind in kinds)
        return f"{said}, as many of each answer ({named}), in random order."

    @cached_property
    def nearest(self) -> "Nearest":
        from workbench.prompting.nearest import Nearest  # needs torch, which the others do not

        return Nearest(self)


def instead(shot: Shot, spare: list[Shot]) -> list[Shot]:
    """One that takes the place of another, of the same answer if there is one; used up."""
    for one in sorted(spare, key=lambda one: one.answer != shot.answer)[:1]:
        spare.remove(one)
        return [one]
    return []


def shared_out(count: int, kinds: Sequence[str], there: dict[str, int]) -> dict[str, int]:
    """How many of each kind make `count`, as nearly equal as what is there allows; where it cannot
    be equal the kinds that come first have one more."""
    shares = dict.fromkeys(kinds, 0)
    left = min(count, sum(there[kind] for kind in kinds))
    while left:
        for kind in kinds:
            if left and shares[kind] < there[kind]:
                shares[kind] += 1
                left -= 1
    return shares
