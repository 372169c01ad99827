"""A series thinned to what a chart's columns can show, and dots set on braille cells.

Knows nothing of widgets. A cell of braille holds 2 × 4 dots.
"""

import math
from collections.abc import Sequence

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
Point = tuple[float, float]


def finite(points: Sequence[Point]) -> list[Point]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def thin(
    points: Sequence[Point], columns: int, low: float, high: float
) -> list[tuple[int, float, float, float]]:
    """(column, least, greatest, last) for each column that has points of x in [low, high].

    The extremes of a column are kept, so a spike of one step stays in a series of any length.
    """
    span = (high - low) or 1.0
    thinned: list[tuple[int, float, float, float]] = []
    for x, y in points:
        column = min(columns - 1, max(0, int((x - low) / span * (columns - 1) + 0.5)))
        if thinned and thinned[-1][0] == column:
            _, least, greatest, _ = thinned[-1]
            thinned[-1] = (column, min(least, y), max(greatest, y), y)
        else:
            thinned.append((column, y, y, y))
    return thinned


def smoothed(points: Sequence[Point]) -> list[Point]:
    """An exponential mean of y over about a twentieth of the points, corrected for its start."""
    weight = 1 - 1 / max(2, len(points) / 20)
    mean, mass, result = 0.0, 0.0, []
    for x, y in points:
        mean = weight * mean + (1 - weight) * y
        mass = weight * mass + (1 - weight)
        result.append((x, mean / mass))
    return result


class Canvas:
    """Dots on a grid of `width` × `height` cells; a cell takes the ink of what came last."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.dots = [[0] * width for _ in range(height)]
        self.inks = [[""] * width for _ in range(height)]
        self.signs: dict[tuple[int, int], tuple[str, str]] = {}  # cell → a character and its ink

    def dot(self, x: int, y: int, ink: str) -> None:
        """Set a dot; (0, 0) is the top left one."""
        if 0 <= x < self.width * 2 and 0 <= y < self.height * 4:
            self.dots[y // 4][x // 2] |= DOTS[x % 2][y % 4]
            self.inks[y // 4][x // 2] = ink

    def line(self, x0: int, y0: int, x1: int, y1: int, ink: str) -> None:
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(steps + 1):
            self.dot(
                x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps), ink
            )

    def sign(self, x: int, y: int, text: str, ink: str) -> None:
        """Write a character over the cell of a dot, or left of those that are there already."""
        column = x // 2
        while (column, y // 4) in self.signs:
            column -= 1
        self.signs[column, y // 4] = text, ink

    def row(self, y: int) -> list[tuple[str, str]]:
        """A row of cells as spans of (text, ink)."""
        spans: list[tuple[str, str]] = []
        for x, (bits, under) in enumerate(zip(self.dots[y], self.inks[y], strict=True)):
            sign, ink = self.signs.get((x, y), (chr(0x2800 + bits) if bits else " ", under))
            if spans and spans[-1][1] == ink:
                spans[-1] = (spans[-1][0] + sign, ink)
            else:
                spans.append((sign, ink))
        return [(text, ink or "text") for text, ink in spans]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers within [low, high], at most `most` and evenly apart."""
    if high <= low or most < 1:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [step * index for index in range(first, last + 1)]
