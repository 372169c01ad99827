"""One variant measured on rows: asked, answered, scored, kept as it comes.

Knows rows, answerers, metrics and the store; knows nothing of the Worker or the screen that asks.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench.data.prompting import PromptError
from workbench.data.wordings import in_use
from workbench.inference.answering import Answerer
from workbench.measuring.answering import Measuring, answer_all, grade_all, score_all
from workbench.measuring.metrics import Calibration, Metric, choose_metrics, confusion
from workbench.measuring.metrics import check as check_metrics
from workbench.measuring.metrics import figure as figure_of
from workbench.measuring.metrics.judged import reward_model_of
from workbench.measuring.overlap import examples_overlap
from workbench.measuring.preferring import alone, prefer_all, with_pairs
from workbench.measuring.questions import (
    UNEXPECTED,
    Asked,
    ask,
    check_completion,
    find_labels,
    length_of,
    missing_values,
    problem_of,
    with_answers,
)
from workbench.measuring.store import About, Results
from workbench.measuring.task import Listener, Task
from workbench.protocol import Evaluated, Values
from workbench.session import EvaluationSettings, Prompt

if TYPE_CHECKING:
    from workbench.inference.scorer import Scorer

__all__ = ["Listener", "Task", "evaluate", "scorer_for"]


def evaluate(
    answerer: Answerer,
    task: Task,
    results: Results,
    listener: Listener,
    *,
    judge: Callable[[], Answerer] | None = None,
    scorer: "Scorer | None" = None,
) -> Evaluated:
    """Measure a variant; what was answered before is not asked again.

    With labels (the settings', or the answers in the rows where these are few and short) each row
    gets the label of the highest total log-probability, see `choice.with_ends`, or the one that is
    written where evaluation.answer says so. Without, the model writes its answer as the generation
    settings say. Of rows with a chosen and a rejected answer it is measured which of them is
    preferred, where no metric is asked for (`preferring`).

    Rows that do not fit into the context with their answer are left out and counted. `stopped` is
    looked at between batches: what was measured until then is returned. `scorer` is the reward
    model of the metric reward where it is at hand already; else it is found by the task.

    Raises:
        PromptError: when the prompt cannot be filled, says no right answer, or a metric lacks what
            it takes.
        ModelError: when no answer can be had.
        ResultsError: when nothing can be kept.
    """
    begun = time.monotonic()
    if scorer is None:  # what is wrong with it is said before a row is asked
        scorer = scorer_for(task.evaluation, task.folder, task.model.device)
    task = with_pairs(answerer, task)
    plan = planned(answerer, task, rows_to_ask(answerer, task, listener))
    task, labels = plan.task, plan.labels
    id = results.begin(
        task.session_path,
        task.model,
        about(task, answerer, plan.metrics, labels, len(plan.asked)),
        same_as(task, answerer, plan.asked),
        fresh=task.fresh,
    )
    state = Measuring(id, results, plan.metrics, plan.asked, listener)
    try:
        if not alone(task.evaluation):
            answer_all(answerer, state, task, labels, plan.chooses)
        if any(metric.needs == "pair" for metric in plan.metrics):
            prefer_all(answerer, state, task)
        if judge and any(metric.needs == "grade" for metric in plan.metrics):
            grade_all(judge(), state, task)
        if scorer is not None:
            score_all(scorer, state, task)
    finally:
        state.flush()
        for metric in plan.metrics:
            metric.close()
    made = summary(state, task, answerer, labels, time.monotonic() - begun)
    made = msgspec.structs.replace(made, left_out=plan.left_out, split=task.split)
    if state.replies:  # what was stopped before its first answer has no figure
        results.finish(id, made, complete=not listener.stopped.is_set())
    return made


@dataclass(frozen=True)
class Plan:
    """What is asked of which rows; `left_out` are those that do not fit. `task` with what is to be
    noted of them."""

    task: Task
    asked: list[Asked]
    left_out: int
    labels: list[str]
    chooses: bool  # among the labels, by their probability
    metrics: list[Metric]


def rows_to_ask(answerer: Answerer, task: Task, listener: Listener) -> list[Asked]:
    """The rows that are measured.

    Raises:
        PromptError: where there are none, or no right answers though a metric takes them.
    """
    columns = [column.name for column in task.rows.table.columns]
    check_metrics(task.evaluation, columns, task.folder)
    if needs_expected(task):
        check_completion(task.prompt, task.found)
    asked = ask(
        answerer,
        task.rows,
        task.prompt,
        task.found,
        count=task.count or task.evaluation.rows,
        shots=task.shots,
        same_table=task.same_table,
        needs_expected=needs_expected(task),
        report=listener.report,
        stopped=listener.stopped,
    )
    if not asked and not listener.stopped.is_set():
        raise PromptError("There are no rows to measure on; choose another evaluation split.")
    return asked


def needs_expected(task: Task) -> bool:
    """Whether the rows have to say the right answer."""
    wanted = set(task.evaluation.metrics)
    return not (wanted and wanted <= UNEXPECTED)


def planned(answerer: Answerer, task: Task, asked: list[Asked]) -> Plan:
    """How these rows are measured.

    Raises:
        PromptError: where none fits, or labels are to be chosen among and there are none.
    """
    prompt = in_use(task.found, task.prompt)
    problem = problem_of(answerer)
    labels: list[str] = []  # a number is none of some, and neither are several labels
    if problem == "single_label" and not alone(task.evaluation):
        labels = find_labels(answerer, prompt, asked, task.evaluation)
    notes = missing_values(prompt, asked)
    if needs_expected(task) and asked:
        asked, lacking = with_answers(asked, labels)
        notes += lacking
    if task.evaluation.answer == "choose" and not labels:
        raise PromptError(
            "There are no labels to choose among; set evaluation.labels, or evaluation.answer "
            'to "write".'
        )
    chooses = bool(labels) and task.evaluation.answer != "write" and answerer.scores
    fitting = those_that_fit(answerer, prompt, asked, labels if chooses else [], task)
    expected = [one.expected for one in fitting]
    return Plan(
        task=replace(task, notes=[*task.notes, *notes]),
        asked=fitting,
        left_out=len(asked) - len(fitting),
        labels=labels,
        chooses=chooses,
        metrics=choose_metrics(task.evaluation, labels, expected, task.folder, problem),
    )


def scorer_for(evaluation: EvaluationSettings, folder: Path, device: str) -> "Scorer | None":
    """The reward model that scores answers, its weights not read yet; None where no metric asks
    for one. Its name is seen from `folder`; `device` is where it computes.

    Raises:
        PromptError: where a metric asks for one, and none is named.
        ModelError: where it cannot be had.
    """
    if "reward" not in evaluation.metrics:
        return None
    from workbench.inference.scorer import Scorer

    name = reward_model_of(evaluation)
    return Scorer(name, folder, device, "evaluation.reward_model")


def those_that_fit(
    answerer: Answerer, prompt: Prompt, asked: Sequence[Asked], labels: Sequence[str], task: Task
) -> list[Asked]:
    """The rows whose prompt and answer fit into the context, where its length is known.

    Raises:
        PromptError: where none does.
    """
    if not answerer.context_length:
        return list(asked)
    new = task.generation.max_new_tokens
    if labels:
        new = max(length_of(answerer, prompt, label) for label in labels) + 1
    room = answerer.context_length - new
    fitting = [one for one in asked if len(one.question.ids) <= room]
    if asked and not fitting:
        shortest = min(len(one.question.ids) for one in asked)
        raise PromptError(
            f"Every row is too long: the shortest has {shortest:,} tokens, and {answerer.name} has "
            f"room for {max(room, 0):,} beside an answer of {new:,}; shorten the prompt, take "
            "fewer examples or lower generation.max_new_tokens."
        )
    return fitting


def about(
    task: Task, answerer: Answerer, metrics: Sequence[Metric], labels: list[str], total: int
) -> About:
    adapter = str(getattr(getattr(answerer, "loaded", None), "adapter", ""))
    return About(
        prompt=task.prompt,
        model=answerer.name,
        weights=task.weights,
        evaluation=task.evaluation,
        generation=task.generation,
        metrics=[metric.name for metric in metrics],
        labels=labels,
        step=task.step,
        total=total,
        dataset=task.dataset,
        adapter=adapter if task.weights == "tuned" else "",
    )


def same_as(task: Task, answerer: Answerer, asked: Sequence[Asked]) -> str:
    """The same for a measurement of the same weights, questions, answers expected and settings."""
    said = [
        answerer.fingerprint,
        [(one.number, one.question.key, one.expected) for one in asked],
        task.evaluation,
        task.generation,
        task.prompt.name,
    ]
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:40]


def overlaps(task: Task, asked: Sequence[Asked]) -> list[str]:
    """Warnings where rows that are measured are examples of the prompt, or examples are missing."""
    shown: list[Values] = []
    few: list[str] = []
    if task.shots is not None:
        if task.prompt.examples.choose != "nearest":
            shown = [shot.values for shot in task.shots.chosen[0]]
        few = [f"Examples: {problem}" for problem in task.shots.problems]
    rows = [(one.number, one.values) for one in asked]
    return [*few, *examples_overlap(task.prompt, rows, shown)]


def summary(
    state: Measuring, task: Task, answerer: Answerer, labels: list[str], seconds: float
) -> Evaluated:
    """The figures of what was measured."""
    order = sorted(state.replies)
    replies = [state.replies[position] for position in order]
    scores = [state.scores[position] for position in order]
    figures = [
        made for metric in state.metrics if (made := figure_of(metric, replies, scores)) is not None
    ]
    first = figures[0] if figures and figures[0].name == state.metrics[0].name else None
    bins = next(
        (metric.bins(replies) for metric in state.metrics if isinstance(metric, Calibration)), []
    )
    failed = [reply for reply in replies if reply.problem]
    notes = [
        *task.notes,
        *overlaps(task, state.asked),
        *(note for metric in state.metrics for note in metric.notes(replies)),
    ]
    if failed:
        notes.append(f"{len(failed):,} rows have no answer, the first: {failed[0].problem}")
    if state.problems:
        why = next(iter(state.problems.values()))
        notes.append(f"{len(state.problems):,} rows cannot be measured, the first: {why}")
    if "calibration" in task.evaluation.metrics and replies and not bins:
        notes.append(
            "There is no figure of calibration: it goes by the probability of labels, and the "
            "answers were written."
        )
    notes += state.results.notes
    return Evaluated(
        weights=task.weights,
        rows=len(replies) - len(failed),
        metric=state.metrics[0].name,
        value=first.value if first else 0.0,
        low=first.low if first else 0.0,
        high=first.high if first else 1.0,
        seconds=seconds,
        labels=labels,
        confusion=confusion(replies, labels) if labels else [],
        step=task.step,
        measurement=state.id,
        prompt=task.prompt.name,
        model=answerer.name,
        metrics=figures,
        calibration=bins,
        failed=len(failed),
        cached=sum(reply.cached for reply in replies),
        notes=list(dict.fromkeys(notes)),
    )
