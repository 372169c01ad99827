"""The output pane: answers, and behind keys what they are worth: grid, scores, search, versions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from textual.app import ComposeResult

from workbench.ui.actions import ACTIONS, shown_key
from workbench.ui.cards import Card
from workbench.ui.panes.pane import Pane
from workbench.ui.views.answers import AnswersView
from workbench.ui.widgets.lines import Bar, Line, Lines, clip

if TYPE_CHECKING:
    from workbench.protocol import MeasuredRow
    from workbench.ui.base import Base
    from workbench.ui.measurement import Job

OutputView = Literal["answers", "grid", "scores", "compared", "search", "versions"]
VIEWS: tuple[OutputView, ...] = ("answers", "grid", "scores", "search", "versions")


class OutputPane(Pane):
    def __init__(self) -> None:
        super().__init__("output")
        self.view: OutputView = "answers"
        self.answers = AnswersView()
        self.views: dict[str, Any] = {"answers": self.answers}  # made when they are looked at
        self.tabs = Bar(self.draw_tabs, id="output-views")

    @property
    def bench(self) -> "Base":
        return self.app  # type: ignore[return-value]

    @property
    def lines(self) -> Lines:
        """The answers."""
        return self.answers.lines

    @property
    def places(self) -> tuple[str, str]:
        """Where keys work that are pressed here: see `Action.where`."""
        return "output", "scores" if self.view == "compared" else self.view

    def compose(self) -> ComposeResult:
        yield self.tabs
        yield self.answers

    # --- views -------------------------------------------------------------------------------

    def go(self) -> None:
        self.views[self.view].go()

    async def look(self, name: OutputView) -> None:
        """Show another view; what it needs is imported only now."""
        if name not in self.views:
            module = import_module(f"workbench.ui.views.{name}")
            view = getattr(module, f"{name.capitalize()}View")(self.bench)
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
        self.redraw_view(name)

    def redraw_view(self, name: str) -> None:
        """What a view shows has changed; one that is not in sight is drawn when it is."""
        if name == self.view:
            self.views[name].redraw()
        self.name_view()

    def name_view(self) -> None:
        """In the frame: what answers must be, and what of the view there is to say."""
        constraint = self.bench.session.generation_of(self.bench.session.prompt()).constraint
        words = {"labels": "one of the labels", "regex": "a pattern", "json_schema": "a schema"}
        title = f"answers are {words[constraint]}" if constraint in words else ""
        self.name_it(title, self.views[self.view].subtitle)

    def back(self) -> bool:
        """One step back inside the view. False where there is none."""
        return bool(self.views[self.view].back())

    def rows_came(self, job: "Job", rows: "list[MeasuredRow]") -> None:
        if job.purpose == self.view:
            self.views[self.view].rows_came(job, rows)

    # --- answers -----------------------------------------------------------------------------

    def show(self, cards: list[Card], changed: Card | None = None, to_top: bool = False) -> None:
        """Show the cards; only `changed`, or all where it is None, is laid out anew."""
        self.answers.show(cards, changed, to_top)
        if self.is_attached:
            self.name_view()

    def fail(self, problem: str) -> None:
        """Say why there is no model, for as long as there is none; an empty text: there is one."""
        self.answers.fail(problem)

    # --- drawing -----------------------------------------------------------------------------

    def draw_tabs(self, width: int) -> list[Line]:
        line: Line = []
        shown = "scores" if self.view == "compared" else self.view
        for action in ACTIONS:
            name = action.name.removeprefix("output('").removesuffix("')")
            if name not in VIEWS or name == action.name:
                continue
            key = shown_key(action.keys)
            if name == shown:
                line.append((f" {key} {action.label} ", "tab"))
            else:
                line += [(f" {key}", "key"), (f" {action.label} ", "quiet")]
        return [clip(line, width)]
