"""The runs view: all runs in one table, and the evaluation losses of some in one chart."""

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.text import one_line
from workbench.ui.braille import Point
from workbench.ui.summaries import Summaries, Summary
from workbench.ui.units import count, duration, figure
from workbench.ui.views.curves import STATES
from workbench.ui.views.record import clipped
from workbench.ui.widgets.chart import Chart, Series
from workbench.ui.widgets.lines import Line, clip, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.panes.monitor import MonitorPane

INKS = ("smooth", "eval", "special", "bad", "text", "good")  # told apart in 16 colours, too
NAMES_WIDE = 26
FIGURES_WIDE = 33  # cells of what stands beside a name on a small screen
WIDE = 66  # cells from which on a state is said in words


class ComparedRunsView(Vertical):
    """`marked` are the runs whose curves are shown; where none is, that under the cursor."""

    DEFAULT_CSS = """
    ComparedRunsView { height: 1fr; }
    ComparedRunsView > Listing { height: 1fr; }
    ComparedRunsView > Chart { height: 1fr; }
    """

    def __init__(self, pane: "MonitorPane") -> None:
        super().__init__(id="compared-runs-view")
        self.pane = pane
        self.summaries = Summaries()
        self.runs: list[Summary] = []
        self.marked: list[str] = []
        self.reading = False
        self.read_once = False
        self.listing = Listing(self.head, self.item, id="compared-runs")
        self.chart = Chart(id="compared-chart")

    def compose(self) -> ComposeResult:
        self.chart.display = False
        yield self.listing
        yield self.chart

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    @property
    def chosen(self) -> Summary | None:
        at = self.listing.cursor
        return self.runs[at] if at < len(self.runs) else None

    def redraw(self) -> None:
        """Look at the files again, off the app's loop."""
        if self.reading:
            return
        self.reading = True

        def read() -> None:
            found = self.summaries.read(self.pane.bench.workspace)
            self.app.call_from_thread(self.take, found)

        self.run_worker(read, thread=True, exit_on_error=False)

    def take(self, runs: list[Summary]) -> None:
        self.reading, self.read_once, self.runs = False, True, runs
        names = {one.name for one in runs}
        self.marked = [name for name in self.marked if name in names]
        self.listing.take(len(runs))
        self.show_curves()

    def mark(self) -> None:
        """Show the curve of the run under the cursor, or hide it."""
        if self.chosen is None:
            return
        name = self.chosen.name
        if name in self.marked:
            self.marked.remove(name)
        else:
            self.marked = [*self.marked, name][-len(INKS) :]
        self.listing.redraw()
        self.show_curves()

    def show_curves(self) -> None:
        chosen = [self.chosen.name] if self.chosen else []
        shown = self.marked or chosen
        series = [
            curve(number, name, one.history.eval_loss)
            for number, name in enumerate(shown)
            for one in self.runs
            if one.name == name and one.history.eval_loss
        ]
        self.chart.display = bool(series) and self.size.height > 12
        self.chart.show(series)

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        if not self.marked:
            self.show_curves()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Look at that run."""
        event.stop()
        if self.chosen:
            watching = self.pane.bench.watching
            watching.show_named(self.chosen.name)
            self.pane.bench.call_later(self.pane.bench.run_action, "monitor('curves')")

    # --- drawing -----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        if not self.runs:
            words = "There is no run yet; F7 starts one." if self.read_once else "…"
            return wrap(words, width, "quiet")
        state = "state" if width >= WIDE else ""
        line = f"  {'run':<{self.names(width)}} {state:<{2 if not state else 14}}"
        line += f"{'best eval':>9} {'step':>6}  {'rate':<9}task"
        keys: Line = [("enter", "key"), (" looks at it  ", "quiet"), ("space", "key")]
        keys += [(" shows its curve beside others", "quiet")]
        return [clip(keys, width), clip([(line, "title")], width)]

    def names(self, width: int) -> int:
        """Cells of a run's name: figures and learning rate are never cut off for it."""
        longest = max((cell_len(one_line(one.name, 60)) for one in self.runs), default=4)
        return max(4, min(NAMES_WIDE, longest, width - FIGURES_WIDE))

    def item(self, index: int, width: int) -> Line:
        one, names = self.runs[index], self.names(width)
        name = clipped(one_line(one.name, 60), names)
        number = self.marked.index(one.name) if one.name in self.marked else -1
        word, ink = STATES[one.history.status.state]
        word = f"{word:<14}" if width >= WIDE else f"{word[:1]} "
        loss, step = one.best or (None, None)
        line: Line = [
            (f"{number + 1} ", INKS[number]) if number >= 0 else ("  ", "text"),
            (name + " " * (names - cell_len(name)) + " ", "strong"),
            (word, ink),
            (f"{figure(loss) if loss is not None else '–':>9} ", "strong"),
            (f"{count(int(step)) if step is not None else '–':>6}  ", "quiet"),
        ]
        if one.session is not None:
            training = one.session.training
            more = f"{f'{training.learning_rate:.3g}':<8} {one.kind}"
            seconds = one.history.figure("seconds")
            more += f"  {duration(seconds)}" if seconds is not None else ""
            line.append((more, "quiet"))
        return line


def curve(number: int, name: str, points: list[Point]) -> Series:
    """A run's curve among others: by colour, and by a number at its end."""
    label = f"{number + 1} {one_line(name, 24)}"
    return Series(label, INKS[number], points, sign=str(number + 1))
