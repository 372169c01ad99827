"""A list of things, a line each, with a cursor: drawn on the Line API, so thousands are quick."""

from collections.abc import Callable

from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.ui.widgets.lines import Inked, Line, clip, pad


class Listing(Inked, ScrollView, can_focus=True):
    """`head(width)` stays in view; `item(index, width)` draws one of `count` things."""

    DEFAULT_CSS = "Listing { overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; }"
    BINDINGS = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Moved(Message):
        def __init__(self, listing: "Listing") -> None:
            super().__init__()
            self.listing = listing

    class Chosen(Message):
        def __init__(self, listing: "Listing") -> None:
            super().__init__()
            self.listing = listing

    def __init__(
        self,
        head: Callable[[int], list[Line]],
        item: Callable[[int, int], Line],
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.head, self.item = head, item
        self.count = self.cursor = 0
        self.head_lines: list[Line] = []

    def take(self, count: int) -> None:
        """There are so many things now."""
        self.count = count
        self.cursor = max(0, min(self.cursor, count - 1))
        self.redraw()

    def redraw(self) -> None:
        self.head_lines = self.head(max(1, self.scrollable_content_region.width))
        self.virtual_size = Size(0, len(self.head_lines) + self.count)
        self.keep_in_view()
        self.refresh()

    def on_resize(self) -> None:
        self.redraw()

    @property
    def room(self) -> int:
        return max(1, self.scrollable_content_region.height - len(self.head_lines))

    def move_to(self, index: int) -> None:
        index = max(0, min(index, self.count - 1))
        if index != self.cursor:
            self.cursor = index
            self.keep_in_view()
            self.refresh()
            self.post_message(self.Moved(self))

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

    def action_choose(self) -> None:
        if self.count:
            self.post_message(self.Chosen(self))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y < len(self.head_lines):
            return self.strip(self.head_lines[y], width)
        index = round(self.scroll_y) + y - len(self.head_lines)
        if not 0 <= index < self.count:
            return self.strip([], width)
        line = clip(self.item(index, width), width)
        if index != self.cursor:
            return self.strip(line, width)
        ink = "cursor" if self.has_focus else "cursor-blurred"
        return self.strip([(text, ink) for text, _ in pad(line, width)], width)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
