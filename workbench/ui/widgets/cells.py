"""A grid of answers: a line a row, a column a variant, drawn on the Line API.

What is in it, is asked for cell by cell as it comes into view; knows nothing of measurements.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.ui.widgets.lines import Inked, Line, clip, pad

NARROWEST = 16  # cells of an answer, below which the grid scrolls sideways
EXPECTED = 16  # cells that the expected answer takes at most


@dataclass
class Cell:
    sign: str
    ink: str
    text: str


class Cells(Inked, ScrollView, can_focus=True):
    """Two lines of head stay in view, and so do a row's number and what was expected of it."""

    DEFAULT_CSS = "Cells { overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; }"
    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("left,h", "sideways(-1)", show=False),
        Binding("right,l", "sideways(1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Chosen(Message):
        pass

    class Moved(Message):
        pass

    def __init__(
        self,
        heads: Callable[[int], tuple[Line, Line]],
        row: Callable[[int], tuple[str, str]],
        cell: Callable[[int, int], Cell],
        id: str | None = None,
    ) -> None:
        """`heads(column)`: name and figure; `row(index)`: number and what was expected;
        `cell(index, column)`: the answer."""
        super().__init__(id=id)
        self.heads, self.row_of, self.cell_of = heads, row, cell
        self.count = self.columns = 0
        self.cursor = self.column = self.first_column = 0
        self.expected = 0  # cells that the longest expected answer takes

    def take(self, count: int, columns: int) -> None:
        """There are so many rows and columns now."""
        self.count, self.columns = count, columns
        self.cursor = max(0, min(self.cursor, count - 1))
        self.column = max(0, min(self.column, columns - 1))
        self.first_column = min(self.first_column, self.column)
        sample = range(min(count, 200))
        self.expected = min(
            EXPECTED, max((cell_len(self.row_of(one)[1]) for one in sample), default=0)
        )
        self.virtual_size = Size(0, count + self.top)
        self.keep_in_view()
        self.refresh()

    def changed(self, indexes: list[int]) -> None:
        """The answers to some rows came: only the head and what of them is in view is drawn."""
        first = round(self.scroll_y)
        for y in range(self.top):
            self.refresh(Region(0, y, self.size.width, 1))
        for index in set(indexes):
            y = index - first + self.top
            if self.top <= y < self.size.height:
                self.refresh(Region(0, y, self.size.width, 1))

    # --- geometry ----------------------------------------------------------------------------

    top = 2  # lines of head

    @property
    def room(self) -> int:
        return max(1, self.scrollable_content_region.height - self.top)

    @property
    def number_width(self) -> int:
        return 7

    @property
    def left(self) -> int:
        return self.number_width + (max(8, self.expected) + 2 if self.expected else 0)

    @property
    def in_view(self) -> int:
        """Columns that fit."""
        wide = self.scrollable_content_region.width - self.left
        return max(1, min(self.columns, wide // (NARROWEST + 2)))

    @property
    def cell_width(self) -> int:
        wide = self.scrollable_content_region.width - self.left
        return max(4, wide // self.in_view - 2)

    def on_resize(self) -> None:
        self.take(self.count, self.columns)

    # --- the cursor --------------------------------------------------------------------------

    def move_to(self, index: int) -> None:
        index = max(0, min(index, self.count - 1))
        if index == self.cursor:
            return
        before, self.cursor = self.cursor, index
        self.keep_in_view()
        self.changed([before, index])
        self.post_message(self.Moved())

    def keep_in_view(self) -> None:
        top = round(self.scroll_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + self.room:
            self.scroll_to(y=self.cursor - self.room + 1, animate=False, force=True)

    def action_move(self, by: int) -> None:
        self.move_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        self.move_to(self.cursor + by * self.room)

    def action_edge(self, end: int) -> None:
        self.move_to(self.count - 1 if end else 0)

    def action_sideways(self, by: int) -> None:
        self.column = max(0, min(self.column + by, self.columns - 1))
        self.first_column = min(self.first_column, self.column)
        self.first_column = max(self.first_column, self.column - self.in_view + 1)
        self.refresh()
        self.post_message(self.Moved())

    def action_choose(self) -> None:
        if self.count:
            self.post_message(self.Chosen())

    # --- drawing -----------------------------------------------------------------------------

    def shown_columns(self) -> range:
        return range(self.first_column, min(self.columns, self.first_column + self.in_view))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y < self.top:
            return self.strip(self.head(y) if self.columns else [], width)
        index = round(self.scroll_y) + y - self.top
        if index >= self.count:
            return self.strip([], width)
        return self.line(index, width)

    def head(self, y: int) -> Line:
        before = "‹" if self.first_column and not y else ""
        words = before + ("row" if not y else "")
        line: Line = [(words.rjust(self.number_width - 1) + " ", "quiet")]
        if self.expected:
            words = " expected" if not y else ""
            line.append((words.ljust(self.left - self.number_width), "quiet"))
        for column in self.shown_columns():
            line += [(" ", "text"), *pad(self.heads(column)[y], self.cell_width), (" ", "text")]
        if self.shown_columns().stop < self.columns and not y:
            line[-1] = ("›", "quiet")
        return line

    def line(self, index: int, width: int) -> Strip:
        chosen = index == self.cursor
        number, expected = self.row_of(index)
        ink = "strong" if chosen else "quiet"
        sign = "▸" if chosen else " "
        parts: Line = [(number.rjust(self.number_width - 1) + sign, ink)]
        if self.expected:
            wide = self.left - self.number_width - 2
            parts += [(" ", "text"), *pad([(expected, ink)], wide), (" ", "text")]
        segments = [Segment(text, self.ink(name)) for text, name in parts]
        for column in self.shown_columns():
            cell = self.cell_of(index, column)
            here = chosen and column == self.column
            room = self.cell_width - cell_len(cell.sign) - 1
            body: Line = [(cell.sign, cell.ink), (" ", "text"), *pad([(cell.text, "text")], room)]
            if here:
                ink = "cursor" if self.has_focus else "cursor-blurred"
                body = [(text, ink) for text, _ in body]
            for text, name in [(" ", "text"), *clip(body, self.cell_width), (" ", "text")]:
                segments.append(Segment(text, self.ink(name)))
        return Strip(segments).adjust_cell_length(width, self.ink("text"))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
