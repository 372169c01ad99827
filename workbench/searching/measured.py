"""Development rows, measured: what a search asks of a prompt, answered by a model.

Knows answerers, rows and metrics; knows nothing of how a search chooses its prompts.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import msgspec
import numpy
from msgspec.structs import replace

from workbench.data.engine import Stopped
from workbench.data.prompting import PromptError
from workbench.data.selection import Selection
from workbench.data.wordings import in_use
from workbench.inference.answering import Answerer
from workbench.inference.errors import ModelError
from workbench.measuring.answering import reply_of
from workbench.measuring.answers import Answers, Known
from workbench.measuring.metrics import Metric, choose_metrics, score
from workbench.measuring.questions import Asked, ask, find_labels, length_of
from workbench.measuring.replies import Reply
from workbench.measuring.store import Results
from workbench.measuring.task import Listener
from workbench.prompting.shots import Shots
from workbench.protocol import FormatFound
from workbench.searching.development import Development
from workbench.searching.objective import Outcome
from workbench.session import EvaluationSettings, GenerationSettings, Prompt
from workbench.session import Metric as MetricName

# Figures of all rows together, and what stands for them on a single row.
INSTEAD: dict[str, MetricName] = {
    "macro_f1": "accuracy",
    "matthews": "accuracy",
    "calibration": "accuracy",
    "rmse": "mae",
    "pearson": "mae",
    "spearman": "mae",
}
# A search would cost a model's reading of every answer.
UNSUITED = ("perplexity", "judge", "reward", "preferred")


def deciding(wanted: str, evaluation: EvaluationSettings) -> EvaluationSettings:
    """The evaluation with the one metric that a search goes by first.

    Raises:
        PromptError: where a search cannot go by it.
    """
    names = [wanted] if wanted else list(evaluation.metrics[:1])
    names = [INSTEAD.get(name, name) for name in names]
    if names and names[0] in UNSUITED:
        raise PromptError(
            f"A search cannot go by {names[0]}; set optimize.metric to accuracy, exact_match, "
            "chrf, rougeL, contains, regex, json_schema or function."
        )
    document = {**msgspec.to_builtins(evaluation), "metrics": names}
    try:
        return msgspec.convert(document, EvaluationSettings)
    except msgspec.ValidationError:
        known = ", ".join(get_args(MetricName))
        raise PromptError(
            f'optimize.metric: there is no metric "{wanted}"; there is {known}.'
        ) from None


class Measured:
    """An objective, see `objective.Objective`. Lower-is-better metrics are turned around."""

    def __init__(  # noqa: PLR0917
        self,
        answerer: Answerer,
        development: Development,
        found: FormatFound,
        evaluation: EvaluationSettings,
        results: Results,
        listener: Listener,
        folder: Path,
        generation: Callable[[Prompt], GenerationSettings],
    ) -> None:
        self.answerer, self.development, self.found = answerer, development, found
        self.evaluation, self.results, self.listener = evaluation, results, listener
        self.folder, self.generation = folder, generation
        self.labels: list[str] | None = None  # of the first prompt: all have the same
        self.metric: Metric | None = None
        self.farthest = 0.0  # the highest value so far

    def __call__(self, prompt: Prompt, positions: Sequence[int]) -> list[Outcome]:
        asked = self.asked(prompt, positions)
        if self.labels is None:
            self.labels = self.find_labels(prompt, asked)
        chooses = bool(self.labels) and self.evaluation.answer != "write" and self.answerer.scores
        self.check_length(prompt, asked, self.labels if chooses else [])
        metric = self.metric_for(asked)
        replies: dict[int, Reply] = {}

        def take(place: int, known: Known) -> None:
            replies[place] = reply_of(asked[place], known, self.labels or [], {}, place)
            self.listener.report("measuring a prompt", len(replies), len(asked), "rows")

        answers = Answers(self.results, self.listener.stopped, self.listener.between)
        questions = [one.question for one in asked]
        if chooses:
            answers.choose(self.answerer, questions, self.labels, take)
        else:
            settings = self.generation(prompt)
            if self.labels and self.evaluation.answer != "write":
                settings = replace(settings, constraint="labels")
            answers.write(self.answerer, questions, settings, self.labels, take)
        if self.listener.stopped.is_set() or len(replies) < len(asked):
            raise Stopped
        problems = [reply.problem for reply in replies.values() if reply.problem]
        if len(problems) == len(replies):
            raise ModelError(problems[0])
        scored = [score([metric], replies[place]) for place in range(len(asked))]
        self.farthest = max(
            [self.farthest, *(values.get(metric.name, 0.0) for values, _ in scored)]
        )
        return [
            self.outcome(metric, prompt, replies[place], *one) for place, one in enumerate(scored)
        ]

    def asked(self, prompt: Prompt, positions: Sequence[int]) -> list[Asked]:
        development = self.development
        numbers = numpy.asarray(development.rows.numbers)[list(positions)]
        order = numpy.argsort(numbers, kind="stable")
        shots = None
        if prompt.examples.wanted:
            shots = Shots(
                prompt,
                self.found,
                development.pool,
                self.folder,
                self.listener.report,
                self.listener.stopped,
            )
        made = ask(
            self.answerer,
            Selection(development.rows.table, numbers[order]),
            prompt,
            self.found,
            count=len(numbers),
            shots=shots,
            same_table=True,
            needs_expected=False,
            report=lambda *_: None,
            stopped=self.listener.stopped,
        )
        if len(made) < len(numbers):
            raise Stopped
        back = numpy.argsort(order, kind="stable")  # as they were asked for
        return [made[int(place)] for place in back]

    def find_labels(self, prompt: Prompt, asked: Sequence[Asked]) -> list[str]:
        used = in_use(self.found, prompt)
        if self.evaluation.labels or not self.development.labels:
            return find_labels(self.answerer, used, asked, self.evaluation)
        return list(self.development.labels)

    def check_length(self, prompt: Prompt, asked: Sequence[Asked], labels: Sequence[str]) -> None:
        """Raise PromptError where a row does not fit into the context with its answer."""
        limit = self.answerer.context_length
        new = self.generation(prompt).max_new_tokens
        if labels:
            new = max(length_of(self.answerer, prompt, label) for label in labels) + 1
        longest = max((len(one.question.ids) for one in asked), default=0)
        if limit and longest + new > limit:
            raise PromptError(f"it has {longest:,} tokens, too many for a context of {limit:,}")

    def metric_for(self, asked: Sequence[Asked]) -> Metric:
        if self.metric is None:
            expected = [one.expected for one in asked]
            self.metric = choose_metrics(self.evaluation, self.labels or [], expected, self.folder)[
                0
            ]
        return self.metric

    def outcome(
        self, metric: Metric, prompt: Prompt, reply: Reply, values: dict[str, float], problem: str
    ) -> Outcome:
        from workbench.data.prompting import render

        sign = -1 if metric.better == "lower" else 1
        value = values.get(metric.name)
        try:
            question = render(prompt.template, reply.values)
        except PromptError:
            question = ""
        if value is None:  # no answer, or none that can be measured, is as bad as one can be
            worst, unlimited = metric.floor, 0.0
            if sign < 0:
                worst, unlimited = metric.ceiling, self.farthest
            value = unlimited if worst is None else worst
        return Outcome(
            value=sign * value,
            question=question,
            answer=reply.answer,
            expected=reply.expected,
            problem=reply.problem or problem,
        )

    def close(self) -> None:
        if self.metric is not None:
            self.metric.close()
