"""What a view of many things is made of: a list of them, and below it the chosen one in full."""

from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.ui.inspecting import Look
from workbench.ui.widgets.lines import Line, Lines
from workbench.ui.widgets.listing import Listing


class Listed(Vertical):
    """Subclasses say what the things are, and draw the head, an item and the chosen thing.

    `name` and `one` are the ids of the list and of what is below it.
    """

    DEFAULT_CSS = """
    Listed { height: 1fr; }
    Listed > Listing { height: 3fr; }
    Listed > Lines { height: 2fr; border-top: solid $frame; overflow-x: hidden; }
    Listed > Lines:focus { border-top: solid $primary; }
    """

    def __init__(self, look: Look[Any], name: str, one: str) -> None:
        super().__init__(id=f"{name}-view")
        self.look = look
        self.listing = Listing(self.head, self.item, id=name)
        self.detail = Lines(self.draw, id=one)

    def compose(self) -> ComposeResult:
        yield self.listing
        yield self.detail

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    @property
    def things(self) -> list[Any]:
        raise NotImplementedError

    def head(self, width: int) -> list[Line]:
        raise NotImplementedError

    def item(self, index: int, width: int) -> Line:
        raise NotImplementedError

    def draw(self, width: int) -> list[Line]:
        raise NotImplementedError

    def redraw(self) -> None:
        self.listing.take(len(self.things))
        self.detail.redraw()

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.detail.redraw(to_top=True)
