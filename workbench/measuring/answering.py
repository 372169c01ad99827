"""A measurement under way: rows asked, scored, kept and told as their answers come.

Knows replies by position; which rows there are and what comes of them is `evaluation`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from workbench.data.prompting import PromptError
from workbench.inference.answering import Answerer, Turn
from workbench.measuring.answers import Answers, Known
from workbench.measuring.judge import Grade
from workbench.measuring.judging import grade_items, task_of
from workbench.measuring.metrics import Metric, score
from workbench.measuring.questions import Asked
from workbench.measuring.replies import Reply, chosen, confidence_of
from workbench.measuring.rubric import Item
from workbench.measuring.store import Results, StoredRow
from workbench.measuring.task import Listener, Task
from workbench.session import GenerationSettings

if TYPE_CHECKING:
    from workbench.inference.scorer import Scorer

KEPT_AT_ONCE = 32  # rows written to the store together
SCORED_AT_ONCE = 64  # answers that a reward model scores between two reports


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

    def take(self, position: int, reply: Reply, problem: str = "") -> None:
        """A row is known: score it, and keep and tell it a little later. `problem`: what else is
        wrong with it, such as that no judge could grade it."""
        values, unscored = score(self.metrics, reply)
        problem = problem or unscored
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


def score_all(scorer: "Scorer", state: Measuring, task: Task) -> None:
    """Have the answers scored by a reward model, and score their rows again."""
    there = [position for position, reply in state.replies.items() if not reply.problem]
    start, listener = task.prompt.answer_start, state.listener
    for at in range(0, len(there), SCORED_AT_ONCE):
        if listener.stopped.is_set():
            return
        chunk = there[at : at + SCORED_AT_ONCE]
        asked = [
            (
                task_of(task.prompt, task.found, state.asked[position].values),
                start + state.replies[position].answer,
            )
            for position in chunk
        ]
        found = scored(scorer, asked, listener.between)
        for position, (value, problem) in zip(chunk, found, strict=True):
            reply = msgspec.structs.replace(state.replies[position], reward=value)
            state.take(position, reply, problem)
        listener.report("scoring answers", at + len(chunk), len(there), "rows")


def scored(
    scorer: "Scorer", asked: Sequence[tuple[list[Turn], str]], between: Callable[[], None]
) -> list[tuple[float | None, str]]:
    """The number of each answer, or why it has none."""
    try:
        return [(value, "") for value in scorer.scores(asked, between)]
    except PromptError as error:  # of one of them: each by itself says which
        if len(asked) == 1:
            return [(None, f"The reward model cannot score it: {error}")]
        return [one for each in asked for one in scored(scorer, [each], between)]


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
        state.take(there[place], msgspec.structs.replace(reply, grade=value), given.problem)

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
