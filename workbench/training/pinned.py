"""Prompts that are answered at each evaluation: how the answers change over a run.

Knows rows and who answers; what is asked of a row is the recipe's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from workbench.data.splits import DIGITS, row_key
from workbench.data.table import Table
from workbench.inference.answering import Answer
from workbench.prompting.picked import spoken
from workbench.protocol import Values

if TYPE_CHECKING:
    from workbench.training.recipe import Recipe

LONGEST = 4_000  # characters of what is asked that are kept with each answer


@dataclass(frozen=True)
class Row:
    """A row of the dataset: its number in its table, from 0, and its values."""

    number: int
    values: Values


class PinnedPrompts:
    """The rows that the session pins, else the first rows for the evaluation."""

    def __init__(self, recipe: "Recipe") -> None:
        self.recipe = recipe
        self.problems: list[str] = []  # of rows that are gone
        self.rows = self.chosen()

    def chosen(self) -> list[Row]:
        data, settings = self.recipe.work.data, self.recipe.settings
        if settings.pinned:
            tables = [data.train.table]
            if data.evaluation is not None and data.evaluation.table is not data.train.table:
                tables.append(data.evaluation.table)
            return found_in(tables, settings.pinned, self.problems)
        if data.evaluation is None or not settings.pinned_count or not settings.evaluation_rows:
            return []
        numbers = data.evaluation.numbers[: settings.pinned_count]
        rows = data.evaluation.rows(numbers)
        return [Row(int(number), row) for number, row in zip(numbers, rows, strict=True)]

    def answer(self, count: int = 0) -> Iterator[dict[str, Any]]:
        """What the tuned weights say to each (to the first `count`; 0: all), as a sample of the
        run: row number, what was asked, the text, the answer expected.

        Raises:
            PromptError: where a row cannot be asked.
            ModelError: when no answer can be had.
            StopRequested: when it was asked for.
        """
        rows = self.rows[: count or None]
        answerer = self.recipe.answerer() if rows else None
        if answerer is None:
            return
        session = self.recipe.work.session
        prompt = session.prompt()
        generation = replace(session.generation_of(prompt), num_return_sequences=1)
        questions = [self.recipe.question(answerer, row.values, row.number) for row in rows]
        answers: dict[int, Answer] = {}
        answerer.write(
            questions,
            generation,
            answers.__setitem__,
            self.recipe.work.stop(),
            labels=session.evaluation.labels,
        )
        self.recipe.work.pause("evaluating", 0, 0)  # raises where a stop cut them short
        for place, row in enumerate(rows):
            answer = answers.get(place)
            if answer is not None:
                yield self.sample(row, answer, prompt.name)

    def sample(self, row: Row, answer: Answer, name: str) -> dict[str, Any]:
        expected = self.recipe.expected(row.values)
        problem = {"problem": answer.problem} if answer.problem else {}
        return {
            "number": row.number,
            "prompt": name,
            "asked": self.recipe.asked(row.values)[:LONGEST],
            "text": answer.text,
            "expected": expected,
            **problem,
        }


def found_in(tables: Sequence[Table], keys: Sequence[str], problems: list[str]) -> list[Row]:
    """The rows of these keys (`splits.row_key`), in their order; `problems` says of those that are
    gone or changed."""
    found, gone = [], []
    for key in dict.fromkeys(keys):
        number = key.partition(":")[0]
        known = number.isdecimal() and len(number) <= DIGITS
        there = [
            record
            for table in tables
            if known and int(number) < table.count
            for record in table.take([int(number)])
            if isinstance(record, dict) and row_key(int(number), record) == key
        ]
        if there:
            found.append(Row(int(number), there[0]))
        else:
            gone.append(key)
    if gone:
        problems.append(
            f"Pinned {spoken(gone)} not there any more, or changed, and so not answered; pin "
            "another instead."
        )
    return found
