"""A text editor that shows the variables of a template in a colour of their own."""

import re

from rich.text import Text
from textual.widgets import TextArea

from workbench.text import UNSAFE

JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
NAME = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)")


class Editor(TextArea):
    """Soft wrapped, no blinking cursor, a tab goes to the next field."""

    DEFAULT_CSS = """
    Editor { border: none; border-left: wide $frame; background: $field; height: 1fr;
        padding: 0 0 0 1; }
    Editor:focus { border: none; border-left: wide $primary; background: $field; }
    Editor .editor--variable { color: $special; text-style: bold; }
    Editor .editor--unknown { color: $bad; text-style: underline; }
    Editor .editor--statement { color: $quiet; }
    """
    COMPONENT_CLASSES = {"editor--variable", "editor--unknown", "editor--statement"}

    def __init__(self, id: str | None = None, placeholder: str = "") -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            placeholder=placeholder,
            highlight_cursor_line=False,
        )
        self.match_cursor_bracket = False
        self.cursor_blink = False
        self.columns: set[str] | None = None  # known variables; None: not known yet

    def on_show(self) -> None:
        # Hidden, it is wrapped anew for a screen of another width, but drawn as it was before.
        self.call_after_refresh(self.refresh)

    def know(self, columns: list[str] | None) -> None:
        self.columns = None if columns is None else set(columns)
        self._line_cache.clear()
        self.refresh()

    def get_line(self, line_index: int) -> Text:
        # A control character takes one place, as in the document, but is not sent to the terminal.
        plain = UNSAFE.sub(
            lambda match: chr(0x2400 + ord(match[0])) if match[0] < " " else "·",
            self.document.get_line(line_index),
        )
        line = Text(plain, end="", no_wrap=True)
        for match in JINJA.finditer(plain):
            kind = "statement"
            if match[0].startswith("{{"):
                name = NAME.match(match[0])
                known = self.columns is None or (name is not None and name[1] in self.columns)
                kind = "variable" if known else "unknown"
            style = self.get_component_rich_style(f"editor--{kind}", partial=True)
            line.stylize(style, *match.span())
        return line

    def put(self, text: str) -> None:
        """Show a text that is not the person's edit; the cursor stays where it can."""
        if text != self.text:
            self.load_text(text)
