"""The dataset pane: the rows in a table, the selected one in full."""

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding

from workbench.protocol import DatasetOpened, Progress, Values
from workbench.text import one_line
from workbench.ui.panes.pane import Pane
from workbench.ui.units import count, duration, plural
from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, Lines, clip, progress_bar, spread, wrap
from workbench.ui.widgets.table import Table


class RowNumber(Field):
    """Asks for a row's number; escape gives up."""

    BINDINGS = [Binding("escape", "leave", show=False)]

    def __init__(self) -> None:
        super().__init__(id="row-number", type="integer", placeholder="row number, then enter")

    def action_leave(self) -> None:
        self.screen.set_focus(None)
        pane = self.parent
        self.remove()
        if isinstance(pane, DatasetPane):
            pane.go()


class DatasetPane(Pane):
    def __init__(self) -> None:
        super().__init__("dataset")
        self.opened: DatasetOpened | None = None
        self.values: Values | None = None
        self.problem = ""
        self.progress: Progress | None = None
        self.source = ""
        self.table = Table(id="rows")
        self.detail = Lines(self.draw, id="row")

    def compose(self) -> ComposeResult:
        self.table.display = self.opened is not None
        yield self.table
        yield self.detail

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
        left = 2 + min(20, max(cell_len(one_line(name, 40)) for name in self.opened.columns))
        for name, kind in zip(self.opened.columns, self.opened.types, strict=True):
            value = self.values.get(name)
            text = value if isinstance(value, str) else repr(value)
            label = f"{clipped(one_line(name, 40), left - 2):<{left}}"
            body = wrap(text, max(1, width - left), self.value_ink(value))
            for index, line in enumerate(body):
                lines.append([(label if not index else " " * left, "title"), *line])
            if len(body) == 1:
                lines[-1] = spread(lines[-1], [(one_line(kind, 30), "quiet")], width)
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
            self.query_one(RowNumber).focus()

    def on_input_submitted(self, event: Field.Submitted) -> None:
        event.stop()
        text = event.value.replace(",", "").strip()
        event.input.remove()
        if text.isdigit() and int(text) > 0:
            self.table.go_to(int(text) - 1)
        self.go()


def clipped(text: str, width: int) -> str:
    return "".join(part for part, _ in clip([(text, "")], width))


def progress_lines(progress: Progress, width: int) -> list[Line]:
    """What a long job does, how far it is, how long it takes yet."""
    lines = wrap(progress.what, width)
    if progress.total > 0:
        share = progress.done / progress.total
        amount = f"{share * 100:.0f} %"
        if progress.unit:
            done, total = round(progress.done), round(progress.total)
            amount += f" · {done:,} of {total:,} {one_line(progress.unit, 20)}"
        if progress.seconds_left >= 0 and progress.done < progress.total:
            amount += f" · {duration(progress.seconds_left)} left"
        lines.append(progress_bar(share, min(40, width), "accent"))
        lines.append([(amount, "quiet")])
    elif progress.done:
        lines.append([(f"{round(progress.done):,} {one_line(progress.unit, 20)}", "quiet")])
    return lines
