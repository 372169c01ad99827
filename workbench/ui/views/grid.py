"""The grid view: the answers of several variants to the same rows, side by side."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.protocol import MeasuredRow
from workbench.text import one_line
from workbench.ui.measurement import Job, Measurement
from workbench.ui.units import count, duration, percent, plural
from workbench.ui.widgets.cells import Cell, Cells
from workbench.ui.widgets.lines import Growing, Line, cells, clip, spread, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

WHICH = ("all", "wrong", "differing", "failed")
WHICH_WORDS = {
    "all": "all rows",
    "wrong": "not all right",
    "differing": "answered differently",
    "failed": "rows without an answer",
}


class GridView(Vertical):
    DEFAULT_CSS = "GridView { height: 1fr; } GridView > Cells { height: 1fr; }"

    def __init__(self, app: "Base") -> None:
        super().__init__(id="grid-view")
        self.bench = app
        self.scoring = app.scoring
        self.which = "all"
        self.numbers: list[int] = []  # rows in the order in which they are shown
        self.index: dict[int, int] = {}  # number → its place
        self.total = 0  # rows, those that are not shown included
        self.expected: dict[int, str] = {}
        self.columns: list[Measurement] = []
        self.info = Growing(self.draw_info, id="grid-info")
        self.grid = Cells(self.head, self.row, self.cell, id="grid")

    def compose(self) -> ComposeResult:
        yield self.info
        yield self.grid

    def on_resize(self) -> None:
        self.info.redraw()  # how many lines it takes is known only once the width is

    def go(self) -> None:
        self.screen.set_focus(self.grid)

    def back(self) -> bool:
        """From some rows to all of them."""
        if self.which == "all":
            return False
        self.show_only("all")
        return True

    @property
    def subtitle(self) -> str:
        if not self.columns:
            return ""
        shown = count(len(self.numbers))
        if self.which != "all":
            shown += f" of {count(self.total)}"
        rows = f"{shown} {'row' if shown == '1' else 'rows'}"
        keys = "enter answers · g to the row · " if self.numbers else ""
        return f"{keys}{rows} × {plural(len(self.columns), 'column')}"

    # --- what is in it -----------------------------------------------------------------------

    def redraw(self) -> None:
        """The jobs, their columns or their state may have changed."""
        chosen = self.number
        self.columns = self.scoring.columns
        self.gather()
        if chosen in self.index:
            self.grid.cursor = self.index[chosen]
        self.grid.take(len(self.numbers), len(self.columns))
        self.info.redraw()

    def gather(self) -> None:
        """The rows that are shown: as asked for, else as they come, in order once all are there."""
        asked = [
            number
            for job in self.scoring.grid[:1]
            for number in (job.request.numbers if job.request else [])
        ]
        known = [number for one in self.columns for number in one.rows]
        self.expected = {
            number: row.expected for one in self.columns for number, row in one.rows.items()
        }
        if not asked and not any(job.under_way for job in self.scoring.grid):
            known.sort()
        everything = dict.fromkeys([*asked, *known])
        self.total = len(everything)
        self.numbers = [number for number in everything if self.wanted(number)]
        self.index = {number: place for place, number in enumerate(self.numbers)}

    def wanted(self, number: int) -> bool:
        rows = [one.rows[number] for one in self.columns if number in one.rows]
        match self.which:
            case "wrong":
                return any(row.value is not None and row.value < 1 for row in rows)
            case "differing":
                return len({row.answer for row in rows}) > 1
            case "failed":
                return any(row.problem for row in rows)
        return True

    def rows_came(self, _job: Job, rows: list[MeasuredRow]) -> None:
        """Some cells were filled; only what is new is drawn."""
        columns = self.scoring.columns
        new = [row.number for row in rows if row.number not in self.index]
        if len(columns) != len(self.columns) or self.which != "all":
            self.redraw()
            return
        for row in rows:
            self.expected[row.number] = row.expected
        for number in dict.fromkeys(new):
            self.total += 1
            self.index[number] = len(self.numbers)
            self.numbers.append(number)
        if new:
            self.grid.take(len(self.numbers), len(columns))
        else:
            self.grid.changed([self.index[row.number] for row in rows])
        self.info.redraw()

    def show_only(self, which: str) -> None:
        self.which = which
        self.bench.output_pane.redraw_view("grid")

    def next_which(self) -> None:
        """Those that differ only where there is more than one column."""
        ways = [which for which in WHICH if which != "differing" or len(self.columns) > 1]
        at = ways.index(self.which) if self.which in ways else 0
        self.show_only(ways[(at + 1) % len(ways)])

    @property
    def number(self) -> int:
        """Of the row under the cursor; -1: there is none."""
        at = self.grid.cursor
        return self.numbers[at] if at < len(self.numbers) else -1

    def on_cells_chosen(self, event: Cells.Chosen) -> None:
        """The whole answers to the row."""
        event.stop()
        from workbench.ui.screens.outputs import AnswersScreen

        def close(answer: str | None) -> None:
            if answer == "there":
                self.app.call_later(self.app.run_action, "go_there")

        self.app.push_screen(
            AnswersScreen(self.columns, lambda: self.number, self.grid.action_move), close
        )

    # --- drawing -----------------------------------------------------------------------------

    def draw_info(self, width: int) -> list[Line]:
        jobs = self.scoring.grid
        if not jobs:
            return [
                *wrap("Nothing is in the grid yet.", width, "strong"),
                [],
                *wrap(
                    "Every variant answers the same rows here, side by side, so that one sees "
                    "where they differ.",
                    width,
                ),
                [("alt+r ", "key"), ("chooses rows and variants, and asks", "text")],
            ]
        lines = [self.state_line(jobs, width)]
        for job in jobs:
            if job.message and job.state in ("failed", "cancelled"):
                sign, ink = ("✗", "bad") if job.state == "failed" else ("■", "warn")
                lines += wrap(f"{sign} {one_line(job.prompt.name, 30)}: {job.message}", width, ink)
        return lines

    def state_line(self, jobs: list[Job], width: int) -> Line:
        """What is under way; else what is shown, and the signs."""
        under_way = [job for job in jobs if job.under_way]
        failed = sum(len(one.failed()) for one in self.columns)
        if under_way:
            job = under_way[0]
            words = f"● {one_line(job.prompt.name, 24)}"
            if job.progress and job.progress.total:
                words += f" · {job.progress.done:,.0f} of {job.progress.total:,.0f}"
                if job.progress.seconds_left >= 0:
                    words += f" · {duration(job.progress.seconds_left)} left"
            elif job.progress:
                words += f" · {one_line(job.progress.what, 60)}"
            if len(under_way) > 1:
                words += f" · {plural(len(under_way) - 1, 'variant')} to come"
            left: Line = [(words, "accent"), ("  esc ", "key"), ("stops", "quiet")]
        else:
            left = [(f"{jobs[0].of} · ", "quiet"), (WHICH_WORDS[self.which], "text")]
            left += [("  w ", "key"), ("others", "quiet")]
        right: Line = [("✓ right ", "good"), ("✗ wrong ", "bad")]
        if failed:
            right = [(f"! {failed} failed ", "warn"), ("x ", "key"), ("asks them again", "quiet")]
        elif cells(left) + cells(right) >= width:
            right = []  # the signs are known by their shapes, too
        return spread(clip(left, width), right, width)

    def head(self, column: int) -> tuple[Line, Line]:
        one = self.columns[column]
        several = len({c.weights for c in self.columns}) > 1
        name: Line = [(one_line(one.name, 40), "title")]
        if several:
            name.append((f" {one.weights}", one.weights))
        return name, self.figure(one)

    def figure(self, one: Measurement) -> Line:
        """What is known so far: the share of right answers, or the mean of a graded metric."""
        known = [row.value for row in one.rows.values() if row.value is not None]
        failed = len(one.failed())
        line: Line = []
        if known and not one.graded:
            right = sum(value >= 1 for value in known)
            line = [(percent(right / len(known)), "strong"), (f" {right}/{len(known)}", "quiet")]
        elif known:
            line = [(f"∅ {sum(known) / len(known):,.2f}", "strong")]
        elif not one.rows:
            line = [self.nothing(one)]
        else:
            line = [(count(len(one.rows)), "quiet")]
        if failed:
            line.append((f" !{failed}", "warn"))
        return line

    def nothing(self, one: Measurement) -> tuple[str, str]:
        """Why there is no answer of a variant."""
        jobs = (job for job in self.scoring.grid if one in job.measurements.values())
        match next((job.state for job in jobs), "waiting"):
            case "failed":
                return "✗ failed", "bad"
            case "cancelled":
                return "■ stopped", "warn"
            case _:
                return "waiting …", "quiet"

    def row(self, index: int) -> tuple[str, str]:
        number = self.numbers[index]
        return count(number + 1), one_line(self.expected.get(number, ""), 60)

    def cell(self, index: int, column: int) -> Cell:
        one = self.columns[column]
        row = one.rows.get(self.numbers[index])
        return Cell("·", "quiet", "") if row is None else cell_of(row, one.graded)


def cell_of(row: MeasuredRow, graded: bool) -> Cell:
    """A sign, and as much of the answer as a cell may take."""
    text = one_line(row.answer.strip(), 200)
    if row.problem:
        return Cell("!", "warn", one_line(row.problem, 200))
    if row.value is None:
        return Cell(" ", "quiet", text)
    if not graded and row.value in (0, 1):
        return Cell("✓", "good", text) if row.value else Cell("✗", "bad", text)
    return Cell(f"{row.value:.2f}", "accent", text)
