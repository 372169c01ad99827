"""The sweep view: runs with different settings, in one table and one chart."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.protocol import SweepAdvanced, Trial
from workbench.text import one_line
from workbench.ui.summaries import Summaries, Summary
from workbench.ui.units import count, duration, figure
from workbench.ui.views.compared_runs import INKS, curve
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.chart import Chart
from workbench.ui.widgets.lines import Line, clip, progress_bar, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.panes.monitor import MonitorPane

TRIAL_STATES = {
    "running": ("● running", "good"),
    "finished": ("✓ done", "good"),
    "pruned": ("▽ behind", "quiet"),
    "failed": ("✗ failed", "bad"),
    "stopped": ("■ stopped", "warn"),
    "interrupted": ("⚡ cut short", "warn"),
}
CURVES = 4  # of the best trials


class SweepView(Vertical):
    """The trials, the best on top; the evaluation losses of the best ones below."""

    DEFAULT_CSS = """
    SweepView { height: 1fr; }
    SweepView > Listing { height: 3fr; }
    SweepView > Chart { height: 2fr; }
    """

    def __init__(self, pane: "MonitorPane") -> None:
        super().__init__(id="sweep-view")
        self.pane = pane
        self.summaries = Summaries()
        self.curves: dict[str, Summary] = {}
        self.reading = False
        self.listing = Listing(self.head, self.item, id="trials")
        self.chart = Chart(id="trials-chart")

    def compose(self) -> ComposeResult:
        self.chart.display = False
        yield self.listing
        yield self.chart

    def on_mount(self) -> None:
        self.pane.bench.sweeping.look()

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    @property
    def sweep(self) -> SweepAdvanced | None:
        return self.pane.bench.sweeping.sweep

    @property
    def trials(self) -> list[Trial]:
        """The best first; those without a figure after them, in their order."""
        sweep = self.sweep
        if sweep is None:
            return []
        sign = -1 if sweep.greater_is_better else 1
        return sorted(
            sweep.trials,
            key=lambda one: (one.metric is None, sign * (one.metric or 0.0), one.number),
        )

    @property
    def chosen(self) -> Trial | None:
        at = self.listing.cursor
        return self.trials[at] if at < len(self.trials) else None

    def redraw(self) -> None:
        self.listing.take(len(self.trials))
        self.read_curves()

    def read_curves(self) -> None:
        """Off the app's loop: the files of the runs."""
        if self.reading or not self.trials:
            return
        self.reading = True
        names = {one.run for one in self.trials[:CURVES]}

        def read() -> None:
            there = self.summaries.read(self.pane.bench.workspace, names)
            found = {one.name: one for one in there}
            self.app.call_from_thread(self.show_curves, found)

        self.run_worker(read, thread=True, exit_on_error=False)

    def show_curves(self, found: dict[str, Summary]) -> None:
        self.reading, self.curves = False, found
        series = []
        for number, trial in enumerate(self.trials[:CURVES]):
            summary = found.get(trial.run)
            if summary is not None and summary.history.eval_loss:
                series.append(curve(number, trial.run, summary.history.eval_loss))
        self.chart.display = bool(series) and self.size.height > 14
        self.chart.show(series)

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Look at that run."""
        event.stop()
        if self.chosen and self.chosen.run:
            self.pane.bench.watching.show_named(self.chosen.run)
            self.pane.bench.call_later(self.pane.bench.run_action, "monitor('curves')")

    # --- drawing -----------------------------------------------------------------------------

    @property
    def settings(self) -> list[str]:
        """What differs between the trials."""
        return list({name: None for one in self.trials for name in one.values})

    def head(self, width: int) -> list[Line]:
        sweep = self.sweep
        if sweep is None:
            if self.pane.bench.sweeping.under_way:
                return self.head_of_begun(width)
            words = (
                "No sweep yet: o begins one. It makes several runs of the session, each with "
                "other settings, and says which were the best."
            )
            return wrap(self.pane.bench.sweeping.problem or words, width, "quiet")
        done = sum(one.state not in ("running", "interrupted") for one in sweep.trials)
        right = f" {done} of {sweep.wanted} runs "
        lines: list[Line] = [
            clip(
                [(one_line(sweep.name, 40), "title"), (f" · {state_words(sweep)}", "quiet")], width
            ),
            [
                *progress_bar(done / max(1, sweep.wanted), max(4, width - len(right)), "good"),
                (right, "quiet"),
            ],
        ]
        if sweep.importance:
            ranked = sorted(sweep.importance.items(), key=lambda one: -one[1])
            words = " · ".join(f"{short(name)} {share:.0%}" for name, share in ranked)
            lines.append(clip([("what mattered: ", "quiet"), (words, "text")], width))
        keys: Line = [("enter", "key"), (" looks at the run  ", "quiet"), ("u", "key")]
        keys += [(" takes its settings over", "quiet")]
        if self.pane.bench.sweeping.unfinished:
            keys += [("  o", "key"), (" goes on with the sweep", "quiet")]
        titles = "".join(f"{short(name)[:15]:>16}" for name in self.settings)
        metric = sweep.metric.removeprefix("eval_").replace("_", " ")
        lines += [
            clip(keys, width),
            clip([(f"  {metric[:12]:>12} {'state':<12}{titles}  time", "title")], width),
        ]
        return lines

    def head_of_begun(self, width: int) -> list[Line]:
        """Before the first run is there."""
        progress = self.pane.bench.sweeping.progress
        return progress_lines(progress, width) if progress else [[("The sweep begins …", "quiet")]]

    def item(self, index: int, width: int) -> Line:  # noqa: ARG002
        one = self.trials[index]
        word, ink = TRIAL_STATES.get(one.state, (one.state, "text"))
        drawn = index < CURVES and self.chart.display and one.run in self.curves
        value = figure(one.metric) if one.metric is not None else "–"
        line: Line = [
            (f"{index + 1} ", INKS[index]) if drawn else ("  ", "text"),
            (f"{value:>12} ", "strong"),
            (f"{word:<12}", ink),
        ]
        for name in self.settings:
            line.append((f"{short_value(one.values.get(name)):>16}", "text"))
        if one.state == "running" and one.total_steps:
            line.append((f"  step {count(one.step)} of {count(one.total_steps)}", "quiet"))
        elif one.seconds:
            line.append((f"  {duration(one.seconds)}", "quiet"))
        return [*line, (f"  {one_line(one.note, 80)}", "quiet")] if one.note else line


def state_words(sweep: SweepAdvanced) -> str:
    direction = "highest" if sweep.greater_is_better else "lowest"
    return f"{sweep.state} · {direction} {sweep.metric.replace('_', ' ')} wins"


def short(name: str) -> str:
    return one_line(name.removeprefix("training."), 40)


def short_value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else one_line(str(value), 15)
