"""Text in lines: what is read rather than edited, drawn on the Line API.

A line is a list of spans, a span a text and the name of an ink, which is a colour of the theme.
Whatever comes in is made literal here: nothing in it is obeyed.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from rich.cells import cell_len, chop_cells
from rich.color import Color as RichColour
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from workbench.text import literal

Span = tuple[str, str]
Line = list[Span]

# ink → (variable of its colour, of its background, attributes); an empty name: the widget's own
INKS: dict[str, tuple[str, str, str]] = {
    "text": ("", "", ""),
    "quiet": ("quiet", "", ""),
    "strong": ("", "", "bold"),
    "title": ("primary", "", "bold"),
    "good": ("good", "", ""),
    "bad": ("bad", "", ""),
    "warn": ("warn", "", ""),
    "accent": ("primary", "", ""),
    "base": ("base", "", "bold"),
    "tuned": ("tuned", "", "bold"),
    "special": ("special", "", ""),
    "train": ("train", "", ""),
    "smooth": ("smooth", "", ""),
    "eval": ("eval", "", ""),
    "frame": ("frame", "", ""),
    "key": ("primary", "", "bold"),
    "even": ("primary", "", ""),
    "odd": ("tuned", "", ""),
    "cursor": ("block-cursor-foreground", "block-cursor-background", ""),
    "cursor-blurred": ("block-cursor-blurred-foreground", "block-cursor-blurred-background", ""),
    "column": ("primary", "", "bold underline"),
    "tab": ("block-cursor-foreground", "block-cursor-background", "bold"),
    "chosen": ("", "", "bold reverse"),
    "removed": ("bad", "", "bold underline"),  # of two texts only in the first
    "added": ("good", "", "bold underline"),
}
# What a token is for, told apart by more than colour; every other one stands on another ground.
INKS |= {
    name + odd: (colour, "field" if odd else "", attributes)
    for name, colour, attributes in (
        ("context", "quiet", ""),
        ("trained", "good", "underline"),
        ("truncated", "bad", "strike"),
        ("token-special", "special", "bold"),
        ("token-special-trained", "special", "bold underline"),
    )
    for odd in ("", "-odd")
}
# How likely a token was, told apart by more than colour: below one half it is underlined.
INKS |= {
    "token-sure": ("", "", ""),
    "token-likely": ("primary", "", ""),
    "token-unsure": ("warn", "", "underline"),
    "token-doubtful": ("bad", "", "bold underline"),
    "token-here": ("block-cursor-foreground", "block-cursor-background", "bold"),
    "begun": ("quiet", "", "italic"),
}
LONGEST = 100_000  # characters of one text that are laid out; the rest is counted


def cells(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def clip(line: Line, width: int) -> Line:
    """The line, cut with an ellipsis where it is wider than `width` cells."""
    if cells(line) <= width:
        return line
    kept: Line = []
    left = width - 1
    for text, ink in line:
        wide = cell_len(text)
        if wide <= left:
            kept.append((text, ink))
            left -= wide
            continue
        piece = chop_cells(text, left)[0] if left > 0 and text else ""
        if cell_len(piece) > left:
            piece = ""
        kept.append((piece + "…", ink))
        break
    return kept if width > 0 else []


def pad(line: Line, width: int) -> Line:
    """The line, exactly `width` cells wide."""
    line = clip(line, width)
    return [*line, (" " * (width - cells(line)), "text")]


def spread(left: Line, right: Line, width: int) -> Line:
    """One line with something at each end; the right end gives way."""
    room = width - cells(left)
    if room < 3:
        return clip(left, width)
    right = clip(right, room - 1)
    return [*left, (" " * (room - cells(right)), "text"), *right]


def wrap(text: str, width: int, ink: str = "text") -> list[Line]:
    """A text from anywhere, literal, broken at spaces into lines of at most `width` cells."""
    width = max(1, width)
    rest = len(text) - LONGEST
    lines: list[Line] = []
    for paragraph in literal(text[:LONGEST]).split("\n"):
        lines.extend([(piece, ink)] for piece in broken(paragraph, width))
    if rest > 0:
        lines.append([(f"… {rest:,} more characters", "quiet")])
    return lines


def broken(paragraph: str, width: int) -> Iterator[str]:
    if cell_len(paragraph) <= width:
        yield paragraph
        return
    current, used = "", 0
    for word in paragraph.split(" "):
        wide = cell_len(word)
        if current and used + 1 + wide <= width:
            current, used = f"{current} {word}", used + 1 + wide
            continue
        if current:
            yield current
        if wide > width:
            *full, last = chop_cells(word, width)
            yield from full
            current, used = last, cell_len(last)
        else:
            current, used = word, wide
    yield current


def listed(pieces: list[Line], width: int) -> list[Line]:
    """Pieces with points between them, broken between two of them rather than within one."""
    lines: list[Line] = [[]]
    for piece in pieces:
        if lines[-1] and cells(lines[-1]) + 3 + cells(piece) > width:
            lines.append([])
        lines[-1] += [*([(" · ", "quiet")] if lines[-1] else []), *piece]
    return [clip(line, width) for line in lines]


def key_lines(keys: list[tuple[str, str]], width: int) -> list[Line]:
    """Keys and what each does."""
    return listed([[(key, "key"), (f" {words}", "quiet")] for key, words in keys], width)


def progress_bar(share: float, width: int, ink: str) -> Line:
    """A thin bar of `width` cells, filled to half a cell."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    full, half = divmod(halves, 2)
    rest = width - full - half
    return [("━" * full + "╸" * half, ink), ("─" * rest, "frame")]


