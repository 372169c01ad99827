"""Tells what was measured: comparisons, versions, measurements, and variants to take away."""

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.protocol import (
    Compare,
    ListVersions,
    MeasurementShown,
    ShowMeasurement,
    TakeAway,
    Versions,
)
from workbench.worker.lane import Job, Lane, RefusedError
from workbench.worker.shelf import Shelf

if TYPE_CHECKING:
    from workbench.measuring.store import Results

opening = threading.Lock()


def results_of(folder: str) -> "Results":
    """The results of a workspace: one store for all lanes."""
    with opening:
        return kept_results(str(Path(folder).absolute()))


@lru_cache(maxsize=16)
def kept_results(folder: str) -> "Results":
    from workbench.measuring.store import Results

    return Results(Path(folder))


class ResultsDesk(Lane):
    def __init__(self, shelf: Shelf) -> None:
        super().__init__("results")
        self.shelf = shelf
        self.handlers = {
            Compare: self.compare,
            ListVersions: self.versions,
            ShowMeasurement: self.show,
            TakeAway: self.take_away,
        }

    def compare(self, request: Compare, job: Job) -> None:
        from msgspec.structs import replace

        from workbench.measuring.comparison import compare

        results = results_of(request.folder)
        a, b = results.measurement(request.a), results.measurement(request.b)
        job.tell(replace(compare(a, b, request.metric), request=job.id))

    def versions(self, request: ListVersions, job: Job) -> None:
        found = results_of(request.folder).versions(request.session_path, request.name)
        job.tell(Versions(request=job.id, versions=found))

    def show(self, request: ShowMeasurement, job: Job) -> None:
        found = results_of(request.folder).measurement(request.measurement)
        if found.evaluated is None:
            raise RefusedError("This measurement was not finished; measure again to go on with it.")
        job.tell(
            MeasurementShown(
                request=job.id,
                figure=found.figure,
                prompt=found.about.prompt,
                evaluated=found.evaluated,
                rows=[row.told(found.metric) for row in found.rows],
            )
        )

    def take_away(self, request: TakeAway, job: Job) -> None:
        raise RefusedError("There is nothing to take away yet.")
