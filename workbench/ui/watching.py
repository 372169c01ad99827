"""Watching runs: the one under way, and all that have left a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench import runs
from workbench.protocol import (
    AnyEvent,
    Done,
    Failed,
    HostLost,
    Progress,
    RunStatus,
    StartTraining,
    StopTraining,
    TrainingAdvanced,
    TrainingEnded,
    TrainingStarted,
    Welcome,
)
from workbench.session import Session
from workbench.text import one_line
from workbench.ui.history import History
from workbench.ui.screens.leaving import RunQuestion, Stopping
from workbench.ui.summaries import session_of

if TYPE_CHECKING:
    from workbench.ui.base import Base

PERIOD = 1.0  # seconds between two looks at the files


class Watching:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.folders: list[Path] = []
        self.live: RunStatus | None = None  # the run that this worker trains
        self.history: History | None = None  # the run shown
        self.start_request = self.stop_request = -1
        self.news = False
        self.failure = ""  # of the run that ended last: it comes as the run's end and as an answer

    @property
    def live_name(self) -> str:
        return self.live.name if self.live else ""

    @property
    def paused(self) -> bool:
        """Whether the run under way is held."""
        history = self.history
        return bool(
            history and self.live and history.folder.name == self.live.name and history.paused
        )

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run shown left weights to use."""
        return bool(self.history and runs.last_checkpoint(self.history.folder))

    def of_model(self) -> str:
        """A run of the session's model that left weights: the one shown, else the newest; empty:
        there is none."""
        shown = [self.history.folder] if self.history else []
        for folder in [*shown, *reversed(self.folders)]:
            run = session_of(folder) if runs.last_checkpoint(folder) else None
            if run and run.model.name == self.app.session.model.name:
                return folder.name
        return ""

    # --- which run ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Find the runs there are, and show the one that the session names, or its latest."""
        self.folders = runs.find(self.app.workspace)
        named = self.app.session.layout.run
        chosen = [folder for folder in self.folders if folder.name == named]
        if first := chosen[0] if chosen else self.usual:
            self.show(first)
        else:
            self.app.monitor_pane.redraw()
        self.app.set_interval(PERIOD, self.look)

    @property
    def usual(self) -> Path | None:
        """The run shown where none was chosen: the one that answers, else the session's latest,
        else the latest of the workspace; None: there is none."""
        used, stem = self.app.session.model.adapter, self.app.path.stem
        own: Path | None = None
        for folder in self.folders:
            if folder.name == used:
                return folder
            if folder.name.rpartition("-")[0] == stem:
                own = folder
        return own or (self.folders[-1] if self.folders else None)

    def show(self, folder: Path, status: RunStatus | None = None) -> None:
        """Show a run with its whole history. Its files are read off the app's loop."""
        history = self.history = History(folder)
        if status:
            history.status = status
        self.app.monitor_pane.history = history
        self.place()

        def read() -> None:
            history.read()
            if status is None:
                history.refresh_status()
            self.app.call_from_thread(self.shown, history)

        self.app.run_worker(read, thread=True, group="history", exit_on_error=False)

    def shown(self, history: History) -> None:
        if history is self.history:
            if self.live and self.live.name == history.folder.name:
                history.status = self.live
            self.app.monitor_pane.redraw()

    def place(self) -> None:
        names = [folder.name for folder in self.folders]
        name = self.history.folder.name if self.history else ""
        number = names.index(name) + 1 if name in names else len(names)
        self.app.monitor_pane.position = (number, len(names))

    def step_to(self, by: int) -> None:
        """Show the run before or after."""
        self.folders = runs.find(self.app.workspace)
        if not self.folders:
            self.app.tell("There is no run yet; F7 starts one.")
            return
        names = [folder.name for folder in self.folders]
        name = self.history.folder.name if self.history else ""
        at = names.index(name) if name in names else len(names) - 1
        to = at + by
        if not 0 <= to < len(names):
            self.app.tell("This is the first run." if by < 0 else "This is the latest run.")
            return
        self.show(self.folders[to])
        self.remember(self.folders[to])

    def show_named(self, name: str) -> None:
        """Show the run of this name."""
        self.folders = runs.find(self.app.workspace)
        for folder in self.folders:
            if folder.name == name:
                self.show(folder, self.live if self.live_name == name else None)
                self.remember(folder)
                return
        self.app.tell(f"There is no run {name} any more.", "warning")

    def remember(self, folder: Path | None) -> None:
        """Come back to this run; to the usual one where it is that."""
        name = folder.name if folder is not None and folder != self.usual else ""
        self.app.change_layout(run=name)

    def look(self) -> None:
        """Once a second, while the shown run is under way: what is new in its files."""
        history = self.history
        if not history or history.status.state != "running":
            return
        changed = history.read() or self.news
        if self.live_name != history.folder.name and not runs.is_locked(history.folder):
            history.refresh_status()
            changed = True
        self.news = False
        if changed:
            self.app.monitor_pane.redraw()
            self.app.show_state()

    # --- doing -------------------------------------------------------------------------------

    def start(self, session: Session, resume: str = "") -> None:
        self.failure = ""
        self.app.monitor_pane.progress = Progress(what="Starting the run …")
        self.start_request = self.app.send(
            StartTraining(
                session=session,
                session_path=str(self.app.path),
                folder=str(self.app.workspace),
                run=resume,
                resume=bool(resume),
            )
        )
        self.app.monitor_pane.redraw()

    def resume(self) -> None:
        history = self.history
        if not history:
            self.app.tell("There is no run to resume; F7 starts one.")
        elif self.live or runs.is_locked(history.folder):
            self.app.tell("A run is under way already.")
        elif history.status.state == "finished":
            self.app.tell(f"{history.folder.name} is finished: there is nothing to resume.")
        elif runs.last_checkpoint(history.folder) is None:
            self.app.tell(
                f"{history.folder.name} left no checkpoint; F7 starts a new run.", "warning"
            )
        else:
            self.start(self.app.session, resume=history.folder.name)

    def stop(self, sweep: bool = False) -> None:
        """Stop the run under way; with `sweep` no other one follows."""
        self.stop_request = self.app.send(StopTraining(sweep=sweep))
        if self.history and self.live and self.history.folder.name == self.live.name:
            self.history.what = "stopping after this step, with a checkpoint"
            self.app.monitor_pane.redraw()

    def use(self) -> None:
        """Answer from the shown run's adapter; where that is in use, from the base model alone."""
        history, used = self.history, self.app.session.model.adapter
        if self.live:
            self.app.tell("While a run is under way the model answers from it already.")
        elif used and (not history or history.folder.name == used):
            status = self.app.modelling.status
            if status is not None and status.adapter and not status.base:
                self.app.tell(f"Without the head of {used} its model gives no answers.")
                return
            self.attach("")
            self.app.tell("Answers come from the base model alone.")
        elif not history:
            self.app.tell("There is no run whose adapter could be used; F7 starts one.")
        elif runs.last_checkpoint(history.folder) is None:
            self.app.tell(f"{history.folder.name} left no checkpoint with an adapter.", "warning")
        else:
            self.attach(history.folder.name)
            self.app.tell(
                f"Answers come from {history.folder.name} and, beside it, the base model."
            )

    def attach(self, adapter: str) -> None:
        model = msgspec.structs.replace(self.app.session.model, adapter=adapter)
        self.app.change(msgspec.structs.replace(self.app.session, model=model))
        self.app.monitor_pane.redraw()
        self.app.modelling.load()

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        match event:
            case Welcome() if event.run and event.run.state == "running":
                self.started(event.run)
                return False
            case TrainingStarted():
                self.started(event.run)
            case TrainingAdvanced():
                self.advance(event)
            case TrainingEnded():
                self.ended(event.run)
            case HostLost():
                if self.live:
                    self.lost()
                return False
            case Progress() if event.request == self.start_request:
                self.app.monitor_pane.progress = event
                self.app.monitor_pane.redraw()
            case Failed() if event.request in (self.start_request, self.stop_request):
                self.app.monitor_pane.progress = None
                self.app.monitor_pane.redraw()
                if event.message == self.failure:
                    self.app.note(event.message, event.details)
                else:
                    self.app.report(event)
            case Done():
                return event.request in (self.start_request, self.stop_request)
            case _:
                return False
        return True

    def advance(self, event: TrainingAdvanced) -> None:
        """The monitor draws once a second; but what is new in kind shows at once."""
        self.live, self.news = event.run, True
        for screen in self.app.screen_stack:
            if isinstance(screen, (RunQuestion, Stopping)):
                screen.follow(event.run)
        history = self.history
        if history and history.folder.name == event.run.name:
            at_once = not history.latest or history.what != event.what
            history.what, history.status = event.what, event.run
            if at_once:
                history.read()
                self.app.monitor_pane.redraw()

    def started(self, status: RunStatus) -> None:
        self.live = status
        if sweep := sweep_of(self.app.workspace, status.name):
            self.app.sweeping.meet(sweep)
        self.app.monitor_pane.progress = None
        self.folders = runs.find(self.app.workspace)
        self.show(Path(status.folder), status)
        if self.app.session.layout.run:
            self.remember(None)
        self.app.show_state()

    def ended(self, status: RunStatus) -> None:
        self.live = None
        self.withdraw_question()
        self.adopt(status)
        self.app.monitor_pane.progress = None
        if self.history and self.history.folder.name == status.name:
            self.history.read()
            self.history.status, self.history.what = status, ""
            self.history.find_checkpoint()
            self.app.monitor_pane.redraw()
        name = one_line(status.name, 40)
        words = {
            "finished": f"{name} is finished. F5 answers with it, F8 measures it.",
            "stopped": f"{name} is stopped at step {status.step:,}. ctrl+r resumes it.",
        }
        failed = status.state not in words
        self.failure = status.message if failed else ""
        if self.app.sweep_under_way and not failed:  # the next run follows
            self.app.show_state()
            return
        self.app.tell(
            words.get(status.state, f"{name}: {status.message or status.state}"),
            "error" if failed else "information",
        )
        self.app.show_state()
        if self.app.leaving and not self.app.sweep_under_way:
            self.app.leave()

    def adopt(self, status: RunStatus) -> None:
        """The adapter in memory is the run's now: the session names it, to come back to it."""
        if self.app.sweeping.under_way or runs.last_checkpoint(Path(status.folder)) is None:
            return
        model = msgspec.structs.replace(self.app.session.model, adapter=status.name)
        self.app.change(msgspec.structs.replace(self.app.session, model=model))

    def lost(self) -> None:
        """The worker died in the middle of the run: its files say how far it came."""
        self.live = None
        self.withdraw_question()
        if self.history:
            self.show(self.history.folder)
        if self.app.leaving:
            self.app.leave()

    def withdraw_question(self) -> None:
        """What was asked about the run no longer matters: it has ended, and no other follows."""
        if isinstance(self.app.screen, RunQuestion) and not self.app.sweep_under_way:
            self.app.screen.dismiss(None)


def sweep_of(workspace: Path, run: str) -> str:
    """The sweep that a run belongs to, by their names; empty: none."""
    name = run.rpartition("-")[0]
    return name if name and (workspace / "sweeps" / name).is_dir() else ""
