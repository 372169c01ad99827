"""The columns view: a line for each column, the chosen one in detail below."""

from rich.cells import cell_len

from workbench.protocol import ColumnsSummarised, ColumnSummary
from workbench.text import one_line
from workbench.ui.inspecting import Look
from workbench.ui.units import count, duration, figure, plural
from workbench.ui.views.listed import Listed
from workbench.ui.views.looking import state_lines
from workbench.ui.views.record import clipped
from workbench.ui.widgets.bars import sideways, spark, upright
from workbench.ui.widgets.lines import Line, clip, wrap

SPARK = 12  # cells of a small histogram
FEW = 20  # distinct values that say more than their distribution does
NUMBERS = ("integer", "number", "time", "boolean")


class ColumnsView(Listed):
    DEFAULT_CSS = """
    ColumnsView > Listing { height: 2fr; }
    ColumnsView > Lines { height: 3fr; }
    """
    look: Look[ColumnsSummarised]

    def __init__(self, look: Look[ColumnsSummarised]) -> None:
        super().__init__(look, "columns", "column")

    @property
    def columns(self) -> list[ColumnSummary]:
        return self.look.result.columns if self.look.result else []

    @property
    def things(self) -> list[ColumnSummary]:
        return self.columns

    @property
    def chosen(self) -> ColumnSummary | None:
        at = self.listing.cursor
        return self.columns[at] if at < len(self.columns) else None

    def head(self, width: int) -> list[Line]:
        lines = state_lines(self.look, width, "Summing up the columns")
        result = self.look.result
        if result is None:
            return lines
        if not self.look.under_way:
            words = f"{plural(result.rows, 'row')} · {plural(len(result.columns), 'column')}"
            if result.left_out:
                words += f" · {count(result.left_out)} more were not looked at"
            if result.seconds:
                words += f" · in {duration(result.seconds)}"
            lines.append(clip([(words, "quiet")], width))
        name = self.name_width(width)
        line = f"{'column':<{name}} {'type':<8}{'missing':>8} {'distinct':>11}  "
        line += "distribution"
        if width >= name + 46 + SPARK:
            line += "    low … high"
        return [*lines, [(line, "title")]]

    def name_width(self, width: int) -> int:
        longest = max((cell_len(one_line(one.name, 40)) for one in self.columns), default=6)
        return max(6, min(longest, width - 44, 30))

    def item(self, index: int, width: int) -> Line:
        one = self.columns[index]
        rows = self.look.result.rows if self.look.result else 0
        name = self.name_width(width)
        label = clipped(one_line(one.name, 40), name)
        kind = clipped(one_line(one.type, 40), 7)
        share = one.missing / rows if rows else 0
        missing = "–" if not one.missing else f"{share * 100:.1f} %"
        missing = "<0.1 %" if one.missing and share < 0.001 else missing
        distinct = ("" if one.distinct_exact else "≈") + count(one.distinct)
        line: Line = [
            (label + " " * (name - cell_len(label)) + " ", "strong"),
            (f"{kind:<8}", "quiet"),
            (f"{missing:>8} ", "warn" if one.missing else "quiet"),
            (f"{distinct:>11}  ", "text"),
            (f"{spark(one.histogram, SPARK):<{SPARK}}", "accent"),
        ]
        if one.low is not None and one.high is not None and width >= name + 46 + SPARK:
            line.append((f"    {figure_of(one.low)} … {figure_of(one.high)}", "quiet"))
        return line

    def draw(self, width: int) -> list[Line]:
        one = self.chosen
        return column_lines(one, self.look.result, width) if one and self.look.result else []


def figure_of(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else figure(number)


def column_lines(one: ColumnSummary, summary: ColumnsSummarised, width: int) -> list[Line]:
    """One column in detail: figures, histogram, most frequent values."""
    rows = max(1, summary.rows)
    lines: list[Line] = [
        clip([(one_line(one.name, 60), "title"), ("  " + one_line(one.type, 80), "quiet")], width)
    ]
    facts = [f"{count(one.missing)} missing ({one.missing / rows * 100:.1f} %)"]
    if one.empty:
        facts.append(f"{count(one.empty)} empty")
    about = "" if one.distinct_exact else "about "
    facts.append(f"{about}{count(one.distinct)} distinct")
    lines += wrap(" · ".join(facts), width)
    if one.low is not None:
        of = "values" if one.type.startswith(NUMBERS) else "lengths"
        parts = [
            (word, value)
            for word, value in (
                ("low", one.low),
                ("mean", one.mean),
                ("median", one.median),
                ("95 %", one.p95),
                ("high", one.high),
            )
            if value is not None
        ]
        words = " · ".join(f"{word} {figure_of(value)}" for word, value in parts)
        lines += wrap(f"{of}: {words}", width, "quiet")
    few = one.distinct <= FEW
    if few:
        lines += frequent_lines(one, rows, width)
    if one.histogram and one.low is not None and one.high is not None and one.high > one.low:
        lines.append([])
        wide = min(60, width)
        bars = upright(one.histogram, wide, 4)
        lines += [[(bar, "accent")] for bar in bars]
        low, high = figure_of(one.low), figure_of(one.high)
        lines.append([(f"{low}{high:>{max(1, len(bars[0]) - len(low))}}", "quiet")])
    if not few:
        lines += frequent_lines(one, rows, width)
    lines += [[], [("enter ", "key"), ("sorts the rows by this column", "quiet")]]
    return lines


def frequent_lines(one: ColumnSummary, rows: int, width: int) -> list[Line]:
    """The most frequent values, each with its share."""
    lines: list[Line] = []
    if one.frequent:
        lines += [[], [("most frequent", "quiet")]]
        most = one.frequent[0][1] or 1
        room = max(10, min(width - 30, 40))
        for value, number in one.frequent:
            text = clipped(one_line(value, 80) or "(empty)", room)
            lines.append(
                [
                    (text + " " * (room - cell_len(text)) + " ", "text"),
                    (f"{number / rows * 100:5.1f} % ", "strong"),
                    (sideways(number / most, max(4, min(18, width - room - 10))), "accent"),
                ]
            )
    return lines
