"""The metrics of `workbench eval` on the weights as they are at a step: the same engine and names.

Knows a recipe and its evaluation rows; knows nothing of steps. What is answered meanwhile is kept
in a folder that goes with the run: measurements of the person's own are not mixed with these.
"""

import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench.data.formats import recognise_table
from workbench.data.prompting import PromptError
from workbench.inference.answerers import answerer_for
from workbench.inference.answering import Answerer
from workbench.inference.prefixes import Prefixes
from workbench.measuring.evaluation import evaluate, scorer_for
from workbench.measuring.questions import UNEXPECTED, ask, find_labels
from workbench.measuring.store import Results
from workbench.measuring.task import Listener, Task

if TYPE_CHECKING:
    from workbench.inference.scorer import Scorer
    from workbench.training.recipe import Recipe


class Measured:
    """Measures the tuned weights of a recipe on its first `metric_rows` evaluation rows."""

    def __init__(self, recipe: "Recipe") -> None:
        self.recipe, self.work = recipe, recipe.work
        self.wanted = recipe.work.session.training.metric_rows  # of a whole measurement
        self.known_labels: list[str] | None = None

    def figures(self) -> dict[str, float]:
        """The metrics by their names (accuracy, chrf …); none where there is nothing to measure.

        Raises:
            PromptError: when the prompt cannot be filled or a metric lacks what it takes.
            ModelError: when no answer can be had.
            StopRequested: when it was asked for.
        """
        answerer = self.recipe.answerer()
        if self.work.data.evaluation is None or answerer is None:
            return {}
        with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
            results = Results(Path(folder))
            try:
                made = evaluate(
                    answerer,
                    self.task(answerer),
                    results,
                    self.listener(),
                    judge=self.judge,
                    scorer=self.scorer,
                )
            finally:
                results.close()
        self.work.pause("evaluating", 0, 0)  # raises where a stop cut it short
        return {one.name: one.value for one in made.metrics}

    @cached_property
    def scorer(self) -> "Scorer | None":
        """The reward model of the metric reward: its weights are read once for the whole run.

        Raises:
            PromptError, ModelError: where there is none.
        """
        session = self.work.session
        return scorer_for(session.evaluation, self.work.folder, session.model.device)

    def listener(self) -> Listener:
        work = self.work

        def report(what: str, done: float, total: float, _unit: str) -> None:
            del what, done, total  # the run says that it evaluates

        return Listener(work.stop(), report, between=lambda: work.pause("evaluating", 0, 0))

    def task(self, answerer: Answerer) -> Task:
        session, data, recipe = self.work.session, self.work.data, self.recipe
        rows = data.evaluation
        assert rows is not None
        evaluation = session.evaluation
        if labels := self.labels(answerer):
            evaluation = replace(evaluation, labels=labels)
        return Task(
            prompt=session.prompt(),
            model=session.model,
            weights="tuned",
            evaluation=evaluation,
            generation=session.generation_of(session.prompt()),
            found=recognise_table(rows.table, session.dataset, session.prompt()),
            rows=rows,
            dataset=data.fingerprint,
            folder=self.work.folder,
            shots=recipe.asking.shots,
            same_table=rows.table is data.train.table,
            count=recipe.settings.metric_rows,
            fresh=True,
        )

    def labels(self, answerer: Answerer) -> list[str]:
        """The labels to choose among: of all rows that are measured, however few are now."""
        if self.known_labels is None:
            self.known_labels = self.look_for_labels(answerer)
        return self.known_labels

    def look_for_labels(self, answerer: Answerer) -> list[str]:
        session, rows = self.work.session, self.work.data.evaluation
        assert rows is not None
        wanted = set(session.evaluation.metrics)
        if session.evaluation.labels or (wanted and wanted <= UNEXPECTED):
            return session.evaluation.labels
        asked = ask(
            answerer,
            rows,
            session.prompt(),
            recognise_table(rows.table, session.dataset, session.prompt()),
            count=self.wanted,
            shots=None,
            same_table=rows.table is self.work.data.train.table,
            needs_expected=True,
            report=self.listener().report,
            stopped=self.work.stop(),
        )
        return find_labels(answerer, session.prompt(), asked, session.evaluation)

    def judge(self) -> Answerer:
        """Who grades, where a metric is a judge: the model that the session names, else the base
        model in memory."""
        model = self.work.session.evaluation.judge.model
        if model is not None and model.url:
            from workbench.inference.endpoints import EndpointAnswerer

            answerer = EndpointAnswerer(model, self.work.folder)
            answerer.connect(self.work.stop())
            return answerer
        if model is not None and model.name != self.work.session.model.name:
            raise PromptError(
                f"The judge {model.name} cannot be in memory beside the model that is trained; "
                "name one on a server, or leave evaluation.judge.model empty."
            )
        found = answerer_for(self.recipe.loaded, "base", Prefixes(), self.work.folder)
        if found is None:
            raise PromptError("The model that is trained cannot judge; name one on a server.")
        return found
