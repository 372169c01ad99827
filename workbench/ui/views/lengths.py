"""The lengths view: how long the rows are in tokens, what is cut, what a batch costs."""

from bisect import bisect_left

from workbench.protocol import LengthsMeasured
from workbench.session import TrainingSettings
from workbench.text import one_line
from workbench.ui.inspecting import Look
from workbench.ui.units import count, duration, plural
from workbench.ui.views.looking import state_lines
from workbench.ui.widgets.bars import merged, sideways, upright
from workbench.ui.widgets.lines import Line, Lines, clip, wrap

# What a person steps through: powers of two, and halfway between them.
STEPS = [8, 16, 24, 32, 48, 64, 96]
STEPS += [size << power for power in range(13) for size in (128, 192)]
QUANTILES = (
    ("0", "shortest"),
    ("50", "median"),
    ("90", "90 %"),
    ("95", "95 %"),
    ("99", "99 %"),
    ("100", "longest"),
)
OVERLONG = {"cut": "are cut", "drop": "are dropped", "split": "are split into several"}


def stepped(length: int, by: int) -> int:
    """The next usual max_length above or below."""
    at = bisect_left(STEPS, length)
    if by > 0:
        at += STEPS[at : at + 1] == [length]
    else:
        at -= 1
    return STEPS[max(0, min(at, len(STEPS) - 1))]


class LengthsView(Lines):
    DEFAULT_CSS = "LengthsView { height: 1fr; overflow-x: hidden; }"

    def __init__(self, look: Look[LengthsMeasured]) -> None:
        super().__init__(self.lay_out, id="lengths-view")
        self.look = look
        self.training = TrainingSettings()

    def go(self) -> None:
        self.screen.set_focus(self)

    def lay_out(self, width: int) -> list[Line]:
        training, result = self.training, self.look.result
        top: Line = [
            ("- + ", "key"),
            ("max_length ", "quiet"),
            (count(training.max_length), "strong"),
            ("   c ", "key"),
            ("overlong rows: ", "quiet"),
            (training.overlong, "strong"),
        ]
        lines = [clip(top, width)]
        current = result is not None and result.max_length == training.max_length
        if result and not self.look.problem:
            lines += verdict(result, training, width) if current else [[]]
        lines += state_lines(self.look, width, "Measuring the lengths")
        if result and not self.look.problem:
            lines += measured_lines(result, training, width, 4 if self.size.height < 24 else 9)
        return lines


def verdict(result: LengthsMeasured, training: TrainingSettings, width: int) -> list[Line]:
    """The one sentence that matters most."""
    rows = max(1, result.rows)
    if not result.cut:
        return wrap(f"At max_length {count(result.max_length)}, no row is too long.", width, "good")
    words = (
        f"At max_length {count(result.max_length)}, {share(result.cut, rows)} of rows "
        f"{OVERLONG[training.overlong]}"
    )
    if training.overlong == "cut" and result.lost:
        words += f" and {share(result.lost, rows)} lose their whole answer"
    return wrap(words + ".", width, "bad" if result.lost else "warn")


def share(part: int, whole: int) -> str:
    of = part / whole * 100
    return f"{of:.1f} %" if of >= 0.05 or not part else "less than 0.1 %"


def measured_lines(
    result: LengthsMeasured, training: TrainingSettings, width: int, height: int
) -> list[Line]:
    lines = histogram(result, training.max_length, width, height)
    words = " · ".join(
        f"{word} {count(result.quantiles[key])}"
        for key, word in QUANTILES
        if key in result.quantiles
    )
    lines += [*wrap(words, width), measured_line(result, width)]
    if result.suggestion:
        lines += wrap("→ " + result.suggestion, width, "good")
    lines += [[], [("What a batch costs", "title"), (f"  {result.batch_size} rows", "quiet")]]
    wide = max(8, min(30, width - 42))
    for name, computed in (
        ("padded", result.padded),
        ("grouped", result.grouped),
        ("packed", result.packed),
    ):
        waste = 1 - result.tokens / computed if computed else 0
        label = "grouped by length" if name == "grouped" else name
        lines.append(
            [
                (f"{label:<18}", "text"),
                (f"{max(0.0, waste) * 100:5.1f} % ", "strong"),
                ("is padding  ", "quiet"),
                (sideways(max(0.0, waste), wide), "warn" if waste > 0.3 else "accent"),
            ]
        )
    return lines


def measured_line(result: LengthsMeasured, width: int) -> Line:
    """How many rows it is of, and the key for all."""
    measured = plural(result.rows, "row")
    if result.of > result.rows:
        measured += f" of {count(result.of)}"
    measured += " measured" + (f" in {duration(result.seconds)}" if result.seconds else "")
    line: Line = [(measured, "quiet")]
    if result.of > result.rows:
        line += [("   a ", "key"), ("measures all", "quiet")]
    return clip(line, width)


def histogram(result: LengthsMeasured, max_length: int, width: int, height: int) -> list[Line]:
    """Bars from the shortest to the longest row, and where max_length is among them."""
    if not result.counts or len(result.edges) < 2:
        return []
    wide = max(8, min(width, 100))
    bars = upright(merged(result.counts, wide), wide, height)
    low, high = result.edges[0], result.edges[-1]
    at = round((max_length - low) / max(1, high - low) * (wide - 1))
    lines: list[Line] = []
    for bar in bars:
        if 0 <= at < wide:
            lines.append([(bar[:at], "accent"), ("┊", "bad"), (bar[at + 1 :], "quiet")])
        else:
            lines.append([(bar, "accent")])
    axis = f"{count(low)}{count(high):>{max(1, wide - len(count(low)))}}"
    lines.append([(axis, "quiet")])
    if 0 <= at < wide:
        mark = one_line(f"↑ max_length {count(max_length)}", width)
        lines.append([(" " * min(at, max(0, wide - len(mark))), "text"), (mark, "bad")])
    return lines
