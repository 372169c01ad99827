"""A pane: a frame with a title, filled after the first paint."""

from textual.containers import Vertical
from textual.content import Content

from workbench.text import one_line


class Pane(Vertical):
    """`id` is the pane's name, as in a session's layout."""

    TITLE = ""

    def __init__(self) -> None:
        super().__init__(id=self.TITLE.lower())
        self.name_it()

    def name_it(self, title: str = "", subtitle: str = "") -> None:
        """Text from anywhere in the frame, literally; `title` follows the pane's own name."""
        name = f" {self.TITLE} · {one_line(title, 80)} " if title else f" {self.TITLE} "
        self.border_title = Content(name)
        self.border_subtitle = Content(f" {one_line(subtitle, 120)} ") if subtitle else None

    async def fill(self) -> None:
        """Mount what the pane is made of."""

    def go(self) -> None:
        """Take the focus where the person works in this pane."""
