"""The monitor pane: a run as it goes, and behind keys what it answers, what happened, all runs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from textual.app import ComposeResult

from workbench.protocol import Progress
from workbench.session import Session
from workbench.ui.actions import ACTIONS, shown_key
from workbench.ui.history import History
from workbench.ui.panes.pane import Pane
from workbench.ui.views.curves import CurvesView
from workbench.ui.widgets.lines import Bar, Line, Lines, cells, clip, spread

if TYPE_CHECKING:
    from workbench.ui.base import Base

MonitorView = Literal["curves", "pinned", "happened", "compared_runs", "sweep"]
VIEWS: dict[MonitorView, str] = {  # the class of each, in a module of its name
    "curves": "CurvesView",
    "pinned": "PinnedView",
    "happened": "HappenedView",
    "compared_runs": "ComparedRunsView",
    "sweep": "SweepView",
}


class MonitorPane(Pane):
    def __init__(self) -> None:
        super().__init__("monitor")
        self.session = Session()
        self.history: History | None = None
        self.position = (0, 0)  # the shown run's number, of how many
        self.progress: Progress | None = None
        self.native = ""  # the format of rows that need no wording
        self.view: MonitorView = "curves"
        self.curves = CurvesView(self)
        self.views: dict[str, Any] = {"curves": self.curves}  # made when they are looked at
        self.tabs = Bar(self.draw_tabs, id="monitor-views")

    @property
    def bench(self) -> "Base":
        return self.app  # type: ignore[return-value]

    @property
    def figures(self) -> Lines:
        return self.curves.figures

    @property
    def places(self) -> tuple[str, str]:
        """Where keys work that are pressed here: see `Action.where`."""
        return "monitor", self.view

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of the actions that make sense now, what is wanted most first: of a run under way,
        else of one that was."""
        if self.bench.watching.live:
            steering = ("pause", "steer_rate", "steer('evaluate')", "steer('checkpoint')")
            return ("generate", "train", *steering)
        if self.history:
            after = ("compare_tuned", "export_run", "start_sweep", "eject_run")
            return ("generate", "train", *self.again, *after)
        return ("train", "start_sweep")

    @property
    def again(self) -> tuple[str, ...]:
        """What goes on with the run shown, or answers with it."""
        history = self.history
        if history is None or not history.checkpoint:
            return ()
        if history.status.state in ("stopped", "interrupted", "failed"):
            return ("resume",)
        return () if self.session.model.adapter == history.folder.name else ("use_run",)

    def compose(self) -> ComposeResult:
        yield self.tabs
        yield self.curves

    def go(self) -> None:
        self.views[self.view].go()

    async def look(self, name: MonitorView) -> None:
        """Show another view; what it needs is imported only now."""
        if name not in self.views:
            view = getattr(import_module(f"workbench.ui.views.{name}"), VIEWS[name])(self)
            view.display = False  # until it is its turn: it must not be seen beside the other
            self.views[name] = view
            await self.mount(view)
        held = self.has_focus_within
        self.view = name
        for other, view in self.views.items():
            view.display = other == name
        if held:
            self.go()  # else the focus is lost with the view that is hidden
        self.tabs.redraw()
        self.redraw()

    def back(self) -> bool:
        """One step back inside the view. False where there is none."""
        view = self.views[self.view]
        return bool(view.back()) if hasattr(view, "back") else False

    def redraw(self) -> None:
        """What is new of the run; a view that is not in sight is drawn when it is."""
        history = self.history
        if history:
            number, total = self.position
            self.name_it(
                history.folder.name, f"run {number} of {total} · alt+←/→" if total > 1 else ""
            )
        else:
            self.name_it()
        self.views[self.view].redraw()

    def draw_tabs(self, width: int) -> list[Line]:
        line: Line = []
        for action in ACTIONS:
            name = action.name.removeprefix("monitor('").removesuffix("')")
            if name not in VIEWS or name == action.name:
                continue
            key = shown_key(action.keys)
            if name == self.view:
                line.append((f" {key} {action.label} ", "tab"))
            else:
                line += [(f" {key}", "key"), (f" {action.label} ", "quiet")]
        keys: Line = [("m", "key"), (" next figure ", "quiet")]
        charted = self.view == "curves" and self.curves.chart.display
        if charted and cells(line) + cells(keys) < width:
            return [spread(line, keys, width)]
        if cells(line) > width:  # close together rather than cut off
            line = [(text.removesuffix(" ") if ink == "quiet" else text, ink) for text, ink in line]
        return [clip(line, width)]
