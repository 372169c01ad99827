"""A search for a better prompt, and what its result is worth on rows that it never saw."""

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench.protocol import (
    CandidateTried,
    Compared,
    Evaluate,
    Evaluated,
    Optimize,
    Optimized,
    Weights,
)
from workbench.session import EvaluationSettings, ModelSettings, Prompt
from workbench.worker.lane import Job, sentence
from workbench.worker.output import note
from workbench.worker.results_desk import results_of

if TYPE_CHECKING:
    from workbench.data.sources import Dataset
    from workbench.inference.answering import Answerer
    from workbench.measuring.evaluation import Listener
    from workbench.searching.objective import Found
    from workbench.worker.bench import Bench

REFLECTION_TOKENS = 1_024  # that a reflector may write


class Searching:
    """One search, for one request."""

    def __init__(
        self,
        bench: "Bench",
        request: Optimize,
        job: Job,
        listener: "Listener",
        answerer: Callable[[ModelSettings], tuple[Weights, "Answerer"]],
    ) -> None:
        self.bench, self.request, self.job, self.listener = bench, request, job, listener
        self.answerer = answerer
        self.session, self.folder = request.session, Path(request.folder)
        self.settings, self.start = request.session.optimize, request.session.prompt()
        self.model = self.session.model_of(self.start)
        self.metric = ""  # the one that the search goes by

    def run(self, data: "Dataset") -> None:
        """
        Raises:
            PromptError, ModelError, SourceError, ResultsError: one sentence each.
        """
        from workbench.searching.measured import deciding

        begun = time.monotonic()
        evaluation = deciding(self.settings.metric, self.session.evaluation)
        weights, answerer = self.answerer(self.model)
        found = self.search(data, answerer, evaluation)
        best = replace(found.prompt, name=self.name_of(found.prompt))
        held_out, problem = None, ""
        if found.prompt != found.start:
            held_out, problem = self.held_out(data, weights, best)
        words = " ".join(filter(None, [found.words, found.problem, problem]))
        self.job.tell(
            Optimized(
                request=self.job.id,
                prompt=best if found.prompt != found.start else self.start,
                start=self.start,
                metric=self.metric,
                development_start=found.start_value,
                development_best=found.value,
                held_out=held_out,
                tried=len(found.tried),
                seconds=time.monotonic() - begun,
                words=words,
            )
        )

    def name_of(self, prompt: Prompt) -> str:
        """A name of its own among the session's variants."""
        names = {one.name for one in self.session.prompts}
        name, number = f"{self.start.name}, searched", 2
        while name in names:
            name, number = f"{self.start.name}, searched {number}", number + 1
        return name if prompt != self.start else self.start.name

    def search(
        self, data: "Dataset", answerer: "Answerer", evaluation: EvaluationSettings
    ) -> "Found":
        from workbench.data.formats import recognise_table
        from workbench.searching import gepa, random
        from workbench.searching.development import develop
        from workbench.searching.measured import Measured

        session, settings = self.session, self.settings
        found = recognise_table(data.train.table, session.dataset, self.start)
        self.job.progress("choosing development rows")
        development = develop(self.start, found, data.train, settings.rows, settings.seed)
        objective = Measured(
            answerer,
            development,
            found,
            evaluation,
            results_of(self.request.folder),
            self.listener,
            self.folder,
            session.generation_of,
        )
        self.job.progress("measuring the prompt to begin with")
        try:
            if settings.method == "gepa":
                return gepa.search(
                    self.start,
                    development=development,
                    objective=objective,
                    reflect=self.reflector(),
                    settings=settings,
                    on_candidate=self.tell,
                    stopped=self.job.stopped,
                    highest=None,  # the metric is not known before the first measurement
                )
            return random.search(
                self.start,
                others=[one for one in session.prompts if one.name != self.start.name],
                labels=session.evaluation.labels,
                found=found,
                development=development,
                objective=objective,
                settings=settings,
                folder=self.folder,
                on_candidate=self.tell,
                report=self.job.progress,
                stopped=self.job.stopped,
            )
        finally:
            self.metric = objective.metric.name if objective.metric else ""
            objective.close()

    def tell(self, tried: CandidateTried) -> None:
        self.job.tell(replace(tried, request=self.job.id))
        self.job.progress(
            f"best so far {tried.best_value:.3g}", tried.spent, tried.budget, "answers"
        )

    def reflector(self) -> Callable[[str], str]:
        """Who reads the mistakes and words the instruction anew."""
        model = self.settings.reflection_model or self.model
        _, answerer = self.answerer(model)
        generation = replace(
            self.session.generation,
            max_new_tokens=REFLECTION_TOKENS,
            do_sample=True,
            constraint="none",
            num_return_sequences=1,
        )
        drawn = 0

        def reflect(text: str) -> str:
            nonlocal drawn
            drawn += 1
            question = answerer.question([{"role": "user", "content": text}])
            settings = replace(generation, seed=self.settings.seed + drawn)
            told = 0

            def follow(_text: str, count: int, _tokens: object) -> None:
                nonlocal told
                told += count
                self.job.progress("wording it anew", told, REFLECTION_TOKENS, "tokens")

            self.job.progress("reading the mistakes", 0, 0)
            return answerer.stream(question, settings, follow, self.job.stopped).text

        return reflect

    def held_out(
        self, data: "Dataset", weights: Weights, best: Prompt
    ) -> tuple[Compared | None, str]:
        """Start and best on the evaluation rows, none of which the search has seen; where they are
        not measured, why. Whatever happens now, what the search has found is told."""
        if data.evaluation is None:
            return None, "No rows are held out to measure it on: name an evaluation_split."
        try:
            return self.compared(data, weights, best)
        except Exception as error:
            with suppress(OSError):
                note(traceback.format_exc())
            return None, f"It was not measured on held-out rows: {sentence(error)}"

    def compared(
        self, data: "Dataset", weights: Weights, best: Prompt
    ) -> tuple[Compared | None, str]:
        from workbench.measuring.comparison import compare

        measured: list[Evaluated] = []
        for prompt in (self.start, best):
            if self.job.stopped.is_set():  # half a measurement is no comparison
                break
            request = Evaluate(
                model=self.model,
                folder=self.request.folder,
                dataset=self.session.dataset,
                prompt=prompt,
                evaluation=self.session.evaluation,
                generation=self.session.generation_of(prompt),
                session_path=self.request.session_path,
                weights=(weights,),
            )
            measured += self.bench.measure(request, self.job, data)
        if self.job.stopped.is_set():
            return None, "Stopped before it was measured on held-out rows."
        results = results_of(self.request.folder)
        a, b = (results.measurement(one.measurement) for one in measured)
        metric = self.settings.metric if self.settings.metric in a.about.metrics else ""
        return compare(a, b, metric), ""
