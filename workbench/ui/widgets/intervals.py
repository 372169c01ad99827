"""A value with its interval, and how right a model is where it is sure, in characters.

Knows nothing of widgets.
"""

from typing import Protocol

from workbench.ui.widgets.bars import sideways
from workbench.ui.widgets.lines import Line, clip

BAR = 16  # cells of an interval's bar, where there is room


class Interval(Protocol):
    """A value and its 95 % interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def interval_bar(one: Interval, start: float, end: float, width: int) -> Line:
    """The interval as a line of `width` cells and a space, with the value as a dot, on a scale
    that all have in common; nothing for no width."""
    if width <= 0:
        return []

    def place(number: float) -> int:
        share = (number - start) / (end - start) if end > start else 0.0
        return max(0, min(width - 1, round(share * (width - 1))))

    left, dot, right = place(one.low), place(one.value), place(one.high)
    return [
        ("·" * left, "frame"),
        ("─" * (dot - left), "accent"),
        ("●", "accent"),
        ("─" * (right - dot), "accent"),
        ("·" * (width - 1 - right) + " ", "frame"),
    ]


def calibration_lines(bins: list[tuple[float, float, int]], width: int) -> list[Line]:
    """How often the model is right where it is so confident; both should be the same."""
    if not bins:
        return []
    wide = max(4, min(20, width - 34))
    lines: list[Line] = [[(f"{'confident':>10}{'right':>9}{'rows':>7}", "quiet")]]
    for confidence, right, rows in bins:
        gap = confidence - right
        ink = "good" if abs(gap) < 0.1 else "warn"
        sign = "" if abs(gap) < 0.1 else " too sure" if gap > 0 else " too unsure"
        lines.append(
            clip(
                [
                    (f"{confidence * 100:8.0f} %{right * 100:7.0f} %{rows:>7,} ", "text"),
                    (sideways(right, wide), ink),
                    (sign, ink),
                ],
                width,
            )
        )
    return lines
