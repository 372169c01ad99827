"""A pane: a frame with a title. What is in it comes after the first paint."""

from textual.containers import Vertical
from textual.content import Content

from workbench.text import one_line


class Pane(Vertical):
    """`pane` is its name, as in a session's layout."""

    def __init__(self, pane: str) -> None:
        super().__init__(id=pane)
        self.pane = pane
        self.named: tuple[str, str] | None = None
        self.name_it()

    def name_it(self, title: str = "", subtitle: str = "") -> None:
        """Text from anywhere in the frame, literally; `title` follows the pane's own name."""
        if self.named == (title, subtitle):
            return  # setting a title draws the whole pane anew
        self.named = (title, subtitle)
        name = self.pane.capitalize()
        self.border_title = Content(f"{name} · {one_line(title, 80)}" if title else name)
        self.border_subtitle = Content(one_line(subtitle, 120)) if subtitle else None
