"""Measures, judges and searches, whoever answers: a model in memory or one on a server."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench.protocol import (
    Done,
    Evaluate,
    Generate,
    JudgePairs,
    MeasuredRow,
    Optimize,
    RowsMeasured,
    Weights,
)
from workbench.session import ModelSettings
from workbench.worker.lane import Job, RefusedError
from workbench.worker.results_desk import results_of
from workbench.worker.shelf import GivenUpError, Shelf
from workbench.worker.tuned import learnt_from, tuning_notes

if TYPE_CHECKING:
    from workbench.data.selection import Selection
    from workbench.data.sources import Dataset
    from workbench.inference.answering import Answerer, Turn
    from workbench.measuring.evaluation import Listener, Task
    from workbench.measuring.store import Measurement
    from workbench.protocol import Evaluated, Values

BOTH: tuple[Weights, ...] = ("base", "tuned")
# A model's answerers: of its own weights and, where it has an adapter, of the tuned ones.
Answerers = Callable[
    [ModelSettings, str, tuple[Weights, ...], Job], "list[tuple[Weights, Answerer]]"
]


def nobody() -> None:
    return None


class Bench:
    """`between` is called now and then: others may be served meanwhile; `step` tells the step of
    the run whose weights answer."""

    def __init__(
        self,
        shelf: Shelf,
        answerers: Answerers,
        between: Callable[[], None] = nobody,
        step: Callable[[], int] = lambda: -1,
    ) -> None:
        self.shelf, self.answerers = shelf, answerers
        self.between, self.step = between, step

    def keep_version(self, request: Generate) -> None:
        """An answer was asked for: its wording belongs to the history."""
        if request.session_path:
            results_of(request.folder).keep_version(
                request.session_path, request.prompt, request.model, request.generation, answers=1
            )

    # --- measuring ---------------------------------------------------------------------------

    def evaluate(self, request: Evaluate, job: Job) -> None:
        with suppress(GivenUpError):
            # The rows first: they may be wrong, and the model takes long to load.
            data = self.shelf.dataset(job, request.dataset, request.folder)
            for made in self.measure(request, job, data):
                job.tell(msgspec.structs.replace(made, request=job.id))
        job.tell(Done(request=job.id, cancelled=job.stopped.is_set()))

    def measure(self, request: Evaluate, job: Job, data: "Dataset") -> "Iterator[Evaluated]":
        """Measure for each of the weights that there are."""
        from workbench.measuring.evaluation import evaluate

        rows = rows_of(request, data)
        there = self.answerers(request.model, request.folder, request.weights, job)
        results = results_of(request.folder)
        results.keep_version(
            request.session_path, request.prompt, request.model, request.generation
        )
        for weights, answerer in there:
            if job.stopped.is_set():
                return
            adapter = str(getattr(getattr(answerer, "loaded", None), "adapter", ""))
            notes = tuning_notes(request, rows, weights, adapter, job)
            task = replace(self.task(request, job, data, rows, weights), notes=notes)
            listener = self.listener(job, weights, task.split)
            made = evaluate(
                answerer, task, results, listener, judge=lambda: self.judge(request, job)
            )
            if not (job.stopped.is_set() and made.rows == made.failed == 0):
                yield made

    def listener(self, job: Job, weights: Weights, split: str = "") -> "Listener":
        """Tells the rows of a measurement as they come."""
        from workbench.measuring.evaluation import Listener

        def tell(id: str, told: list[MeasuredRow], done: int, total: int) -> None:
            job.tell(
                RowsMeasured(
                    request=job.id,
                    measurement=id,
                    weights=weights,
                    rows=told,
                    done=done,
                    total=total,
                    split=split,
                )
            )

        return Listener(job.stopped, job.progress, tell, self.between)

    def task(
        self, request: Evaluate, job: Job, data: "Dataset", rows: "Selection", weights: Weights
    ) -> "Task":
        from workbench.data.formats import recognise_table
        from workbench.measuring.evaluation import Task

        found = recognise_table(rows.table, request.dataset, request.prompt)
        if found.problem:
            raise RefusedError(found.problem)
        shots = None
        if request.prompt.examples.wanted:
            drawn_from = recognise_table(data.train.table, request.dataset, request.prompt)
            shots = self.shelf.draw(job, request.prompt, data, drawn_from, request.folder)
        return Task(
            prompt=request.prompt,
            model=request.model,
            weights=weights,
            evaluation=learnt_from(request),
            generation=request.generation,
            found=found,
            rows=rows,
            dataset=data.fingerprint,
            folder=Path(request.folder),
            session_path="" if request.trial else request.session_path,
            shots=shots,
            same_table=rows.table is data.train.table,
            count=len(request.numbers),
            fresh=request.fresh,
            step=self.step(),
            split=split_of(rows, data),
        )

    def judge(self, request: Evaluate | JudgePairs, job: Job) -> "Answerer":
        """Who judges: the model that the settings name, else the one that is measured."""
        model = request.evaluation.judge.model or request.model
        return self.answerers(model, request.folder, ("base",), job)[0][1]

    def judge_pairs(self, request: JudgePairs, job: Job) -> None:
        from workbench.data.formats import recognise_table
        from workbench.measuring.judging import judge_pairs, task_of

        results = results_of(request.folder)
        a, b = results.measurement(request.a), results.measurement(request.b)
        data = self.shelf.dataset(job, request.dataset, request.folder)
        prompt = a.about.prompt
        rows = known_rows(data, a)
        found = recognise_table(data.train.table, request.dataset, prompt)

        def tasks(number: int, key: str) -> "list[Turn]":
            values = rows.get(key)
            if values is None:
                raise RefusedError(
                    f"Row {number + 1:,} has changed since it was measured; measure both again."
                )
            return task_of(prompt, found, values)

        made = judge_pairs(
            self.judge(request, job),
            a,
            b,
            tasks,
            request.evaluation.judge,
            report=job.progress,
            stopped=job.stopped,
        )
        job.tell(msgspec.structs.replace(made, request=job.id))

    # --- searching ---------------------------------------------------------------------------

    def optimize(self, request: Optimize, job: Job) -> None:
        from workbench.worker.searching import Searching

        def answerer(model: ModelSettings) -> "tuple[Weights, Answerer]":
            """The tuned weights where there are some."""
            return self.answerers(model, request.folder, BOTH, job)[-1]

        with suppress(GivenUpError):
            data = self.shelf.dataset(job, request.session.dataset, request.folder)
            listener = self.listener(job, "base")
            Searching(self, request, job, listener, answerer).run(data)
        job.tell(Done(request=job.id, cancelled=job.stopped.is_set()))


def known_rows(data: "Dataset", measured: "Measurement") -> "dict[str, Values]":
    """The rows of a measurement, as the dataset has them now, by their keys."""
    from workbench.data.splits import row_key

    found: dict[str, Values] = {}
    keys = {row.reply.key for row in measured.rows}
    tables = [data.train.table]
    if data.evaluation is not None and data.evaluation.table is not data.train.table:
        tables.append(data.evaluation.table)
    numbers = [row.reply.number for row in measured.rows]
    for table in tables:
        there = [number for number in numbers if number < table.count]
        for number, record in zip(there, table.take(there), strict=True):
            if isinstance(record, dict) and (key := row_key(number, record)) in keys:
                found[key] = record
    return found


def rows_of(request: Evaluate, data: "Dataset") -> "Selection":
    """The rows to measure on.

    Raises:
        RefusedError: where there are none.
    """
    import numpy

    from workbench.data.selection import Selection

    if request.numbers:
        table = data.train.table
        wrong = [number for number in request.numbers if not 0 <= number < table.count]
        if wrong:
            raise RefusedError(
                f"There is no row {wrong[0] + 1:,}: there are {table.count:,}; choose the rows "
                "anew."
            )
        return Selection(table, numpy.array(sorted(set(request.numbers)), numpy.int64))
    if data.evaluation is None:
        raise RefusedError(
            "The dataset has no rows to measure on: name an evaluation_split, or hold some out."
        )
    return data.evaluation


def split_of(rows: "Selection", data: "Dataset") -> str:
    """The split that rows are of, where it is not the one looked at."""
    if rows.table is data.train.table:
        return ""
    return next((name for name, table in data.source.tables.items() if table is rows.table), "")
