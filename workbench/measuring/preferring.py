"""Which of a row's two answers a model prefers, without an answer being written: a reward model the
one that it gives more, a model that writes the one that is likelier.

Likelier by the mean log-probability of a token, as ORPO compares answers, so that a long answer is
not the worse for being long. DPO and KTO compare with the model before the run; that model prefers
neither by that measure, by this one it is a figure to compare with.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from workbench.data.examples import rejected_answer
from workbench.data.prompting import PromptError
from workbench.inference.answering import Answerer, Question
from workbench.inference.errors import ModelError
from workbench.measuring.answering import Measuring
from workbench.measuring.answers import Answers, Known
from workbench.measuring.questions import Asked
from workbench.measuring.replies import Reply
from workbench.measuring.task import Task
from workbench.session import EvaluationSettings

AT_ONCE = 32  # rows between two reports
Told = Callable[[int, float, float], None]  # position, of the chosen answer, of the rejected one


def with_pairs(answerer: Answerer, task: Task) -> Task:
    """The task, with what is measured where rows have two answers and no metric is asked for.

    Raises:
        PromptError: where rows have no two answers, or the answerer cannot tell which it prefers,
            though that is all it can be measured by or what is asked for.
    """
    evaluation, found = task.evaluation, task.found
    wanted, scored = set(evaluation.metrics), prefers(answerer)
    two = found.format == "preference"
    if grades(answerer) and (not two or wanted - {"preferred"}):
        what = "the rows have none" if not two else f"not by {', '.join(sorted(wanted))}"
        raise PromptError(
            f"{answerer.name} gives answers numbers: it is measured by which of a row's two "
            f"answers it prefers, and {what}; {to_do(two)}."
        )
    if "preferred" in wanted and not (two and scored):
        what = "these rows have none" if not two else f"{answerer.name} tells no probability"
        raise PromptError(
            f"The metric preferred is of rows with a chosen and a rejected answer, and {what}; "
            "take it out of evaluation.metrics, or set dataset.format to preference."
        )
    if wanted or evaluation.labels or evaluation.answer == "choose" or not (two and scored):
        return task
    return replace(task, evaluation=msgspec.structs.replace(evaluation, metrics=["preferred"]))


def to_do(two: bool) -> str:
    if two:
        return "leave evaluation.metrics empty"
    return "measure on preferences, or have it score another model's answers by the metric reward"


def grades(answerer: Answerer) -> bool:
    """Whether it gives answers numbers, and no answers."""
    return bool(getattr(answerer, "grades", False))


def prefers(answerer: Answerer) -> bool:
    """Whether it can tell which of two answers it prefers; what reads whole texts and labels them
    cannot."""
    return grades(answerer) or (answerer.scores and getattr(answerer, "row_ids", None) is None)


def alone(evaluation: EvaluationSettings) -> bool:
    """Whether nothing else is measured: no answer need be written."""
    return evaluation.metrics == ["preferred"]


def prefer_all(answerer: Answerer, state: Measuring, task: Task) -> None:
    """Have all rows' two answers compared, and score the rows by it. A row whose answer is not
    written has the one that is preferred for its answer."""
    total, told = len(state.asked), 0

    def tell(position: int, chosen: float, rejected: float) -> None:
        nonlocal told
        state.take(position, replied(state, task, position, chosen - rejected))
        told += 1
        state.listener.report("comparing answers", told, total, "rows")

    if grades(answerer):
        by_numbers(answerer, state, task, tell)
    else:
        by_likelihood(answerer, state, task, tell)


def replied(state: Measuring, task: Task, position: int, more: float) -> Reply:
    """What is known of a row whose chosen answer has so much more than the rejected one."""
    value = 1.0 if more > 0 else 0.0 if more < 0 else 0.5
    if (before := state.replies.get(position)) is not None:
        return msgspec.structs.replace(before, preferred=value)
    asked = state.asked[position]
    rejected = rejected_answer(task.found, asked.values)
    return Reply(
        number=asked.number,
        expected=asked.expected,
        answer=asked.expected if value == 1 else rejected if value == 0 else "",
        values=asked.values,
        key=asked.key,
        preferred=value,
    )


def by_numbers(answerer: Any, state: Measuring, task: Task, tell: Told) -> None:
    """By what a reward model gives them."""
    listener = state.listener
    for start in range(0, len(state.asked), AT_ONCE):
        if listener.stopped.is_set():
            return
        places, ids = [], []
        for position in range(start, min(start + AT_ONCE, len(state.asked))):
            asked = state.asked[position]
            try:
                ids += answerer.pair_ids(task.prompt, task.found, asked.values)
                places.append(position)
            except PromptError as error:  # of this row alone
                state.take(position, failed(asked, str(error)))
        given = answerer.numbers(ids, listener.between)
        for position, chosen, rejected in zip(places, given[::2], given[1::2], strict=True):
            tell(position, chosen, rejected)


def failed(asked: Asked, problem: str) -> Reply:
    return Reply(number=asked.number, expected=asked.expected, key=asked.key, problem=problem)


def by_likelihood(answerer: Answerer, state: Measuring, task: Task, tell: Told) -> None:
    """By how probable they are."""
    listener = state.listener
    answers = Answers(state.results, listener.stopped, listener.between, task.fresh)
    questions = [one.question for one in state.asked]
    chosen = likelihoods(
        answerer, answers, questions, [one.expected for one in state.asked], listener.report
    )

    def compare(position: int, known: Known) -> None:
        if position in chosen:
            tell(position, chosen[position], a_token(known))

    rejected = [rejected_answer(task.found, one.values) for one in state.asked]
    answers.likelihood(answerer, questions, rejected, compare)


def likelihoods(
    answerer: Answerer,
    answers: Answers,
    questions: Sequence[Question],
    given: Sequence[str],
    report: Callable[[str, float, float, str], None],
) -> dict[int, float]:
    """Of each answer its log-probability a token, by position; those that came before a stop."""
    found: dict[int, float] = {}

    def take(position: int, known: Known) -> None:
        found[position] = a_token(known)
        report("reading chosen answers", len(found), len(questions), "rows")

    answers.likelihood(answerer, questions, given, take)
    return found


def a_token(known: Known) -> float:
    """The mean log-probability of an answer's tokens.

    Raises:
        ModelError: where it has none.
    """
    if known.logprob is None or not known.tokens:
        raise ModelError("The model gives no probability for an answer; use another metric.")
    return known.logprob / known.tokens