def beside(left: list[Line], right: list[Line], width: int) -> list[Line]:
    """Two blocks side by side, each `width` cells wide."""
    lines = []
    for index in range(max(len(left), len(right))):
        one = left[index] if index < len(left) else []
        other = right[index] if index < len(right) else []
        lines.append([*pad(one, width), (" │ ", "quiet"), *clip(other, width)])
    return lines


def rich_colour(value: str) -> RichColour | None:
    """A theme's colour; none where it is left to the widget (an empty one, or "auto")."""
    with suppress(ColorParseError):
        return Color.parse(value).rich_color
    return None


class Inked(Widget):
    """A widget that draws lines of spans."""

    _inks: dict[str, Style] | None = None

    def ink(self, name: str) -> Style:
        """An ink as a style, on the widget's own background.

        Taken from the theme's variables: twenty component classes a widget would cost more than
        all else in the first paint.
        """
        if self._inks is None:
            self._inks = {}
        if name not in self._inks:
            colour, background, attributes = INKS[name]
            variables = self.app.theme_variables
            colours = Style(
                color=rich_colour(variables.get(colour, "")),
                bgcolor=rich_colour(variables.get(background, "")),
            )
            self._inks[name] = self.rich_style + colours + Style.parse(attributes)
        return self._inks[name]

    def notify_style_update(self) -> None:
        self._inks = None
        super().notify_style_update()

    def strip(self, line: Line, width: int) -> Strip:
        """The line as a strip of exactly `width` cells."""
        segments = [Segment(text, self.ink(ink)) for text, ink in clip(line, width) if text]
        return Strip(segments).adjust_cell_length(width, self.ink("text"))


class Bar(Inked):
    """One or a few fixed lines that do not scroll; only a line that changed is drawn anew."""

    def __init__(self, draw: Callable[[int], list[Line]], id: str | None = None) -> None:
        super().__init__(id=id)
        self.draw = draw
        self.lines: list[Line] = []

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        before, self.lines = self.lines, self.draw(self.size.width)
        for y in range(max(len(before), len(self.lines))):
            if before[y : y + 1] != self.lines[y : y + 1]:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        return self.strip(self.lines[y] if y < len(self.lines) else [], self.size.width)


class Growing(Bar):
    """Fixed lines that take the room that they need; none where there is nothing to say."""

    def redraw(self) -> None:
        super().redraw()
        width = self.size.width or (
            self.parent.size.width if isinstance(self.parent, Widget) else 0
        )
        lines = len(self.draw(width)) if width else 0
        self.styles.height = max(1, lines)
        self.display = lines > 0


class Lines(Inked, ScrollView, can_focus=True):
    """Lines that scroll. `draw(width)` gives all of them; only changed lines are drawn."""

    # Textual takes default styles from the first base alone, so a ScrollView's must be said again.
    DEFAULT_CSS = "Lines { overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; }"

    def __init__(
        self, draw: Callable[[int], list[Line]], id: str | None = None, focusable: bool = True
    ) -> None:
        super().__init__(id=id)
        self.draw = draw
        self.lines: list[Line] = []
        self.can_focus = focusable
        self.drawn_width = -1

    def on_resize(self) -> None:
        if self.scrollable_content_region.width != self.drawn_width:
            self.redraw()

    def redraw(self, to_top: bool = False) -> None:
        width = self.drawn_width = self.scrollable_content_region.width
        if width <= 0:
            return
        before, self.lines = self.lines, self.draw(width)
        if len(before) != len(self.lines):
            self.virtual_size = Size(width, len(self.lines))
        if to_top:
            self.scroll_to(0, 0, animate=False)
        top = round(self.scroll_y)
        for y in range(top, top + self.size.height):
            if before[y : y + 1] != self.lines[y : y + 1]:
                self.refresh(Region(0, y - top, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        index = y + round(self.scroll_y)
        line = self.lines[index] if index < len(self.lines) else []
        return self.strip(line, self.size.width)
