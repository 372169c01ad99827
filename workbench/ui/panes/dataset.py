"""The dataset pane: the rows in a table, the selected one in full."""

from textual.binding import Binding
from textual.widgets import Input

from workbench.protocol import DatasetOpened, Progress, Values
from workbench.text import one_line
from workbench.ui.panes.pane import Pane
from workbench.ui.units import bar, count, duration, plural
from workbench.ui.widgets.lines import Line, Lines, wrap
from workbench.ui.widgets.table import Table


class RowNumber(Input):
    """Asks for a row's number; escape gives up."""

    BINDINGS = [Binding("escape", "leave", show=False)]

    def __init__(self) -> None:
        super().__init__(id="row-number", type="integer", placeholder="row number, then enter")
        self.cursor_blink = False

    def action_leave(self) -> None:
        self.screen.set_focus(None)
        pane = self.parent
        self.remove()
        if isinstance(pane, DatasetPane):
            pane.go()


class DatasetPane(Pane):
    TITLE = "Dataset"

    def __init__(self) -> None:
        super().__init__()
        self.opened: DatasetOpened | None = None
        self.values: Values | None = None
        self.problem = ""
        self.progress: Progress | None = None
        self.source = ""
        self.table = Table(id="rows")
        self.detail = Lines(self.draw, id="row")

    async def fill(self) -> None:
        self.table.display = self.opened is not None
        await self.mount(self.table, self.detail)

    def go(self) -> None:
        (self.table if self.table.display else self.detail).focus()

    def opening(self, source: str) -> None:
        self.source, self.opened, self.values = source, None, None
        self.problem, self.progress = "", None
        self.table.display = False
        self.name_it(source)
        self.detail.redraw()

    def follow(self, progress: Progress) -> None:
        self.progress = progress
        self.detail.redraw()

    def fail(self, problem: str) -> None:
        self.problem, self.progress = problem, None
        self.detail.redraw(to_top=True)

    def show(self, opened: DatasetOpened, row: int) -> None:
        self.opened, self.problem, self.progress = opened, "", None
        had_focus = self.detail.has_focus
        self.table.display = opened.rows > 0
        self.table.show(opened.columns, opened.types, opened.rows, row)
        if had_focus:
            self.go()
        self.count_rows()
        self.detail.redraw(to_top=True)

    def show_row(self, values: Values) -> None:
        self.values = values
        self.count_rows()
        self.detail.redraw(to_top=True)

    def count_rows(self) -> None:
        if not self.opened:
            return
        kept = self.opened.evaluation_rows
        counts = f"{plural(self.opened.rows, 'row')} · {count(kept)} for evaluation"
        self.name_it(self.source, f"{counts} · {self.opened.description}")

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [
                *wrap("The dataset could not be opened.", width, "bad"),
                [],
                *wrap(self.problem, width),
                [],
                *wrap("F12 changes the dataset; ctrl+l shows the details.", width, "quiet"),
            ]
        if not self.opened:
            return self.draw_progress(width)
        if not self.opened.rows:
            return [
                *wrap("This dataset has no rows.", width, "warn"),
                *wrap("F12 chooses another source or split.", width, "quiet"),
            ]
        if self.values is None:
            return [[("…", "quiet")]]
        lines: list[Line] = []
        for name, kind in zip(self.opened.columns, self.opened.types, strict=True):
            value = self.values.get(name)
            text = value if isinstance(value, str) else repr(value)
            lines.append([(one_line(name, 40), "title"), (f"  {one_line(kind, 40)}", "quiet")])
            lines.extend(
                [("  ", "text"), *line] for line in wrap(text, width - 2, self.value_ink(value))
            )
        return lines

    @staticmethod
    def value_ink(value: object) -> str:
        return "quiet" if value is None or value == "" else "text"

    def draw_progress(self, width: int) -> list[Line]:
        name = one_line(self.source, 80)
        if not self.progress:
            return [[("Opening ", "quiet"), (name, "strong"), (" …", "quiet")]]
        return [*progress_lines(self.progress, width)]

    def ask_row(self) -> None:
        if self.opened and not self.query("#row-number"):
            self.mount(RowNumber(), before=self.table)
            self.query_one("#row-number", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.replace(",", "").strip()
        event.input.remove()
        if text.isdigit() and int(text) > 0:
            self.table.move_to(int(text) - 1)
        self.go()


def progress_lines(progress: Progress, width: int) -> list[Line]:
    """What a long job does, how far it is, how long it takes yet."""
    lines = wrap(progress.what, width)
    if progress.total > 0:
        share = progress.done / progress.total
        amount = f"{share * 100:.0f} %"
        if progress.unit:
            done, total = round(progress.done), round(progress.total)
            amount += f" · {done:,} of {total:,} {one_line(progress.unit, 20)}"
        if progress.seconds_left >= 0:
            amount += f" · {duration(progress.seconds_left)} left"
        lines.append([(bar(share, min(30, max(8, width - 4))), "accent")])
        lines.append([(amount, "quiet")])
    elif progress.done:
        lines.append([(f"{round(progress.done):,} {one_line(progress.unit, 20)}", "quiet")])
    return lines
