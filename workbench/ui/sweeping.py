"""The search for good settings: begun, followed, ended; its best settings taken over."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench import session as sessions
from workbench.protocol import (
    AnyEvent,
    Done,
    Failed,
    HostLost,
    Progress,
    ReadSweep,
    StartSweep,
    SweepAdvanced,
    Trial,
)
from workbench.ui.screens.leaving import RunQuestion
from workbench.ui.setting import change, shown
from workbench.ui.units import plural

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Sweeping:
    """`sweep` is what is known of the one shown: under way, or the last one of the workspace."""

    def __init__(self, app: "Base") -> None:
        self.app = app
        self.sweep: SweepAdvanced | None = None
        self.request = -1  # of the sweep under way, where it was begun here
        self.reading = -1  # of one of before
        self.heard = ""  # the name of the one that this worker makes, whoever began it
        self.progress: Progress | None = None  # before its first run
        self.problem = ""

    @property
    def under_way(self) -> bool:
        return self.request >= 0 or bool(self.heard)

    @property
    def unfinished(self) -> SweepAdvanced | None:
        """The one shown, where it was ended before all its runs were made."""
        sweep = self.sweep
        return sweep if sweep and sweep.state == "stopped" and not self.under_way else None

    @property
    def finished(self) -> SweepAdvanced | None:
        """The one shown, where all its runs were made."""
        sweep = self.sweep
        return sweep if sweep and sweep.state == "finished" and not self.under_way else None

    @property
    def busy(self) -> str:
        return "sweeping" if self.under_way else ""

    def stop(self) -> bool:
        """Ask whether the sweep is to end: it may have taken hours."""
        if self.under_way:
            self.app.action_stop_training()
        return self.under_way

    def end(self) -> None:
        """End the sweep; its run is stopped with a checkpoint."""
        self.app.watching.stop(sweep=True)
        self.app.tell("The sweep ends once its run is stopped; o goes on with it.")

    def begin(self, again: bool = False, trials: int = 0) -> None:
        """Begin one, or go on with the one shown; `trials`: until it has so many runs in all."""
        self.problem, self.progress = "", None
        name = self.sweep.name if again and self.sweep else ""
        if not again:
            self.sweep = None
        self.request = self.app.send(
            StartSweep(
                session=self.app.session,
                session_path=str(self.app.path),
                folder=str(self.app.workspace),
                name=name,
                trials=trials,
            )
        )
        self.redraw()

    def meet(self, name: str) -> None:
        """A run of the sweep `name` is under way, which may have been begun elsewhere."""
        self.heard = name
        if self.sweep is None or self.sweep.name != name:
            self.read(name)

    def read(self, name: str) -> None:
        self.reading = self.app.send(ReadSweep(folder=str(self.app.workspace), name=name))

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
            self.read(found[-1][1])

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
                self.advance(event)
            case Done() if event.request == self.request:
                self.request = -1
                self.told()
            case Failed() if event.request == self.request:
                self.request, self.heard = -1, ""
                self.problem = event.message
                self.app.report(event)
                self.redraw()
            case Failed() if event.request == self.reading:
                self.reading = -1
                self.problem = event.message
                self.redraw()
            case Progress() if event.request == self.request:
                self.progress = event
                self.redraw()
            case Progress() if event.request == self.reading:
                pass
            case HostLost():
                if self.under_way and self.sweep:
                    self.sweep = replace(self.sweep, state="stopped")
                self.request, self.reading, self.heard = -1, -1, ""
                return False
            case _:
                return False
        return True

    def advance(self, event: SweepAdvanced) -> None:
        """What a sweep has found. News that answers no request of this app are of the one that the
        worker makes."""
        news = event.request not in (self.request, self.reading)
        if not news or event.state == "running" or not self.sweep or self.sweep.name == event.name:
            self.sweep, self.progress = event, None
        if news and event.state == "running":
            self.heard = event.name
        elif news and event.name == self.heard:
            self.heard = ""
            if self.request < 0:
                self.told()
        self.redraw()

    def told(self) -> None:
        """It has ended: say which settings were the best."""
        self.heard, self.progress = "", None
        if isinstance(self.app.screen, RunQuestion):
            self.app.screen.dismiss(None)
        if self.app.leaving:
            self.app.leave()
            return
        sweep = self.sweep
        there = [one for one in sweep.trials if one.metric is not None] if sweep else []
        if sweep is None or not there:
            self.app.tell("The sweep ended without a figure.", "warning")
        else:
            choose = max if sweep.greater_is_better else min
            best = choose(there, key=lambda one: one.metric or 0.0)
            words = values_words(best)
            early = "; o goes on with it" if self.unfinished else ""
            self.app.tell(f"The best of {plural(len(there), 'run')} is {best.run}: {words}{early}.")
        self.redraw()


def values_words(trial: Trial) -> str:
    """Its settings in brief."""
    return ", ".join(
        f"{name.removeprefix('training.')} "
        + (f"{value:.3g}" if isinstance(value, float) else shown(value))
        for name, value in trial.values.items()
    )
