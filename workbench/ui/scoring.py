"""Measuring variants: on the evaluation rows for scores, on chosen rows for the grid.

A request for each variant; the worker does one after the other and knows what it measured before,
so that asking again goes on where it was stopped.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    HostLost,
    Progress,
    RowsMeasured,
)
from workbench.session import Prompt, Session
from workbench.ui.measurement import Job, Measurement, Purpose, State
from workbench.ui.units import plural

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Scoring:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.jobs: list[Job] = []  # the newest last
        self.open: dict[int, Job] = {}  # request → what it measures
        self.grid: list[Job] = []  # whose rows the grid shows, in the variants' order

    # --- asking ------------------------------------------------------------------------------

    def measure(self, prompts: list[Prompt], fresh: bool = False) -> None:
        """Measure the variants on the evaluation rows; `fresh`: also what is known already."""
        session = self.app.session
        of = plural(session.evaluation.rows, "evaluation row")
        for prompt in prompts:
            request = msgspec.structs.replace(self.request(session, prompt), fresh=fresh)
            self.begin(request, of, "scores")
        self.app.show_state()

    def fill_grid(
        self, prompts: list[Prompt], numbers: list[int], rows: int, fresh: bool = False
    ) -> None:
        """Answer rows with each variant: those of `numbers`, else so many evaluation rows."""
        session = self.app.session
        self.stop("grid")
        self.grid = []
        of = plural(len(numbers), "row") if numbers else plural(rows, "evaluation row")
        for prompt in prompts:
            request = self.request(session, prompt)
            evaluation = request.evaluation
            if not numbers:
                evaluation = msgspec.structs.replace(evaluation, rows=rows)
            request = msgspec.structs.replace(
                request,
                numbers=numbers,
                evaluation=evaluation,
                fresh=fresh,
                trial=True,  # what a few rows come to is no figure of the variant
            )
            self.grid.append(self.begin(request, of, "grid"))
        self.app.show_state()

    def request(self, session: Session, prompt: Prompt) -> Evaluate:
        return Evaluate(
            model=session.model_of(prompt),
            folder=str(self.app.workspace),
            dataset=session.dataset,
            prompt=prompt,
            evaluation=session.evaluation,
            generation=session.generation_of(prompt),
            session_path=str(self.app.path),
        )

    def begin(self, request: Evaluate, of: str, purpose: Purpose) -> Job:
        job = Job(
            prompt=request.prompt,
            model=request.model.name,
            of=of,
            purpose=purpose,
            request=request,
        )
        job.measurement("base")  # whatever there is, it answers: its column is seen at once
        self.jobs.append(job)
        self.open[self.app.send(request)] = job
        return job

    def retry(self, purpose: Purpose) -> int:
        """Ask the rows that failed once more; how many there are."""
        found = 0
        for job in self.grid if purpose == "grid" else self.jobs:
            if job.under_way or job.request is None or job.purpose != purpose:
                continue
            for one in job.measurements.values():
                if not (failed := one.failed()) or not one.key:
                    continue
                found += len(failed)
                again = msgspec.structs.replace(job.request, weights=(one.weights,), retry=one.key)
                self.open[self.app.send(again)] = job
                job.state, job.message = "waiting", ""
        self.app.show_state()
        return found

    def under_way(self, purpose: str = "") -> list[Job]:
        return [one for one in self.jobs if one.under_way and purpose in ("", one.purpose)]

    @property
    def busy(self) -> str:
        return "measuring" if self.open else ""

    def stop(self, purpose: str = "") -> bool:
        """Give up all that is under way. False where nothing is."""
        jobs = [job for job in self.under_way(purpose) if not job.stopping]
        for job in jobs:
            job.stopping = True
        for request, job in self.open.items():
            if job in jobs:
                self.app.send(Cancel(target=request))
        self.redraw(jobs)
        return bool(jobs)

    def table(self) -> list[tuple[Measurement, Job | None]]:
        """The newest measurement of each variant of the session, by weights and model; those of
        earlier sittings, too. In the variants' order."""
        found: dict[tuple[str, str, str], tuple[Measurement, Job | None]] = {}
        for job in reversed(self.jobs):
            if job.purpose == "scores":
                for one in job.measurements.values():
                    found.setdefault((one.name, one.weights, job.model), (one, job))
        for one in self.app.remembering.measurements():
            here = any(one.key == known.key for known, _ in found.values())
            if not here:
                found.setdefault((one.name, one.weights, one.model), (one, None))
        names = [prompt.name for prompt in self.app.session.prompts]
        return sorted(
            (entry for entry in found.values() if entry[0].name in names),
            key=lambda entry: (names.index(entry[0].name), entry[0].weights),
        )

    def split_of(self, key: str) -> str:
        """The split whose rows a measurement is of; empty where that is not known."""
        known = (one.evaluated for one, _ in self.table() if one.key == key and one.evaluated)
        return next((evaluated.split for evaluated in known), "")

    @property
    def columns(self) -> list[Measurement]:
        """What the grid shows."""
        return [one for job in self.grid for one in job.measurements.values()]

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            for request in list(self.open):
                words = "The worker ended before it was done; measure again."
                self.finish(request, "failed", words)
            return False
        job = self.open.get(event.request)
        if job is None:
            return False
        match event:
            case Progress():
                job.state, job.progress = "running", event
            case RowsMeasured():
                job.state, job.split = "running", event.split or job.split
                one = job.measurement(event.weights)
                one.key, one.done, one.total = event.measurement, event.done, event.total
                one.take(event.rows)
                self.app.output_pane.rows_came(job, event.rows)
                return True
            case Evaluated():
                job.measurement(event.weights).finish(event)
                job.split = event.split or job.split
                self.app.remembering.forget(event.measurement)
            case Failed():
                self.app.report(event, self.app.output_pane.display)
                self.finish(event.request, "failed", event.message)
            case Done():
                words = "Stopped: measuring again goes on where it was." if event.cancelled else ""
                state: State = "cancelled" if event.cancelled else "finished"
                self.finish(event.request, state, words)
            case _:
                return False
        self.redraw([job])
        return True

    def finish(self, request: int, state: State, message: str) -> None:
        job = self.open.pop(request)
        if job not in self.open.values():  # it may be retried with both weights
            job.state, job.message, job.progress, job.stopping = state, message, None, False
        self.redraw([job])
        self.app.show_state()

    def redraw(self, jobs: Iterable[Job]) -> None:
        for view in {job.purpose for job in jobs}:
            self.app.output_pane.redraw_view(view)
