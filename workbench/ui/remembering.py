"""What was measured before: figures, which the versions hold, and rows, which are asked for."""

from typing import TYPE_CHECKING

from workbench.protocol import (
    AnyEvent,
    Failed,
    HostLost,
    MeasurementShown,
    ShowMeasurement,
)
from workbench.ui.measurement import Job, Measurement

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Remembering:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.shows: dict[int, str] = {}  # request → the measurement that is asked for
        self.shown: dict[str, MeasurementShown] = {}
        self.to_grid = ""  # a measurement whose rows are to be shown as soon as they come

    # --- asking ------------------------------------------------------------------------------

    def show(self, key: str, to_grid: bool = False) -> None:
        """Ask for a measurement's rows and figures, unless they are here or on their way."""
        if to_grid:
            self.to_grid = key
        if key in self.shown:
            self.take(self.shown[key])
        elif key not in self.shows.values():
            request = ShowMeasurement(folder=str(self.app.workspace), measurement=key)
            self.shows[self.app.send(request)] = key

    def forget(self, key: str) -> None:
        """It was measured anew."""
        self.shown.pop(key, None)

    def measurements(self) -> list[Measurement]:
        """All that was measured, the newest first."""
        found = [
            Measurement(
                version.name,
                figure.weights,
                version.prompt,
                figure.model,
                figure.measurement,
                figure.time,
                metric=figure.metric,
                figure=figure,
            )
            for version in self.app.varying.versions
            for figure in version.figures
        ]
        for one in found:
            if shown := self.shown.get(one.key):
                one.take(shown.rows)
                one.finish(shown.evaluated)
        return sorted(found, key=lambda one: -one.time)

    @property
    def busy(self) -> str:
        return ""

    def stop(self) -> bool:
        return False

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            self.shows.clear()
            return False
        key = self.shows.pop(event.request, "")
        if not key:
            return False
        if isinstance(event, MeasurementShown):
            self.shown[key] = event
            self.take(event)
        elif isinstance(event, Failed):
            self.app.report(event)
        return True

    def take(self, event: MeasurementShown) -> None:
        key = event.figure.measurement
        if self.to_grid == key:
            self.to_grid = ""
            self.app.show_in_grid(grid_job(event))
        self.redraw()

    def redraw(self) -> None:
        for view in ("scores", "versions"):
            self.app.output_pane.redraw_view(view)


def grid_job(event: MeasurementShown) -> Job:
    """A measurement of before, as the grid shows one of now."""
    figure, evaluated = event.figure, event.evaluated
    name = evaluated.prompt or event.prompt.name
    job = Job(
        prompt=event.prompt,
        model=figure.model,
        of=f"{name} as it was measured",
        purpose="grid",
        state="finished",
        split=evaluated.split,
    )
    one = job.measurement(figure.weights)
    one.key, one.time, one.figure = figure.measurement, figure.time, figure
    one.take(event.rows)
    one.finish(evaluated)
    return job
