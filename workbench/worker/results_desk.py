"""Tells what was measured: comparisons, versions, measurements, and variants to take away."""

import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.protocol import (
    Compare,
    Compared,
    ListVersions,
    MeasurementShown,
    RenderPrompt,
    ShowMeasurement,
    TakeAway,
    TakenAway,
    Versions,
)
from workbench.session import replace_file
from workbench.worker.lane import Job, Lane, RefusedError
from workbench.worker.prompt_desk import is_native, turns_of_request
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
        from msgspec.structs import replace

        job.tell(replace(shown(request.folder, request.measurement), request=job.id))

    def take_away(self, request: TakeAway, job: Job) -> None:
        from workbench.prompting.takeaway import take_away

        shown_all = [shown(request.folder, one) for one in request.measurements]
        prompt = request.session.named(request.name)
        asked = RenderPrompt(
            model=request.session.model_of(prompt),
            folder=request.folder,
            prompt=prompt,
            values=request.values,
            dataset=request.session.dataset,
            number=request.number,
        )
        native = is_native(asked)
        examples = [] if native else [row for _, row in self.shelf.examples(asked, job)]
        model, adapter = asked.model, ""
        weights = dtype = ""
        if request.what == "python_transformers" and not model.url:
            weights, adapter, dtype = self.where(asked, job)
        text = take_away(
            request,
            examples,
            shown_all,
            self.comparisons(request),
            turns=turns_of_request(asked) if native else [],
            labels=next((one.evaluated.labels for one in shown_all), []),
            weights=weights,
            adapter=adapter,
            dtype=dtype,
        )
        if request.path:
            write(Path(request.folder) / Path(request.path).expanduser(), text, request.overwrite)
        job.tell(TakenAway(request=job.id, text=text, path=request.path))

    @staticmethod
    def where(asked: RenderPrompt, job: Job) -> tuple[str, str, str]:
        """Folders of the model and of its adapter, and what it computes in."""
        from workbench.inference.adapters import adapter_folder, check_adapter
        from workbench.inference.device import choose_device, choose_dtype
        from workbench.inference.locate import locate

        model, folder = asked.model, Path(asked.folder)
        path = locate(model, folder, job.progress, weights=False)
        adapter = str(adapter_folder(model.adapter, folder)) if model.adapter else ""
        if adapter and check_adapter(Path(adapter)) == "full":
            path, adapter = Path(adapter), ""  # it is a whole model
        dtype, _ = choose_dtype(model.dtype, choose_device(model.device))
        return str(path), adapter, str(dtype).removeprefix("torch.")

    @staticmethod
    def comparisons(request: TakeAway) -> list[Compared]:
        """Each of the measurements beside the first."""
        from workbench.measuring.comparison import compare
        from workbench.measuring.database import ResultsError

        results = results_of(request.folder)
        found = [results.measurement(one) for one in request.measurements]
        compared = []
        for other in found[1:]:
            with suppress(ResultsError):  # of other rows or metrics: nothing to compare
                compared.append(compare(found[0], other))
        return compared


def shown(folder: str, measurement: str) -> MeasurementShown:
    """A measurement with its rows.

    Raises:
        RefusedError: where it was not finished.
    """
    found = results_of(folder).measurement(measurement)
    if found.evaluated is None:
        raise RefusedError("This measurement was not finished; measure again to go on with it.")
    return MeasurementShown(
        figure=found.figure,
        prompt=found.about.prompt,
        evaluated=found.evaluated,
        rows=[row.told(found.metric) for row in found.rows],
    )


def write(path: Path, text: str, overwrite: bool) -> None:
    """Write a file, whole or not at all.

    Raises:
        RefusedError: where there is one already and it may not be replaced.
        SessionError: where it cannot be written.
    """
    if path.exists() and not overwrite:
        raise RefusedError(f"{path} is there already; choose another name, or allow to replace it.")
    if path.is_dir():
        raise RefusedError(f"{path} is a folder; name a file in it.")
    replace_file(path, text)
