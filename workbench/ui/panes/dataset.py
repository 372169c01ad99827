"""The dataset pane: the rows in a table and the selected one in full; behind keys, other views."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.message import Message

from workbench.protocol import DatasetIndexed, DatasetOpened, Progress, Row
from workbench.text import one_line
from workbench.ui.actions import ACTIONS, shown_key
from workbench.ui.panes.pane import Pane
from workbench.ui.units import count, duration, plural
from workbench.ui.views.format import format_line
from workbench.ui.views.record import AT_ONCE, amount, progress_lines, row_lines
from workbench.ui.widgets.asking import HINTS, Ask, Kind
from workbench.ui.widgets.lines import Bar, Growing, Line, Lines, cells, clip, spread, wrap
from workbench.ui.widgets.table import MARKS, Table

if TYPE_CHECKING:
    from workbench.ui.base import Base
    from workbench.ui.inspecting import ViewName

VIEWS: "tuple[ViewName, ...]" = ("rows", "columns", "tokens", "lengths", "problems")
REST_PAUSE = 0.3  # seconds after which a row's further columns are laid out


class DatasetPane(Pane):
    class Typed(Message):
        """Something was typed into the field above the rows."""

        def __init__(self, kind: Kind, text: str, done: bool, kept: bool = True) -> None:
            super().__init__()
            self.kind, self.text, self.done, self.kept = kind, text, done, kept

    def __init__(self) -> None:
        super().__init__("dataset")
        self.opened: DatasetOpened | None = None
        self.row: Row | None = None
        self.problem = ""  # why there is nothing
        self.warning = ""  # what went wrong while there is something
        self.progress: Progress | None = None
        self.reading: DatasetIndexed | None = None
        self.source = ""
        self.view: ViewName = "rows"
        self.views: dict[str, Any] = {}  # made when they are looked at first
        self.columns_at_once = AT_ONCE
        self.tabs = Bar(self.draw_tabs, id="views")
        self.info = Growing(self.draw_info, id="info")
        self.table = Table(id="rows")
        self.state = Bar(self.draw_state, id="rows-state")
        self.detail = Lines(self.draw, id="row")

    @property
    def bench(self) -> "Base":
        return self.app  # type: ignore[return-value]

    @property
    def places(self) -> tuple[str, str]:
        """Where keys work that are pressed here: see `Action.where`."""
        return "dataset", self.view

    def compose(self) -> ComposeResult:
        self.table.display = self.state.display = self.opened is not None
        yield self.tabs
        yield self.info
        yield self.table
        yield self.state
        yield self.detail

    # --- views -------------------------------------------------------------------------------

    def go(self) -> None:
        if self.view != "rows" and self.view in self.views:
            self.views[self.view].go()
        else:
            # At once: `focus` waits its turn behind keys that were typed already.
            self.screen.set_focus(self.table if self.table.display else self.detail)

    async def look(self, name: "ViewName") -> None:
        """Show another view; what it needs is imported only now."""
        if name != "rows" and name not in self.views:
            module = import_module(f"workbench.ui.views.{name}")
            made = getattr(module, f"{name.capitalize()}View")
            self.views[name] = made(self.bench.inspecting.looks[name])
            await self.mount(self.views[name])
        self.view = name
        self.close_field()
        self.place_views()
        self.redraw_view()
        self.go()

    def place_views(self) -> None:
        rows = self.view == "rows"
        there = self.opened is not None and self.opened.rows > 0
        self.table.display = self.state.display = rows and there
        self.detail.display = rows
        for name, view in self.views.items():
            view.display = name == self.view
        self.tabs.redraw()

    def redraw_view(self) -> None:
        """What is shown besides the rows has changed."""
        if (view := self.views.get(self.view)) is None:
            return
        session = self.bench.session
        if self.view == "lengths":
            view.training = session.training
        elif self.view == "problems":
            view.left_out = set(session.dataset.leave_out)
        elif self.view == "tokens":
            view.row = session.layout.row
        view.redraw()

    # --- the dataset -------------------------------------------------------------------------

    def opening(self, source: str) -> None:
        self.source, self.opened, self.row = source, None, None
        self.problem, self.warning, self.progress, self.reading = "", "", None, None
        self.close_field()
        self.place_views()
        self.name_it(source)
        self.redraw_state()
        self.detail.redraw()
        self.redraw_view()

    def follow(self, progress: Progress) -> None:
        self.progress = progress
        if self.opened:  # it is opened again, and shown meanwhile
            self.name_it(self.source, f"{progress.what} {amount(progress)}".strip())
        self.detail.redraw()

    def fail(self, problem: str) -> None:
        self.problem, self.progress, self.opened = problem, None, None
        self.place_views()
        self.detail.redraw(to_top=True)

    def warn(self, words: str) -> None:
        """Something could not be read; what is there stays."""
        self.warning = words
        self.redraw_state()

    def show(self, opened: DatasetOpened, row: int) -> None:
        had_focus = self.detail.has_focus
        self.problem, self.progress, self.reading = "", None, None
        self.describe(opened)
        self.place_views()
        self.table.show(opened.columns, opened.types, opened.rows, row)
        if had_focus:
            self.go()
        self.detail.redraw(to_top=True)

    def describe(self, opened: DatasetOpened, reading: DatasetIndexed | None = None) -> None:
        """What is known of the dataset by now."""
        self.opened, self.reading = opened, reading
        if reading and reading.problem:
            self.warning = reading.problem
        self.name_it(self.source, self.count_rows())
        self.redraw_state()

    def show_row(self, row: Row) -> None:
        self.row, self.warning = row, self.reading.problem if self.reading else ""
        self.columns_at_once = AT_ONCE
        self.detail.redraw(to_top=True)
        if self.opened and len(self.opened.columns) > AT_ONCE:
            self.bench.browsing.later("rest", REST_PAUSE, self.show_rest)
        self.state.redraw()

    def show_rest(self) -> None:
        self.columns_at_once = 0
        self.detail.redraw()

    def count_rows(self) -> str:
        """For the frame: how far the reading is, then what there is."""
        opened, reading = self.opened, self.reading
        if not opened:
            return ""
        rows = plural(opened.rows, "row")
        if not opened.complete:
            words = one_line((reading.what if reading else "") or "reading", 40)
            if reading and reading.problem:
                return f"{rows} · the rest could not be read"
            if reading and reading.total:
                words += f" {min(1.0, reading.done / reading.total) * 100:.0f} %"
            if reading and reading.seconds_left >= 0:
                words += f" · {duration(reading.seconds_left)} left"
            # While the sides are told apart all rows are known already.
            known = reading is not None and reading.what != "reading"
            return f"{words} · {rows}" + ("" if known else " so far")
        parts = [rows]
        if opened.broken:
            parts.append(plural(opened.broken, "broken line"))
        if opened.left_out:
            parts.append(f"{count(opened.left_out)} left out")
        parts.append(f"{count(opened.evaluation_rows)} for evaluation")
        return " · ".join([*parts, opened.description])

    # --- a field above the rows --------------------------------------------------------------

    async def ask(self, kind: Kind, value: str = "") -> None:
        """Open the field, or go to it."""
        if not self.opened:
            return
        if self.view != "rows":
            await self.look("rows")
        self.close_field()
        ask = Ask(kind, value, self.hint(kind), lambda: self.bench.finding.problem)
        await self.mount(ask, before=self.table)
        # At once: `focus` waits its turn behind keys that were typed already, which are its text.
        self.screen.set_focus(ask.field)

    def hint(self, kind: Kind) -> str:
        """For a filter an example with columns that there are."""
        opened = self.opened
        if kind != "filter" or not opened or not opened.columns:
            return HINTS[kind]
        for name, type_ in zip(opened.columns, opened.types, strict=False):
            if type_ in ("integer", "number") and name.isidentifier():
                return f"{name} > 1 · enter filters, esc ends"
        name = opened.columns[0] if opened.columns[0].isidentifier() else f'"{opened.columns[0]}"'
        return f"{one_line(name, 40)} = 'value' · enter filters, esc ends"

    def close_field(self, kind: Kind | None = None) -> None:
        for ask in self.query(Ask):
            if kind in (None, ask.kind):
                ask.remove()

    def found(self) -> None:
        """The rows wanted are there: a filter's field has done its work."""
        self.row = None
        self.detail.redraw(to_top=True)
        if self.query("#filter"):
            self.close_field("filter")
            self.go()

    def on_ask_typed(self, event: Ask.Typed) -> None:
        event.stop()
        self.post_message(self.Typed(event.kind, event.text, done=False))

    def on_ask_entered(self, event: Ask.Entered) -> None:
        event.stop()
        if event.kind != "filter":
            self.close_field()
            self.go()
        self.post_message(self.Typed(event.kind, event.text, done=True))

    def on_ask_left(self, event: Ask.Left) -> None:
        event.stop()
        self.close_field()
        self.go()
        if not event.kept:
            self.post_message(self.Typed(event.kind, "", done=True, kept=False))

    # --- drawing -----------------------------------------------------------------------------

    def redraw_state(self) -> None:
        self.tabs.redraw()
        self.info.redraw()
        self.state.redraw()
        for ask in self.query(Ask):
            ask.redraw()

    def draw_tabs(self, width: int) -> list[Line]:
        line: Line = []
        for action in ACTIONS:
            name = action.name.removeprefix("look('").removesuffix("')")
            if name not in VIEWS or name == action.name:
                continue
            key = shown_key(action.keys)
            if name == self.view:
                line.append((f" {key} {action.label} ", "tab"))
            else:
                line += [(f" {key}", "key"), (f" {action.label} ", "quiet")]
        return [clip(line, width)]

    def draw_info(self, width: int) -> list[Line]:
        """What rows are taken for; below it, what one should know."""
        opened = self.opened
        if not opened:
            return []
        lines: list[Line] = []
        if found := self.bench.browsing.recognising.found:
            lines.append(format_line(found, self.bench.session.prompt(), width))
            if found.problem:
                lines += wrap("✗ " + found.problem, width, "bad")[:2]
        if self.warning:
            lines.append(clip([("✗ " + one_line(self.warning, 300), "bad")], width))
        elif opened.notes:
            more = f"  +{len(opened.notes) - 1} (ctrl+l)" if len(opened.notes) > 1 else ""
            note: Line = clip([("! " + one_line(opened.notes[0], 300), "warn")], width - len(more))
            lines.append([*note, (more, "quiet")])
        return lines

    def draw_state(self, width: int) -> list[Line]:
        """Between the table and the row: which rows are shown, and what the signs say."""
        words = self.bench.finding.words() if self.opened and not self.query("#filter") else []
        line: Line = [(one_line(text, 300), ink) for text, ink in words]
        if not line and self.opened:
            rows = f"row {count(self.bench.session.layout.row + 1)}"
            line = [(rows, "quiet")]
        signs: Line = []
        for mark, (sign, ink, _) in MARKS.items():
            if mark and mark in self.table.pages.marks:
                signs += [(f" {sign} ", ink), (mark.replace("_", " "), "quiet")]
        line = clip(line, width)
        return [spread(line, signs, width) if cells(line) + cells(signs) < width else line]

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [
                *wrap("The dataset could not be opened.", width, "bad"),
                [],
                *wrap(self.problem, width),
                [],
                *wrap(
                    "alt+o opens another; F12 changes any setting; ctrl+l shows the details.",
                    width,
                    "quiet",
                ),
            ]
        if self.opened and self.opened.rows and (self.table.total or not self.bench.finding.view):
            return row_lines(self.opened, self.row, width, self.columns_at_once)
        return self.draw_nothing(width)

    def draw_nothing(self, width: int) -> list[Line]:
        """There is no row: none yet, none at all, or none like those wanted."""
        if not self.opened:
            if self.progress:
                return progress_lines(self.progress, width)
            name = one_line(self.source, 80)
            return [[("Opening ", "quiet"), (name, "strong"), (" …", "quiet")]]
        if self.opened.rows:
            return wrap("No row is like this; esc shows all rows.", width, "quiet")
        if not self.opened.complete:
            return wrap("No row was read yet …", width, "quiet")
        return [
            *wrap("This dataset has no rows.", width, "warn"),
            *wrap("alt+o chooses another source, p another split.", width, "quiet"),
        ]
