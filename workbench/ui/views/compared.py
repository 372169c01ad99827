"""Two measurements compared: the verdict, and the rows that only one of them has right."""

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.protocol import Changed, Compared
from workbench.text import one_line
from workbench.ui.measurement import (
    LOWER_IS_BETTER,
    Unit,
    metric_words,
    unit_of,
    value_words,
)
from workbench.ui.units import count, plural
from workbench.ui.views.record import clipped, progress_lines
from workbench.ui.widgets.lines import Line, Lines, beside, clip, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.base import Base

ROWS_SEEN = 3  # of those that changed, below the verdict, where there is room at all
STACKED = 60  # cells, below which both answers stand one above the other


class ComparedView(Vertical):
    DEFAULT_CSS = """
    ComparedView { height: 1fr; }
    ComparedView > Listing { height: 3fr; }
    ComparedView > Lines { height: 2fr; border-top: solid $frame; overflow-x: hidden; }
    ComparedView > Lines:focus { border-top: solid $primary; }
    """

    def __init__(self, app: "Base") -> None:
        super().__init__(id="compared-view")
        self.bench = app
        self.listing = Listing(self.head, self.item, id="compared")
        self.detail = Lines(self.draw, id="changed-row")
        self.shortened = False

    def compose(self) -> ComposeResult:
        yield self.listing
        yield self.detail

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    def back(self) -> bool:
        """To the table of measurements."""
        if self.bench.comparing.stop():
            return True
        self.bench.call_later(self.bench.run_action, "output('scores')")
        return True

    @property
    def subtitle(self) -> str:
        back = "esc back to the scores"
        return f"ctrl+t shows all of it · {back}" if self.shortened else back

    @property
    def rows(self) -> list[tuple[str, Changed]]:
        result = self.bench.comparing.result
        if result is None:
            return []
        return [("+", one) for one in result.gained] + [("-", one) for one in result.lost]

    @property
    def number(self) -> int:
        at = self.listing.cursor
        return self.rows[at][1].number if at < len(self.rows) else -1

    def redraw(self) -> None:
        self.listing.take(len(self.rows))
        self.detail.redraw()

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.detail.redraw(to_top=True)

    async def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.screen.set_focus(self.detail)

    # --- drawing -----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        comparing = self.bench.comparing
        if comparing.problem:
            return wrap("✗ " + comparing.problem, width, "bad")
        if comparing.under_way:
            what = "Judging pairs" if comparing.judging else "Comparing"
            lines = (
                progress_lines(comparing.progress, width)
                if comparing.progress
                else wrap(f"{what} …", width)
            )
            return [*lines, [("esc ", "key"), ("stops", "quiet")]]
        result = comparing.result
        if result is None:
            return wrap("Nothing is compared yet; alt+k compares A with B.", width, "quiet")
        known = {one.key: one.weights for one, _ in self.bench.scoring.table()}
        weights = (known.get(result.a, ""), known.get(result.b, ""))
        lines = result_lines(result, width, weights)
        height = self.listing.scrollable_content_region.height
        shortened = len(lines) + min(ROWS_SEEN, len(self.rows)) > height
        if shortened != self.shortened:
            self.shortened = shortened
            self.bench.call_later(self.bench.output_pane.name_view)
        if shortened:
            lines = result_lines(result, width, weights, short=True)
        return lines

    def item(self, index: int, width: int) -> Line:
        sign, one = self.rows[index]
        ink = "good" if sign == "+" else "bad"
        expected = clipped(one_line(one.expected.strip(), 60), 16)
        left = f"{sign} {count(one.number + 1):>7}  "
        room = max(6, (width - len(left) - 22) // 2)
        a, b = (clipped(one_line(text.strip(), 200), room) for text in (one.a, one.b))
        line: Line = [(left, ink)]
        if expected:
            line.append((expected + " " * (18 - cell_len(expected)), "quiet"))
        return [*line, (a, "base"), (" → ", "quiet"), (b, "tuned")]

    def draw(self, width: int) -> list[Line]:
        at, result = self.listing.cursor, self.bench.comparing.result
        if result is None or at >= len(self.rows):
            return []
        _, one = self.rows[at]
        lines: list[Line] = [
            clip(
                [
                    (f"row {count(one.number + 1)}", "title"),
                    ("  expected ", "quiet"),
                    (one_line(one.expected, 200) or "–", "text"),
                    ("   g ", "key"),
                    ("goes to the row", "quiet"),
                ],
                width,
            )
        ]
        half = (width - 3) // 2 if width >= STACKED else width
        blocks = []
        for side, name, answer, value in (
            ("A", result.name_a, one.a, one.value_a),
            ("B", result.name_b, one.b, one.value_b),
        ):
            ink = "base" if side == "A" else "tuned"
            title: Line = [(f"{side} {one_line(name, 30)}", ink), (f"  {value:g}", "quiet")]
            blocks.append([clip(title, half), *wrap(answer.strip() or "(empty)", half)])
        if width >= STACKED:
            return [*lines, *beside(blocks[0], blocks[1], half)]
        return [*lines, *blocks[0], *blocks[1]]


def result_lines(
    result: Compared, width: int, weights: tuple[str, str] = ("", ""), short: bool = False
) -> list[Line]:
    """The verdict first, then what speaks against it, then the figures that it stands on; `short`
    leaves out those that the verdict says too, and what lies beyond a line of its own."""
    sure = result.low > 0 or result.high < 0
    better = (result.difference > 0) != (result.metric in LOWER_IS_BETTER)
    lines = wrap(result.verdict, width, "warn" if not sure else "good" if better else "bad")
    for note in result.notes:
        words = "! " + note
        lines += (
            [clip([(one_line(words, 400), "warn")], width)] if short else wrap(words, width, "warn")
        )
    unit = unit_of(result.metric)
    sides: list[Line] = []
    for side, name, of, value in (
        ("A", result.name_a, weights[0], result.value_a),
        ("B", result.name_b, weights[1], result.value_b),
    ):
        line: Line = [(f"{side} ", "base" if side == "A" else "tuned")]
        line += [(f"{value_words(value, unit):>8}  ", "strong"), (one_line(name, 60), "text")]
        if of and of not in name:  # the worker may say it in the name
            line.append((f" {of}", "quiet"))
        sides.append(line)
    if short:
        lines.append(clip([*sides[0], ("   ", "text"), *sides[1]], width))
    else:
        lines += [clip(line, width) for line in sides]
        words = f"{difference_words(result.difference, unit)} "
        interval = difference_words(result.low, unit, bare=True)
        interval += f" to {difference_words(result.high, unit)}"
        facts = f"(95 % interval {interval}) · p {p_words(result.p_value)} · {result.test} · "
        facts += f"{metric_words(result.metric)} on {plural(result.rows, 'row')}"
        lines += wrap("B - A  " + words + facts, width, "quiet")
    gained, lost = len(result.gained), len(result.lost)
    line = [(f"+ {plural(gained, 'row')} gained", "good"), ("   ", "text")]
    line += [(f"- {plural(lost, 'row')} lost", "bad"), ("   A → B", "quiet")]
    return [*lines, clip(line, width)]


def difference_words(value: float, unit: Unit, bare: bool = False) -> str:
    """A difference with its sign: of shares in points."""
    if unit == "share":
        return f"{value * 100:+.1f}" + ("" if bare else " points")
    return f"{value:+,.2f}"


def p_words(value: float) -> str:
    """The p value with its sign: < 0.0001, = 0.0042."""
    if value < 0.0001:
        return "< 0.0001"
    return f"= {value:.4f}" if value < 0.1 else f"= {value:.2f}"
