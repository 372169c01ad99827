"""A one-line field and a list of choices, in the app's own plain looks."""

from typing import Any

from textual.widgets import Input, OptionList


class Field(Input):
    """The cursor does not blink: an idle screen sends nothing."""

    DEFAULT_CSS = """
    Field { border: none; border-left: wide $frame; background: $field; height: 1;
        padding: 0 0 0 1; }
    Field:focus { border: none; border-left: wide $primary; background: $field; height: 1; }
    """

    def __init__(self, value: str = "", **arguments: Any) -> None:
        super().__init__(value, **arguments)
        self.cursor_blink = False


class Choices(OptionList):
    """A list to choose from; its options are contents, never markup."""

    DEFAULT_CSS = """
    Choices { border: none; background: $background; height: 1fr; padding: 0;
        scrollbar-gutter: stable; }
    Choices:focus { border: none; background-tint: $background 0%; }
    Choices > .option-list--option-highlighted {
        background: $block-cursor-blurred-background; }
    Choices:focus > .option-list--option-highlighted {
        background: $block-cursor-background; color: $block-cursor-foreground;
        text-style: bold; }
    """
