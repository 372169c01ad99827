"""One variant measured on rows: asked, answered, scored, kept as it comes.

Knows rows, answerers, metrics and the store; knows nothing of the Worker or the screen that asks.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench.data.prompting import PromptError
from workbench.data.selection import Selection
from workbench.data.wordings import in_use
from workbench.inference.answering import Answerer
from workbench.measuring.answers import Answers, Known
from workbench.measuring.judge import Grade
from workbench.measuring.judging import grade_items, task_of
from workbench.measuring.metrics import Calibration, Metric, choose_metrics, confusion, score
from workbench.measuring.metrics import check as check_metrics
from workbench.measuring.metrics import figure as figure_of
from workbench.measuring.overlap import examples_overlap
from workbench.measuring.questions import (
    UNEXPECTED,
    Asked,
    Report,
    ask,
    check_completion,
    find_labels,
    length_of,
    missing_values,
    with_answers,
)
from workbench.measuring.replies import Reply, chosen, confidence_of
from workbench.measuring.rubric import Item
from workbench.measuring.store import About, Results, StoredRow
from workbench.protocol import Evaluated, FormatFound, MeasuredRow, Values, Weights
from workbench.session import EvaluationSettings, GenerationSettings, ModelSettings, Prompt

if TYPE_CHECKING:
    from workbench.prompting.shots import Shots

KEPT_AT_ONCE = 32  # rows written to the store together


def nothing() -> None:
    return None


@dataclass(frozen=True)
class Task:
    """What is measured, and on which rows."""

    prompt: Prompt
    model: ModelSettings
    weights: Weights
    evaluation: EvaluationSettings
    generation: GenerationSettings
    found: FormatFound
    rows: Selection
    dataset: str  # fingerprint of where the rows come from
    folder: Path
    session_path: str = ""
    shots: "Shots | None" = None
    same_table: bool = False  # the rows stand in the table that examples are drawn from
    split: str = ""  # of the rows, where it is not the one looked at
    count: int = 0  # rows; 0: as the evaluation says
    fresh: bool = False
    step: int = -1
    notes: Sequence[str] = ()  # what the person should know, such as rows that overlap


@dataclass(frozen=True)
class Listener:
    """Who is told, and who may stop it."""

    stopped: threading.Event
    report: Report
    # measurement, rows that have come, how many there are, of how many
    rows: Callable[[str, list[MeasuredRow], int, int], None] = lambda *_: None
    between: Callable[[], None] = nothing  # called between chunks: others may be served


@dataclass
class Measuring:
    """A measurement under way: replies by position, and what is still to be kept and told."""

    id: str
    results: Results
    metrics: list[Metric]
    asked: list[Asked]
    listener: Listener
    replies: dict[int, Reply] = field(default_factory=dict)
    scores: dict[int, dict[str, float]] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)  # where a metric cannot measure a row
    waiting: list[StoredRow] = field(default_factory=list)

    def take(self, position: int, reply: Reply) -> None:
        """A row is known: score it, and keep and tell it a little later."""
        values, problem = score(self.metrics, reply)
        self.replies[position], self.scores[position] = reply, values
        if problem:
            self.problems[position] = problem
        self.waiting.append(StoredRow(reply=reply, scores=values, problem=reply.problem or problem))
        if len(self.waiting) >= KEPT_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if not self.waiting:
            return
        rows, self.waiting = self.waiting, []
        self.results.add_rows(self.id, rows)
        told = [row.told(self.metrics[0].name) for row in rows]
        self.listener.rows(self.id, told, len(self.replies), len(self.asked))


def evaluate(
    answerer: Answerer,
    task: Task,
    results: Results,
    listener: Listener,
    judge: Callable[[], Answerer] | None = None,
) -> Evaluated:
    """Measure a variant; what was answered before is not asked again.

    With labels (the settings', or the answers in the rows where these are few and short) each row
    gets the label of the highest total log-probability, see `choice.with_ends`, or the one that is
    written where evaluation.answer says so. Without, the model writes its answer as the generation
    settings say.

    Rows that do not fit into the context with their answer are left out and counted. `stopped` is
    looked at between batches: what was measured until then is returned.

    Raises:
        PromptError: when the prompt cannot be filled, says no right answer, or a metric lacks what
            it takes.
        ModelError: when no answer can be had.
        ResultsError: when nothing can be kept.
    """
    begun = time.monotonic()
    check_metrics(task.evaluation, [column.name for column in task.rows.table.columns], task.folder)
    wanted = set(task.evaluation.metrics)
    needs_expected = not (wanted and wanted <= UNEXPECTED)
    if needs_expected:
        check_completion(task.prompt, task.found)
    asked = ask(
        answerer,
        task.rows,
        task.prompt,
        task.found,
        count=task.count or task.evaluation.rows,
        shots=task.shots,
        same_table=task.same_table,
        needs_expected=needs_expected,
        report=listener.report,
        stopped=listener.stopped,
    )
    if not asked and not listener.stopped.is_set():
        raise PromptError("There are no rows to measure on; choose another evaluation split.")
    prompt = in_use(task.found, task.prompt)
    labels = find_labels(answerer, prompt, asked, task.evaluation)
    notes = missing_values(prompt, asked)
    if needs_expected and asked:
        asked, lacking = with_answers(asked, labels)
        notes += lacking
    task = replace(task, notes=[*task.notes, *notes])
    if task.evaluation.answer == "choose" and not labels:
        raise PromptError(
            "There are no labels to choose among; set evaluation.labels, or evaluation.answer "
            'to "write".'
        )
    chooses = bool(labels) and task.evaluation.answer != "write" and answerer.scores
    fitting = those_that_fit(answerer, prompt, asked, labels if chooses else [], task)
    expected = [one.expected for one in fitting]
    metrics = choose_metrics(task.evaluation, labels, expected, task.folder)
    id = results.begin(
        task.session_path,
        task.model,
        about(task, answerer, metrics, labels, len(fitting)),
        same_as(task, answerer, fitting),
        fresh=task.fresh,
    )
    state = Measuring(id, results, metrics, fitting, listener)
    try:
        answer_all(answerer, state, task, labels, chooses)
        if judge and any(metric.needs == "grade" for metric in metrics):
            grade_all(judge(), state, task)
    finally:
        state.flush()
        for metric in metrics:
            metric.close()
    made = summary(state, task, answerer, labels, time.monotonic() - begun)
    left_out = len(asked) - len(fitting)
    made = msgspec.structs.replace(made, left_out=left_out, split=task.split)
    if state.replies:  # what was stopped before its first answer has no figure
        results.finish(id, made, complete=not listener.stopped.is_set())
    return made


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


def answer_all(
    answerer: Answerer, state: Measuring, task: Task, labels: list[str], chooses: bool
) -> None:
    """Ask all rows; each is scored as its answer comes."""
    listener = state.listener
    answers = Answers(state.results, listener.stopped, listener.between, task.fresh)
    likelihoods = ask_likelihoods(answerer, answers, state)
    total, what = len(state.asked), f"measuring {task.prompt.name}, {task.weights}"
    listener.report(what, 0, total, "rows")

    def take(position: int, known: Known) -> None:
        state.take(position, reply_of(state.asked[position], known, labels, likelihoods, position))
        listener.report(what, len(state.replies), total, "rows")

    questions = [one.question for one in state.asked]
    if chooses:
        answers.choose(answerer, questions, labels, take)
    else:
        answers.write(answerer, questions, generation_for(answerer, task, labels), labels, take)


def generation_for(answerer: Answerer, task: Task, labels: Sequence[str]) -> GenerationSettings:
    """How answers are written: held to the labels where a server could not choose among them."""
    if labels and task.evaluation.answer != "write" and not answerer.scores:
        return msgspec.structs.replace(task.generation, constraint="labels")
    return task.generation


def ask_likelihoods(answerer: Answerer, answers: Answers, state: Measuring) -> dict[int, Known]:
    """How probable the expected answers are, where a metric wants to know."""
    if not any(metric.needs == "likelihood" for metric in state.metrics):
        return {}
    found: dict[int, Known] = {}
    total = len(state.asked)

    def take(position: int, known: Known) -> None:
        found[position] = known
        state.listener.report("reading expected answers", len(found), total, "rows")

    answers.likelihood(
        answerer,
        [one.question for one in state.asked],
        [one.expected for one in state.asked],
        take,
    )
    return found


def reply_of(
    asked: Asked, known: Known, labels: Sequence[str], likelihoods: dict[int, Known], position: int
) -> Reply:
    """What is known of a row once its answer has come."""
    answer, confidence = known.text.strip(), None
    problem = known.problem
    if known.scores is not None and not known.scores:
        problem = problem or "The model gave no probability for any label."
    elif known.scores:
        answer, confidence = labels[chosen(known.scores)], confidence_of(known.scores)
    likelihood = likelihoods.get(position)
    return Reply(
        number=asked.number,
        expected=asked.expected,
        answer=answer,
        values=asked.values,
        key=asked.key,
        label_logprobs=known.scores,
        confidence=confidence,
        logprob=likelihood.logprob if likelihood and likelihood.tokens else None,
        tokens=likelihood.tokens if likelihood else 0,
        problem=problem,
        cached=known.cached,
    )


def grade_all(judge: Answerer, state: Measuring, task: Task) -> None:
    """Have the answers graded, and score their rows again."""
    there = [position for position, reply in state.replies.items() if not reply.problem]
    items = [
        Item(
            task_of(task.prompt, task.found, state.asked[position].values),
            state.replies[position].answer,
            state.replies[position].expected,
        )
        for position in there
    ]

    def tell(place: int, given: Grade) -> None:
        reply = state.replies[there[place]]
        value = None if given.value is None else float(given.value)
        state.take(there[place], msgspec.structs.replace(reply, grade=value, problem=given.problem))

    listener = state.listener
    grade_items(
        judge,
        items,
        task.evaluation.judge,
        state.results,
        fresh=task.fresh,
        report=listener.report,
        stopped=listener.stopped,
        between=listener.between,
        tell=tell,
    )


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
