"""A table of any number of rows: it holds and draws only what is near the view.

Whoever owns it answers `Wanted` with `fill`. Cells come cut to a width and are shown literally.
"""

from collections import OrderedDict

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.text import one_line
from workbench.ui.widgets.lines import Inked, clip

PAGE = 100  # rows that are asked for together
PAGES = 60  # kept
CELL = 200  # characters of a cell that are asked for
WIDEST, NARROWEST = 60, 6
NUMERIC = ("int", "float", "uint", "double", "number", "bool")


def column_widths(names: list[str], sample: list[list[str]], room: int) -> list[int]:
    """Widths of the columns, in cells: as the sample needs, the widest giving way or taking up.

    Where even narrow columns do not fit, they keep their width and the table scrolls sideways.
    """
    widths = []
    for index, name in enumerate(names):
        seen = sorted(cell_len(row[index]) for row in sample if index < len(row))
        usual = seen[len(seen) * 9 // 10] if seen else 0
        widths.append(max(NARROWEST, cell_len(name), min(usual, 4 * WIDEST)))
    if not widths:
        return widths
    over = sum(widths) + 2 * len(widths) - room
    while over > 0 and max(widths) > 16:
        widest = widths.index(max(widths))
        second = max([one for i, one in enumerate(widths) if i != widest], default=0)
        cut = min(over, widths[widest] - max(16, min(second, widths[widest] - 1)))
        widths[widest] -= max(1, cut)
        over = sum(widths) + 2 * len(widths) - room
    if over < 0:
        widths[widths.index(max(widths))] -= over
    return widths


class Table(Inked, ScrollView, can_focus=True):
    """Rows [0, total) with a cursor row; the head and the row numbers stay in view."""

    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("left", "sideways(-1)", show=False),
        Binding("right", "sideways(1)", show=False),
    ]

    class Moved(Message):
        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    class Wanted(Message):
        def __init__(self, first: int, end: int) -> None:
            super().__init__()
            self.first, self.end = first, end

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.names: list[str] = []
        self.numeric: list[bool] = []
        self.total = 0
        self.cursor = 0
        self.pages: OrderedDict[int, list[list[str]]] = OrderedDict()
        self.asked: set[int] = set()
        self.widths: list[int] = []
        self.first_column = 0

    def show(self, names: list[str], types: list[str], total: int, cursor: int = 0) -> None:
        """Begin anew with a dataset of `total` rows, of which none is known yet."""
        self.names = [one_line(name, 40) for name in names]
        self.numeric = [kind.lower().startswith(NUMERIC) for kind in types]
        self.total, self.cursor, self.first_column = total, max(0, min(cursor, total - 1)), 0
        self.pages.clear()
        self.asked.clear()
        self.widths = []
        self.measure()
        self.call_after_refresh(self.keep_in_view)
        self.refresh()

    def fill(self, start: int, cells: list[list[str]]) -> None:
        page = start // PAGE
        first = not self.pages
        self.pages[page] = [[one_line(cell, CELL) for cell in row] for row in cells]
        self.asked.discard(page)
        while len(self.pages) > PAGES:
            self.pages.popitem(last=False)
        if first:
            self.measure()
        self.refresh()

    def measure(self) -> None:
        sample = next(iter(self.pages.values()), [])
        room = self.scrollable_content_region.width - self.number_width - 1
        self.widths = column_widths(self.names, sample[:50], max(20, room))
        self.virtual_size = Size(0, self.total + 1)

    @property
    def number_width(self) -> int:
        return max(3, len(f"{self.total:,}"))

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
        if not self.total:
            return
        top = round(self.scroll_y)
        for page in range(top // PAGE, min(top + self.shown, self.total - 1) // PAGE + 1):
            if page in self.pages:
                self.pages.move_to_end(page)
            elif page not in self.asked:
                self.asked.add(page)
                self.post_message(self.Wanted(page * PAGE, min(self.total, page * PAGE + PAGE)))

    def move_to(self, row: int) -> None:
        row = max(0, min(row, self.total - 1))
        if row == self.cursor or not self.total:
            return
        before, self.cursor = self.cursor, row
        for one in (before, row):
            self.refresh(Region(0, one - round(self.scroll_y) + 1, self.size.width, 1))
        self.keep_in_view()
        self.post_message(self.Moved(row))

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
        last = len(self.names) - 1
        if by > 0 and self.visible_columns()[-1:] == [last]:
            return
        self.first_column = max(0, min(self.first_column + by, last))
        self.refresh()

    def visible_columns(self) -> list[int]:
        """The columns that fit whole, from the first one in view; at least one."""
        room = self.scrollable_content_region.width - self.number_width - 1
        columns: list[int] = []
        for index in range(self.first_column, len(self.widths)):
            room -= self.widths[index] + 2
            if room < 0 and columns:
                break
            columns.append(index)
        return columns

    def cells_of(self, row: int) -> list[str] | None:
        page = self.pages.get(row // PAGE)
        return page[row % PAGE] if page and row % PAGE < len(page) else None

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
        after = "›" if columns and columns[-1] < len(self.names) - 1 else ""
        segments = [Segment(before.rjust(self.number_width) + " ", self.ink("quiet"))]
        for index in columns:
            segments.append(Segment(" " + self.fit(self.names[index], index), self.ink("title")))
            segments.append(
                Segment(after if after and index == columns[-1] else " ", self.ink("quiet"))
            )
        return Strip(segments).adjust_cell_length(width, self.ink("text"))

    def row(self, row: int, width: int) -> Strip:
        chosen = row == self.cursor
        base = self.ink(("cursor" if self.has_focus else "cursor-blurred") if chosen else "text")
        number = self.ink("quiet") if not chosen else base
        mark = "▸" if chosen else " "
        segments = [Segment(f"{row + 1:,}".rjust(self.number_width) + mark, number)]
        cells = self.cells_of(row)
        if cells is None:
            segments.append(Segment(" …", base if chosen else self.ink("quiet")))
        else:
            for index in self.visible_columns():
                cell = cells[index] if index < len(cells) else ""
                segments.append(Segment(f" {self.fit(cell, index)} ", base))
        return Strip(segments).adjust_cell_length(width, base)

    def fit(self, cell: str, index: int) -> str:
        width = self.widths[index]
        text = "".join(part for part, _ in clip([(cell, "")], width))
        gap = " " * (width - cell_len(text))
        return gap + text if index < len(self.numeric) and self.numeric[index] else text + gap

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
