"""A table of any number of rows: it holds and draws only what is near the view.

Whoever owns it answers `Wanted` with `fill`. Rows stand at positions of a view of the data; the
number that is shown is that of the row in its source. Cells come cut to a width and are shown
literally.
"""

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.protocol import TABLE_COLUMNS, Mark
from workbench.text import one_line
from workbench.ui.widgets.lines import Inked, clip
from workbench.ui.widgets.pages import Pages
from workbench.ui.widgets.widths import Widths

NUMERIC = ("int", "float", "uint", "double", "number", "bool")
HIT = Style(bold=True, underline=True)
# mark → (sign, ink of the sign, ink of the row)
MARKS: dict[Mark, tuple[str, str, str]] = {
    "": (" ", "quiet", "text"),
    "evaluation": ("◇", "eval", "text"),
    "left_out": ("×", "warn", "quiet"),
    "broken": ("!", "bad", "bad"),
}


class Table(Inked, ScrollView, can_focus=True):
    """Positions [0, total) of a view with a cursor; head and row numbers stay in view."""

    DEFAULT_CSS = "Table { overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; }"

    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("left,h", "sideways(-1)", show=False),
        Binding("right,l", "sideways(1)", show=False),
    ]

    class Moved(Message):
        """The cursor is at another position of the view."""

        def __init__(self, row: int, number: int) -> None:
            super().__init__()
            self.row, self.number = row, number

    class Wanted(Message):
        def __init__(self, view: int, first: int, end: int) -> None:
            super().__init__()
            self.view, self.first, self.end = view, first, end

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.names: list[str] = []
        self.numeric: list[bool] = []
        self.total = 0
        self.largest = 0  # row number that there is to show, from 1
        self.cursor = 0
        self.column = 0
        self.first_column = 0
        self.pages = Pages()
        self.widths = Widths()
        self.sorted: tuple[int, bool] | None = None  # column, falling
        self.sought = ""  # what is searched for, in lower case

    # --- what there is -----------------------------------------------------------------------

    def show(self, names: list[str], types: list[str], total: int, cursor: int = 0) -> None:
        """Begin anew with a dataset of `total` rows, of which none is known yet."""
        self.pages = Pages()
        self.first_column = self.column = 0
        self.sorted, self.sought = None, ""
        self.widths = Widths()
        self.name_columns(names, types)
        self.widths.take(self.names, [], 20)
        self.largest = total
        self.place(total, cursor)

    def name_columns(self, names: list[str], types: list[str]) -> None:
        self.names = [one_line(name, 40) for name in names[:TABLE_COLUMNS]]
        self.numeric = [kind.lower().startswith(NUMERIC) for kind in types[:TABLE_COLUMNS]]
        self.column = max(0, min(self.column, len(self.names) - 1))
        self.first_column = min(self.first_column, self.column)

    def turn_to(self, view: int, total: int, cursor: int = 0) -> None:
        """Show another view of the data. What of it was here already is shown at once."""
        self.pages.turn_to(view)
        self.place(total, cursor)

    def place(self, total: int, cursor: int) -> None:
        self.total, self.cursor = total, max(0, min(cursor, total - 1))
        self.measure()
        self.call_after_refresh(self.keep_in_view)
        self.refresh()

    def grow(self, total: int, largest: int = 0) -> None:
        """There are more rows, or fewer; the cursor and the place stay."""
        width = self.number_width
        self.total, self.largest = total, max(largest, self.largest)
        self.cursor = max(0, min(self.cursor, total - 1))
        if self.number_width != width:
            self.measure()
            self.refresh()
        self.virtual_size = Size(0, self.total + 1)
        self.want()

    def renew(self, names: list[str], types: list[str]) -> None:
        """Columns, marks or values may have changed: ask for what is in view again."""
        self.pages.forget()
        self.name_columns(names, types)
        self.measure()
        self.want()
        self.refresh()

    def fill(
        self,
        start: int,
        cells: list[list[str]],
        view: int = 0,
        numbers: list[int] | None = None,
        marks: list[Mark] | None = None,
    ) -> None:
        first = not self.pages.here
        if self.pages.fill(view, start, cells, numbers or [], marks or []):
            if first or self.widths.widen(cells[:1] + cells[-1:], self.numeric):
                self.measure()
            self.refresh()

    def measure(self) -> None:
        room = self.scrollable_content_region.width - self.number_width - 2
        self.widths.take(self.names, self.pages.sample(50), max(20, room))
        self.virtual_size = Size(0, self.total + 1)

    @property
    def number_width(self) -> int:
        return max(3, len(f"{self.largest:,}"))

    @property
    def shown(self) -> int:
        """Rows in view, below the head."""
        return max(1, self.scrollable_content_region.height - 1)

    def on_resize(self) -> None:
        self.measure()
        self.keep_in_view()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.want()

    def want(self) -> None:
        """Ask for the pages in view that are neither here nor on their way."""
        if not self.total or not self.display:
            return
        top = round(self.scroll_y)
        last = min(top + self.shown, self.total - 1)
        for first, end in self.pages.missing(top, last, self.total):
            self.post_message(self.Wanted(self.pages.view, first, end))

    # --- the cursor --------------------------------------------------------------------------

    def move_to(self, row: int) -> None:
        row = max(0, min(row, self.total - 1))
        if row == self.cursor or not self.total:
            return
        before, self.cursor = self.cursor, row
        for one in (before, row):
            self.refresh(Region(0, one - round(self.scroll_y) + 1, self.size.width, 1))
        self.keep_in_view()
        self.post_message(self.Moved(row, self.pages.row(row)[1]))

    def go_to(self, row: int) -> None:
        """As `move_to`, for others to call: a message of ours must not seem to be theirs."""
        self.call_later(self.move_to, row)

    def keep_in_view(self) -> None:
        top = round(self.scroll_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + self.shown:
            self.scroll_to(y=self.cursor - self.shown + 1, animate=False, force=True)
        self.want()

    def action_move(self, by: int) -> None:
        self.move_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        self.move_to(self.cursor + by * self.shown)

    def action_edge(self, end: int) -> None:
        self.move_to(self.total - 1 if end else 0)

    def action_sideways(self, by: int) -> None:
        self.column = max(0, min(self.column + by, len(self.names) - 1))
        self.first_column = min(self.first_column, self.column)
        while self.column not in self.visible_columns():
            self.first_column += 1
        self.refresh()

    def visible_columns(self) -> list[int]:
        """The columns that fit whole, from the first one in view; at least one."""
        room = self.scrollable_content_region.width - self.number_width - 2
        columns: list[int] = []
        for index in range(self.first_column, len(self.names)):
            room -= self.widths[index] + 2
            if room < 0 and columns:
                break
            columns.append(index)
        return columns

    # --- drawing -----------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y == 0:
            return self.head(width)
        row = round(self.scroll_y) + y - 1
        if row >= self.total:
            return Strip.blank(width, self.ink("text"))
        return self.row(row, width)

    def head(self, width: int) -> Strip:
        columns = self.visible_columns()
        before = "‹" if self.first_column else " "
        more = bool(columns) and columns[-1] < len(self.names) - 1
        segments = [Segment(before.rjust(self.number_width) + "  ", self.ink("quiet"))]
        for index in columns:
            here = index == self.column and self.has_focus
            segments.append(
                Segment(
                    " " + self.fit(self.names[index], index),
                    self.ink("column" if here else "title"),
                )
            )
            sign, ink = " ", "quiet"
            if self.sorted and self.sorted[0] == index:
                sign, ink = "▼" if self.sorted[1] else "▲", "accent"
            elif more and index == columns[-1]:
                sign = "›"
            segments.append(Segment(sign, self.ink(ink)))
        return Strip(segments).adjust_cell_length(width, self.ink("text"))

    def row(self, row: int, width: int) -> Strip:
        chosen = row == self.cursor
        cells, number, mark = self.pages.row(row)
        sign, sign_ink, row_ink = MARKS[mark]
        cursor = "cursor" if self.has_focus else "cursor-blurred"
        base = self.ink(cursor if chosen else row_ink)
        name = f"{number + 1:,}" if number >= 0 else "…"
        segments = [
            Segment(name.rjust(self.number_width), base if chosen else self.ink("quiet")),
            Segment(sign, base if chosen else self.ink(sign_ink)),
            Segment("▸" if chosen else " ", base),
        ]
        if cells is None:
            segments.append(Segment(" …", base if chosen else self.ink("quiet")))
        elif mark == "broken":
            room = max(1, width - self.number_width - 3)
            text = "".join(part for part, _ in clip([(" ".join(cells), "")], room))
            segments.append(Segment(" " + (text or "(nothing)"), base))
        else:
            for index in self.visible_columns():
                cell = cells[index] if index < len(cells) else ""
                segments += self.cell(f" {self.fit(cell, index)} ", base)
        return Strip(segments).adjust_cell_length(width, base)

    def cell(self, text: str, base: Style) -> list[Segment]:
        """A cell's text, with what is searched for made to stand out."""
        folded = text.lower()
        if not self.sought or len(folded) != len(text):  # where a letter folds into two: no places
            return [Segment(text, base)]
        segments, end = [], 0
        while (at := folded.find(self.sought, end)) >= 0:
            segments.append(Segment(text[end:at], base))
            end = at + len(self.sought)
            segments.append(Segment(text[at:end], base + HIT))
        return [*segments, Segment(text[end:], base)]

    def fit(self, cell: str, index: int) -> str:
        width = self.widths[index]
        text = "".join(part for part, _ in clip([(cell, "")], width))
        gap = " " * (width - cell_len(text))
        return gap + text if index < len(self.numeric) and self.numeric[index] else text + gap

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
