"""The search for good settings: begun, followed, ended; its best settings taken over."""

from typing import TYPE_CHECKING

from workbench import session as sessions
from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    Failed,
    HostLost,
    Progress,
    ReadSweep,
    StartSweep,
    StopTraining,
    SweepAdvanced,
    Trial,
)
from workbench.ui.setting import change, shown

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Sweeping:
    """`sweep` is what is known of the one shown: under way, or the last one of the workspace."""

    def __init__(self, app: "Base") -> None:
        self.app = app
        self.sweep: SweepAdvanced | None = None
        self.request = -1  # of the sweep under way
        self.reading = -1  # of one of before
        self.problem = ""

    @property
    def under_way(self) -> bool:
        return self.request >= 0

    @property
    def busy(self) -> str:
        return "sweeping" if self.under_way else ""

    def stop(self) -> bool:
        """End the sweep; its run is stopped with a checkpoint."""
        if not self.under_way:
            return False
        self.app.send(Cancel(target=self.request))
        if self.app.watching.live:
            self.app.send(StopTraining())
        self.app.tell("The sweep ends once its run is stopped; o goes on with it.")
        return True

    def begin(self, again: bool = False) -> None:
        """Begin one, or go on with the one shown."""
        self.problem = ""
        name = self.sweep.name if again and self.sweep else ""
        if not again:
            self.sweep = None
        self.request = self.app.send(
            StartSweep(
                session=self.app.session,
                session_path=str(self.app.path),
                folder=str(self.app.workspace),
                name=name,
            )
        )
        self.redraw()

    def look(self) -> None:
        """Read the last sweep of the workspace, where none is known."""
        if self.sweep is not None or self.under_way:
            return
        folder = self.app.workspace / "sweeps"
        try:
            found = sorted(
                (one.stat().st_mtime, one.name) for one in folder.iterdir() if one.is_dir()
            )
        except OSError:
            return
        if found:
            name = found[-1][1]
            self.reading = self.app.send(ReadSweep(folder=str(self.app.workspace), name=name))

    def take(self, trial: Trial) -> None:
        """Its settings become the session's."""
        session = self.app.session
        try:
            for name, value in trial.values.items():
                session = change(session, tuple(name.split(".")), shown(value))
        except sessions.SessionError as error:
            self.app.tell(str(error), "error")
            return
        self.app.take(session)
        words = values_words(trial)
        self.app.tell(f"The session has the settings of {trial.run} now: {words}.")

    def redraw(self) -> None:
        if self.app.monitor_pane.view == "sweep":
            self.app.monitor_pane.redraw()
        self.app.show_state()

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        match event:
            case SweepAdvanced():
                mine = event.request in (self.request, self.reading)
                if mine or self.sweep is None or self.sweep.name == event.name:
                    self.sweep = event
                    self.redraw()
            case Done() if event.request == self.request:
                self.request = -1
                self.told()
            case Failed() if event.request == self.request:
                self.request = -1
                self.problem = event.message
                self.app.report(event)
                self.redraw()
            case Failed() if event.request == self.reading:
                self.reading = -1
                self.problem = event.message
                self.redraw()
            case Progress() if event.request in (self.request, self.reading):
                pass
            case HostLost():
                self.request = self.reading = -1
                return False
            case _:
                return False
        return True

    def told(self) -> None:
        """It has ended: say which settings were the best."""
        sweep = self.sweep
        there = [one for one in sweep.trials if one.metric is not None] if sweep else []
        if sweep is None or not there:
            self.app.tell("The sweep ended without a figure.", "warning")
        else:
            choose = max if sweep.greater_is_better else min
            best = choose(there, key=lambda one: one.metric or 0.0)
            words = values_words(best)
            self.app.tell(f"The best of {len(there)} runs is {best.run}: {words}.")
        self.redraw()


def values_words(trial: Trial) -> str:
    """Its settings in brief."""
    return ", ".join(
        f"{name.removeprefix('training.')} "
        + (f"{value:.3g}" if isinstance(value, float) else shown(value))
        for name, value in trial.values.items()
    )
