"""Rows made questions: what is asked of each, and the answer expected.

Knows rows, wordings and answerers; knows nothing of metrics or of how answers are kept.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.data.examples import expected_answer, prompt_ids, prompt_turns
from workbench.data.prompting import PromptError, TemplateError, before_answer, encode_answer
from workbench.data.selection import Selection
from workbench.data.splits import row_key
from workbench.data.wordings import WORDED, in_use
from workbench.inference.answering import Answerer, Question
from workbench.measuring.overlap import columns_in
from workbench.protocol import FormatFound, Values
from workbench.session import EvaluationSettings, Prompt
from workbench.text import one_line

if TYPE_CHECKING:
    from workbench.inference.heads import Problem
    from workbench.prompting.shots import Shots

Report = Callable[[str, float, float, str], None]
MOST_LABELS = 20  # more distinct answers than this are no classes
LONGEST_LABEL = 8  # tokens; characters / 4 where a server has the tokenizer
# Metrics that look at the answer alone: no right answer need be known.
UNEXPECTED = frozenset({"regex", "json_schema", "function", "judge", "reward"})


@dataclass(frozen=True)
class Asked:
    """A row as it is asked. `problem`: it cannot be, and why."""

    number: int
    values: Values
    key: str
    question: Question
    expected: str
    problem: str = ""


def ask(
    answerer: Answerer,
    rows: Selection,
    prompt: Prompt,
    found: FormatFound,
    *,
    count: int,
    shots: "Shots | None",
    same_table: bool,
    needs_expected: bool,
    report: Report,
    stopped: threading.Event,
) -> list[Asked]:
    """The questions of the first `count` rows.

    `same_table`: the rows stand in the table that examples are drawn from, so that their numbers
    name them there, too.

    Raises:
        PromptError: where a row cannot be filled, naming it; or says no right answer though a
            metric needs one.
    """
    numbers = rows.numbers[:count]
    values = list(first(rows, len(numbers)))
    if shots is not None:
        shots.prepare(values)
    asked = []
    for index, (number, row) in enumerate(zip(numbers, values, strict=True)):
        if stopped.is_set():
            break
        if index % 100 == 0:
            report("filling prompts", index, len(numbers), "rows")
        before: Sequence[Values] = ()
        if shots is not None:
            before = [one for _, one in shots.for_row(row, int(number) if same_table else -1)]
        try:
            expected = expected_of(prompt, found, row, needs_expected)
            if in_order := getattr(answerer, "in_order", None):
                expected = in_order(expected)
            question = question_of(answerer, prompt, found, row, before)
        except TemplateError:
            raise
        except PromptError as error:
            raise PromptError(f"Row {int(number) + 1:,}: {error}") from error
        asked.append(Asked(int(number), row, row_key(int(number), row), question, expected))
    return asked


def expected_of(prompt: Prompt, found: FormatFound, values: Values, needed: bool) -> str:
    """The right answer; empty where there is none and none is needed."""
    try:
        return expected_answer(prompt, found, values)
    except PromptError:
        if needed:
            raise
        return ""


def first(rows: Selection, count: int) -> Iterator[Values]:
    """The first rows of a selection, read in blocks."""
    for _, block in rows.blocks():
        yield from block[:count]
        count -= len(block)
        if count <= 0:
            return


def question_of(
    answerer: Answerer,
    prompt: Prompt,
    found: FormatFound,
    values: Values,
    examples: Sequence[Values] = (),
) -> Question:
    """What a row asks, for whom it is asked.

    Raises:
        PromptError: where it cannot be filled or the model's chat template refuses it.
    """
    reads = getattr(answerer, "row_ids", None)
    if reads is not None:  # a whole text, without a chat's words around it
        return Question(ids=reads(prompt, found, values, examples))
    tokenizer = tokenizer_of(answerer)
    if tokenizer is None:
        turns = prompt_turns(prompt, found, values, examples)
        return answerer.question(turns, prompt.answer_start)
    ids = prompt_ids(tokenizer, prompt, found, values, examples)
    return Question(ids=ids, before=before_answer(tokenizer, in_use(found, prompt)))


def tokenizer_of(answerer: Answerer) -> Any:
    """The tokenizer of a model in memory; None where a server has it."""
    loaded = getattr(answerer, "loaded", None)
    return None if loaded is None else loaded.tokenizer


def check_completion(prompt: Prompt, found: FormatFound) -> None:
    """Raise PromptError where a wording says no right answer."""
    if found.format in WORDED and not in_use(found, prompt).completion.strip():
        raise PromptError(
            f'The prompt "{prompt.name}" has no completion to measure against; '
            "set it to the right answer, such as {{ label }}."
        )


def with_answers(asked: Sequence[Asked], labels: Sequence[str]) -> tuple[list[Asked], list[str]]:
    """The rows that have a right answer, and a sentence on the others. Among labels nothing is no
    answer; a text may well be empty, a list of names that a row does not have, say.

    Raises:
        PromptError: where no row has one.
    """
    empty = [one for one in asked if not one.expected]
    if not empty:
        return list(asked), []
    rows = f"{len(empty):,} row{'s have' if len(empty) != 1 else ' has'}"
    which = f"the first: row {empty[0].number + 1:,}"
    if len(empty) == len(asked):
        raise PromptError(
            f"No row has a right answer ({which}): the completion is filled as nothing; correct "
            "it or the rows."
        )
    if labels:
        there = [one for one in asked if one.expected]
        return there, [f"{rows} no right answer, {which}; left out."]
    return list(asked), [f"{rows} an empty right answer, {which}: nothing is what is expected."]


def missing_values(prompt: Prompt, asked: Sequence[Asked]) -> list[str]:
    """A sentence for each column of the template that has no value in some of the rows."""
    columns = columns_in("\n".join([*(turn.content for turn in prompt.turns), prompt.template]))
    said = []
    for column in columns:
        rows = [one.number + 1 for one in asked if one.values.get(column, "") is None]
        if rows:
            verb = "rows have" if len(rows) != 1 else "row has"
            said.append(
                f'{len(rows):,} {verb} no value of "{one_line(column, 60)}", the first: row '
                f"{rows[0]:,}; the prompt has nothing in its place."
            )
    return said


def problem_of(answerer: Answerer) -> "Problem":
    """What kind of answers come: of a classifier several labels, or numbers; of all others one of
    some, or a text."""
    head = getattr(getattr(answerer, "loaded", None), "head", None)
    if head is None or head.kind != "classifier" or getattr(answerer, "grades", False):
        return "single_label"
    found: Problem = head.problem
    return found


def find_labels(
    answerer: Answerer, prompt: Prompt, asked: Sequence[Asked], settings: EvaluationSettings
) -> list[str]:
    """The answers to choose among; none where the answers are free text.

    Raises:
        PromptError: when a row's answer is not among the labels that the session gives.
    """
    found = sorted({one.expected for one in asked if not one.problem} - {""})
    if settings.labels:
        labels = [one for one in dict.fromkeys(label.strip() for label in settings.labels) if one]
        if missing := [label for label in found if label not in labels]:
            raise PromptError(
                f'evaluation.labels lacks "{missing[0][:60]}", which is the answer of a row; '
                "add it, or leave evaluation.labels empty."
            )
        return labels
    few = 2 <= len(found) <= min(MOST_LABELS, max(2, len(asked) // 2))
    short = all(0 < length_of(answerer, prompt, label) <= LONGEST_LABEL for label in found)
    return found if few and short else []


def length_of(answerer: Answerer, prompt: Prompt, text: str) -> int:
    """Tokens of an answer; of a server's an estimate that tells a label from a sentence."""
    tokenizer = tokenizer_of(answerer)
    if tokenizer is None:
        return -(-len(text) // 4)
    return len(encode_answer(tokenizer, prompt, text))
