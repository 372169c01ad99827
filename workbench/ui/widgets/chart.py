"""A chart of series over steps, drawn in braille on the Line API."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.geometry import Region
from textual.strip import Strip

from workbench.ui.braille import Canvas, Point, finite, thin, ticks
from workbench.ui.units import figure
from workbench.ui.widgets.lines import Inked, Line, clip, spread


@dataclass(frozen=True)
class Series:
    label: str
    ink: str
    points: Sequence[Point]
    marked: bool = False  # each point gets a mark
    legend: bool = True
    sign: str = ""  # a character at its end: curves are told apart without colours, too


def chart(series: Sequence[Series], width: int, height: int, last_x: float = 0) -> list[Line]:
    """The lines of a chart: a legend, the curves with their axis, the steps below.

    `last_x` makes the axis reach further than the points do, as to the end of a run under way.
    """
    shown = [(one, points) for one in series if (points := finite(one.points))]
    if not shown or width < 16 or height < 4:
        return []
    high_x = max([last_x, *(points[-1][0] for _, points in shown)])
    low_x = min(0.0, *(points[0][0] for _, points in shown)) if high_x else 0.0
    values = [y for _, points in shown for _, y in points]
    low, high = min(values), max(values)
    margin = (high - low) * 0.04 or abs(high) * 0.05 or 0.5
    low, high = low - margin, high + margin
    rows = height - 2
    labels = {}
    for value in ticks(low, high, max(3, rows // 2)):
        labels[round((high - value) / (high - low) * (rows * 4 - 1)) // 4] = short(
            value, high - low
        )
    gutter = max(len(label) for label in labels.values()) + 2
    canvas = Canvas(max(4, width - gutter), rows)
    for one, points in shown:
        trace(canvas, one, points, (low_x, high_x), (low, high))
    lines = [legend(shown, width)]
    for y in range(rows):
        label = labels.get(y, "")
        axis = "┤" if label else "│"
        lines.append([(label.rjust(gutter - 2) + " " + axis, "quiet"), *canvas.row(y)])
    lines.append(steps(low_x, high_x, gutter, canvas.width))
    return lines


def trace(
    canvas: Canvas,
    one: Series,
    points: Sequence[Point],
    across: tuple[float, float],
    along: tuple[float, float],
) -> None:
    low, high = along
    bottom = canvas.height * 4 - 1

    def dot_row(value: float) -> int:
        return round((high - value) / (high - low) * bottom)

    before: tuple[int, int] | None = None
    for column, least, greatest, last in thin(points, canvas.width * 2, *across):
        top, down, end = dot_row(greatest), dot_row(least), dot_row(last)
        if before:
            canvas.line(*before, column, end, one.ink)
        canvas.line(column, top, column, down, one.ink)
        if one.marked:
            for shift in ((0, -1), (0, 1), (1, 0), (-1, 0)):
                canvas.dot(column + shift[0], end + shift[1], one.ink)
        before = (column, end)
    if before and one.sign:
        canvas.sign(*before, one.sign, one.ink)


def legend(shown: Sequence[tuple[Series, Sequence[Point]]], width: int) -> Line:
    """Each series by name with its last figure; the least one where there is room."""
    full: Line = []
    brief: Line = []
    for one, points in shown:
        if not one.legend:
            continue
        gap = "   " if full else ""
        values = [y for _, y in points]
        name = f"{gap}{'◆' if one.marked else '━'} {one.label} "
        full += [(name, one.ink), (figure(values[-1]), "strong")]
        brief += [(name, one.ink), (figure(values[-1]), "strong")]
        full += [(f" min {figure(min(values))} max {figure(max(values))}", "quiet")]
    return full if sum(len(text) for text, _ in full) <= width else clip(brief, width)


def steps(low: float, high: float, gutter: int, width: int) -> Line:
    """The axis below: a number of steps at each end and some between."""
    row = [" "] * width
    end = 0
    for value in ticks(low, high, max(2, width // 12)):
        text = f"{value:,.0f}"
        column = round((value - low) / ((high - low) or 1) * (width - 1))
        start = max(0, min(column - len(text) // 2, width - len(text)))
        if start >= end and value == int(value):
            row[start : start + len(text)] = text
            end = start + len(text) + 2
    left: Line = [("step".rjust(gutter - 1) + " ", "quiet")]
    return spread([*left, ("".join(row), "quiet")], [], gutter + width)


def short(value: float, span: float) -> str:
    """A label with as many decimals as the axis needs."""
    digits = 0 if span >= 20 else 1 if span >= 2 else 2 if span >= 0.2 else 3 if span >= 0.02 else 4
    return f"{value:,.{digits}f}"


class Chart(Inked):
    """Draws `series` over the whole widget; a redraw touches only lines that changed."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.series: list[Series] = []
        self.last_x = 0.0
        self.lines: list[Line] = []

    def show(self, series: list[Series], last_x: float = 0) -> None:
        self.series, self.last_x = series, last_x
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        before = self.lines
        self.lines = chart(self.series, self.size.width, self.size.height, self.last_x)
        for y in range(max(len(before), len(self.lines))):
            if before[y : y + 1] != self.lines[y : y + 1]:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        return self.strip(self.lines[y] if y < len(self.lines) else [], self.size.width)
