"""The scores view: a line for each measurement, with its interval; the chosen one in full below."""

import time
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.text import one_line
from workbench.ui.measurement import (
    Job,
    Measurement,
    interval_words,
    metric_words,
    value_words,
)
from workbench.ui.units import count, duration, plural
from workbench.ui.views.record import clipped
from workbench.ui.widgets.answer import confusion
from workbench.ui.widgets.intervals import BAR, calibration_lines, interval_bar
from workbench.ui.widgets.lines import Line, Lines, beside, clip, progress_bar, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.protocol import MeasuredRow
    from workbench.ui.base import Base

FIXED = 40  # cells of a line beside the variant's name and the bar
BESIDE = 76  # cells from which the matrix and the bins of confidence stand side by side
MESSAGE_LINES = 5  # of one that says why a measurement came to nothing


class ScoresView(Vertical):
    DEFAULT_CSS = """
    ScoresView { height: 1fr; }
    ScoresView > Listing { height: 2fr; }
    ScoresView > Lines { height: 3fr; border-top: solid $frame; overflow-x: hidden; }
    ScoresView > Lines:focus { border-top: solid $primary; }
    """

    def __init__(self, app: "Base") -> None:
        super().__init__(id="scores-view")
        self.bench = app
        self.table: list[tuple[Measurement, Job | None]] = []
        self.listing = Listing(self.head, self.item, id="scores")
        self.detail = Lines(self.draw, id="score")

    def compose(self) -> ComposeResult:
        yield self.listing
        yield self.detail

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    def back(self) -> bool:
        return False

    @property
    def subtitle(self) -> str:
        measured = sum(bool(one.values) for one, _ in self.table)
        return plural(measured, "measurement") if measured else ""

    @property
    def chosen(self) -> tuple[Measurement, Job | None] | None:
        at = self.listing.cursor
        return self.table[at] if at < len(self.table) else None

    @property
    def measurement(self) -> Measurement | None:
        """The chosen one, where there are rows of it."""
        return self.chosen[0] if self.chosen and (self.chosen[0].key) else None

    def redraw(self) -> None:
        chosen = self.chosen
        self.table = self.bench.scoring.table()
        if chosen:  # the cursor stays with its variant
            names = [(one.name, one.weights, one.model) for one, _ in self.table]
            name = chosen[0].name, chosen[0].weights, chosen[0].model
            if name in names:
                self.listing.cursor = names.index(name)
        self.listing.take(len(self.table))
        self.look_up()
        self.detail.redraw()

    def rows_came(self, job: Job, _rows: "list[MeasuredRow]") -> None:
        if any(one is job for _, one in self.table):
            self.listing.refresh()
        else:
            self.redraw()

    def look_up(self) -> None:
        """The matrix of a measurement of an earlier sitting is asked for once it is chosen."""
        if self.chosen and self.chosen[0].evaluated is None and self.chosen[0].figure is not None:
            self.bench.remembering.show(self.chosen[0].key)

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.look_up()
        self.detail.redraw(to_top=True)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.bench.call_later(self.bench.run_action, "measured_rows")

    # --- the table ---------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        lines = self.state_lines(width)
        if not self.table:
            return [
                *lines,
                *wrap("Nothing was measured yet.", width, "strong"),
                [],
                [("F8 ", "key"), ("measures this variant on the evaluation rows", "text")],
                [("v ", "key"), ("measures every variant", "text")],
            ]
        if not self.bench.scoring.under_way("scores"):
            keys: Line = [("enter ", "key"), ("its rows  ", "quiet")]
            if sum(bool(one.key) for one, _ in self.table) > 1:
                keys += [("alt+k ", "key"), ("compares A with B  ", "quiet")]
                keys += [("a b ", "key"), ("mark them", "quiet")]
            else:
                keys += [("v ", "key"), ("measures every variant", "quiet")]
            lines.append(clip(keys, width))
        metrics = {one.metric for one, _ in self.table if one.values}
        name = self.name_width(width)
        value = metric_words(metrics.pop()) if len(metrics) == 1 else "value"
        bar = self.bar_width(width)
        head = f"    {'variant':<{name}} {'from':<6}{clipped(value, 9):>9}  "
        head += f"{'95 % interval':<{bar + (bar > 0) + 17}}"
        head += "".join(f"{title:>{wide}}" for title, wide, _ in self.further(width))
        return [*lines, clip([(head, "title")], width)]

    def state_lines(self, width: int) -> list[Line]:
        """What is under way, how long it takes yet; what failed."""
        lines: list[Line] = []
        jobs = self.bench.scoring.under_way("scores")
        for job in jobs[:1]:
            progress = job.progress
            words = progress.what if progress else "Queued behind what is under way."
            if job.stopping:
                words = "Stopping …"
            elif progress and progress.total:
                words += f" · {progress.done:,.0f} of {progress.total:,.0f} {progress.unit}"
                if progress.seconds_left >= 0:
                    words += f" · {duration(progress.seconds_left)} left"
            if len(jobs) > 1:
                words += f" · then {plural(len(jobs) - 1, 'variant')}"
            keys: Line = [] if job.stopping else [("  esc ", "key"), ("stops", "quiet")]
            line: Line = clip([("● " + one_line(words, 200), "accent")], width - 11)
            lines.append([*line, *keys])
            if progress and progress.total > 0:
                share = progress.done / progress.total
                lines.append(progress_bar(share, min(40, width), "accent"))
        for name, message, state in self.messages():
            ink = "bad" if state == "failed" else "warn"
            said = wrap(f"{'✗' if state == 'failed' else '■'} {name}: {message}", width, ink)
            lines += said[:MESSAGE_LINES]
            if len(said) > MESSAGE_LINES:
                lines[-1] = clip([*lines[-1], (" …", ink)], width)
        return lines

    def messages(self) -> list[tuple[str, str, str]]:
        """Of jobs that did not come to their end, and were not done again since."""
        latest = {
            job.prompt.name: job for job in self.bench.scoring.jobs if job.purpose == "scores"
        }
        return [
            (one_line(name, 30), job.message, job.state)
            for name, job in latest.items()
            if job.message and not job.under_way
        ]

    def name_width(self, width: int) -> int:
        longest = max((cell_len(one_line(one.name, 40)) for one, _ in self.table), default=7)
        return max(7, min(longest, width - FIXED, 30))

    def bar_width(self, width: int) -> int:
        """Cells of the interval's bar; 0 where there is no room for one that says something."""
        room = min(BAR, width - FIXED - self.name_width(width))
        return room if room >= BAR // 2 else 0

    def further(self, width: int) -> list[tuple[str, int, int]]:
        """Columns for which there is room: title, cells, and which it is (of the others its place
        among the metrics)."""
        room = width - FIXED - self.name_width(width) - self.bar_width(width)
        metrics = max((len(one.values) for one, _ in self.table), default=1)
        names = next((one.values for one, _ in self.table if len(one.values) == metrics), [])
        columns = [("rows", 7, -1)]
        columns += [
            (clipped(metric_words(names[at].name), 10), 11, at) for at in range(1, len(names))
        ]
        columns += [("failed", 8, -2), ("cached", 8, -3), ("time", 10, -4), ("model", 24, -5)]
        shown = []
        for column in columns:
            if column[1] > room:
                break
            room -= column[1]
            shown.append(column)
        return shown

    def item(self, index: int, width: int) -> Line:
        one, job = self.table[index]
        comparing = self.bench.comparing
        a, b = comparing.sides([m for m, _ in self.table], self.listing.cursor)
        mark = "A" if one.key and one.key == a else "B" if one.key and one.key == b else " "
        set_by_hand = one.key in (comparing.a, comparing.b)
        name = self.name_width(width)
        label = clipped(one_line(one.name, 40), name)
        stale = "!" if self.stale(one) else " "
        line: Line = [
            (f"{mark} ", "strong" if set_by_hand else "quiet"),
            (f"{stale} ", "warn"),
            (label + " " * (name - cell_len(label)) + " ", "strong"),
            (f"{one.weights:<6}", one.weights),
        ]
        if not one.values:
            return [*line, *self.unfinished(one, job)]
        first = one.values[0]
        low, high = self.scale()
        words = interval_words(first.low, first.high, first.unit)
        line += [
            (f"{value_words(first.value, first.unit):>9}  ", "strong"),
            *interval_bar(first, low, high, self.bar_width(width)),
            (f"{words:<17}", "quiet"),
        ]
        return line + [self.column(one, wide, at) for _, wide, at in self.further(width)]

    @staticmethod
    def unfinished(one: Measurement, job: Job | None) -> Line:
        if job and job.under_way:
            words = f"{one.done:,} of {one.total:,}" if one.total else "waiting …"
            return [(words, "accent")]
        stopped = job.state == "cancelled" if job and job.request else one.figure is not None
        state = "stopped" if stopped else "not measured"
        return [(f"{state} after {plural(one.done, 'row')}", "warn")]

    @staticmethod
    def column(one: Measurement, wide: int, at: int) -> tuple[str, str]:
        evaluated = one.evaluated
        text, ink = "–", "quiet"
        if at == -1:
            text = count(one.of_rows)
        elif at == -2 and evaluated:
            text, ink = count(evaluated.failed), "warn" if evaluated.failed else "quiet"
        elif at == -3 and evaluated:
            text = count(evaluated.cached)
        elif at == -4:
            text = duration(evaluated.seconds) if evaluated else "–"
        elif at == -5:
            text = clipped(one_line(one.model.rstrip("/").rsplit("/", 1)[-1], 40), wide - 2)
        elif 0 < at < len(one.values):
            text, ink = value_words(one.values[at].value, one.values[at].unit), "text"
        return f"{text:>{wide}}", ink

    def scale(self) -> tuple[float, float]:
        """What the bars reach from and to, the same for all."""
        firsts = [one.values[0] for one, _ in self.table if one.values]
        if all(first.unit == "share" for first in firsts):
            return 0.0, 1.0
        return 0.0, max([first.high for first in firsts], default=1.0) or 1.0

    def stale(self, one: Measurement) -> bool:
        """Whether the variant's wording is another one by now."""
        prompts = [prompt for prompt in self.bench.session.prompts if prompt.name == one.name]
        return bool(one.values) and bool(prompts) and prompts[0] != one.prompt

    # --- the chosen one ----------------------------------------------------------------------

    def draw(self, width: int) -> list[Line]:
        if self.chosen is None:
            return []
        one, _ = self.chosen
        lines: list[Line] = []
        evaluated = one.evaluated
        for note in evaluated.notes if evaluated else []:
            lines += wrap("! " + note, width, "warn")
        if self.stale(one):
            words = "! The variant has changed since; F8 measures it as it is now."
            lines += wrap(words, width, "warn")
        title = f"{one_line(one.name, 40)} · {one.weights}"
        facts = f"  {one_line(one.model, 50)}"
        if one.step >= 0:
            facts += f" · step {count(one.step)}"
        lines.append(clip([(title, "title"), (facts, "quiet")], width))
        for value in one.values:
            words = interval_words(value.low, value.high, value.unit)
            how = f"  {one_line(value.interval, 40)}" if value.interval else ""
            lines.append(
                clip(
                    [
                        (f"{metric_words(value.name):<16}", "text"),
                        (f"{value_words(value.value, value.unit):>8}", "strong"),
                        (f"  {words}", "quiet"),
                        (" (lower is better)" if value.better == "lower" else "", "quiet"),
                        (how, "quiet"),
                    ],
                    width,
                )
            )
            if value.signature:
                made = f"{'':17}{value.signature}"
                if len(made) > width:
                    made = value.signature.replace("|", "| ")
                lines += wrap(made, width, "quiet")
        if evaluated is None:
            return lines
        lines += wrap(fact_words(one), width, "quiet")
        if evaluated.failed:
            words = f"{plural(evaluated.failed, 'row')} got no answer. "
            lines.append([("! " + words, "warn"), ("x ", "key"), ("asks them again", "quiet")])
        if not evaluated.rows:
            return lines
        matrix = confusion(evaluated.labels, evaluated.confusion, width)
        bins = calibration_lines(evaluated.calibration, width)
        if matrix and bins and width >= BESIDE:
            half = (width - 3) // 2
            bins = calibration_lines(evaluated.calibration, half)
            matrix = confusion(evaluated.labels, evaluated.confusion, half)
            lines += [[], *beside(matrix, bins, half)]
        else:
            lines += [[], *matrix] if matrix else []
            lines += [[], *bins] if bins else []
        return lines


def fact_words(one: Measurement) -> str:
    evaluated = one.evaluated
    assert evaluated is not None
    words = [f"{plural(evaluated.rows, 'row')} in {duration(evaluated.seconds)}"]
    if evaluated.cached:
        words.append(f"{count(evaluated.cached)} known from before")
    if evaluated.left_out:
        words.append(f"{count(evaluated.left_out)} left out: too long")
    words.append(time.strftime("%d %b %H:%M", time.localtime(one.time)))
    return " · ".join(words)
