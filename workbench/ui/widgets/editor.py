"""A text editor that knows Jinja: what it colours, what it suggests, what it underlines."""

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.widgets import TextArea

from workbench.protocol import Advice
from workbench.text import UNSAFE
from workbench.ui import completing, jinja

if TYPE_CHECKING:
    from workbench.ui.widgets.suggestions import Suggestions

KINDS = ("variable", "unknown", "statement", "delimiter", "filter", "string", "comment", "error")
CLOSERS = ("escape", "left", "right", "home", "end", "pageup", "pagedown", "ctrl+z", "ctrl+y")


class Editor(TextArea):
    """Soft wrapped, no blinking cursor, a tab goes to the next field. `plain`: no template."""

    DEFAULT_CSS = """
    Editor { border: none; border-left: wide $frame; background: $field; height: 1fr;
        padding: 0 0 0 1; }
    Editor:focus { border: none; border-left: wide $primary; background: $field; }
    Editor .editor--variable { color: $special; text-style: bold; }
    Editor .editor--unknown { color: $bad; text-style: underline; }
    Editor .editor--statement { color: $primary; text-style: bold; }
    Editor .editor--delimiter { color: $quiet; }
    Editor .editor--filter { color: $primary; }
    Editor .editor--string { color: $good; }
    Editor .editor--comment { color: $quiet; text-style: italic; }
    Editor .editor--error { color: $bad; text-style: bold underline; }
    Editor .editor--bad { color: $bad; text-style: underline; }
    Editor .editor--warn { text-style: underline; }
    Editor .editor--note { text-style: underline; }
    """
    BINDINGS = [
        Binding("ctrl+home", "edge(False)", show=False),
        Binding("ctrl+end", "edge(True)", show=False),
    ]
    COMPONENT_CLASSES = {f"editor--{kind}" for kind in (*KINDS, "bad", "warn", "note")}

    def __init__(self, id: str | None = None, placeholder: str = "", plain: bool = False) -> None:
        self.plain = plain
        self.columns: list[str] | None = None  # known variables; None: not known yet
        self.names: frozenset[str] | None = None
        self.marks: dict[int, list[tuple[int, str, str]]] = {}  # line → column, text, severity
        # line → column, end, kind; None: not read yet
        self.spans: dict[int, list[tuple[int, int, str]]] | None = None
        self.styles_kept: dict[str, Style] = {}
        self.list: Suggestions | None = None
        self.typed = 0  # characters before the cursor that a suggestion replaces
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

    def on_show(self) -> None:
        # Hidden, it is wrapped anew for a screen of another width, but drawn as it was before.
        self.call_after_refresh(self.refresh)

    def know(self, columns: list[str] | None) -> None:
        if columns != self.columns:
            self.columns = columns
            self.names = None if columns is None else frozenset(columns)
            self.draw_anew()

    def mark(self, advice: list[Advice]) -> None:
        """Underline the places of these; each stays for as long as its text stands there."""
        marks: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
        for one in advice:
            if 0 <= one.line < self.document.line_count and one.length > 0:
                line = self.document.get_line(one.line)
                text = line[one.column : one.column + one.length]
                marks[one.line].append((one.column, text, one.severity))
        if marks != self.marks:
            self.marks = dict(marks)
            self.draw_anew()

    def draw_anew(self) -> None:
        self.spans = None
        self._line_cache.clear()
        self.refresh()

    def put(self, text: str) -> None:
        """Show a text that is not the person's edit; the cursor stays where it can."""
        if text != self.text:
            self.marks = {}
            self.load_text(text)

    def action_edge(self, end: bool) -> None:
        """The beginning or the end of the text."""
        self.move_cursor(self.document.end if end else (0, 0))

    # --- drawing -----------------------------------------------------------------------------

    def get_line(self, line_index: int) -> Text:
        # A control character takes one place, as in the document, but is not sent to the terminal.
        plain = UNSAFE.sub(
            lambda match: chr(0x2400 + ord(match[0])) if match[0] < " " else "·",
            self.document.get_line(line_index),
        )
        line = Text(plain, end="", no_wrap=True)
        for column, end, kind in self.spans_of(line_index):
            line.stylize(self.style_of(kind), column, end)
        for column, text, severity in self.marks.get(line_index, ()):
            if plain.startswith(text, column):
                line.stylize(self.style_of(severity), column, column + len(text))
        return line

    def style_of(self, kind: str) -> Style:
        """A kind's style; kept, since working it out costs more than all else in a line."""
        if kind not in self.styles_kept:
            style = self.get_component_rich_style(f"editor--{kind}", partial=True)
            self.styles_kept[kind] = style
        return self.styles_kept[kind]

    def notify_style_update(self) -> None:
        self.styles_kept.clear()
        super().notify_style_update()

    def spans_of(self, line_index: int) -> list[tuple[int, int, str]]:
        if self.plain:
            return []
        if self.spans is None:
            text = self.text
            self.spans = by_line(text, jinja.read(text, self.names)) if "{" in text else {}
        return self.spans.get(line_index, [])

    def _build_highlight_map(self) -> None:
        self.spans = None  # the text is another one
        super()._build_highlight_map()

    # --- what may come at the cursor -----------------------------------------------------------

    async def _on_key(self, event: events.Key) -> None:
        if self.list and self.list.open and self.press(self.list, event.key):
            event.stop()
            event.prevent_default()
            return
        before = self.text if not self.plain else ""
        await super()._on_key(event)
        typed = event.is_printable or event.key == "backspace"
        if not self.plain and typed and (self.text != before or event.key == "backspace"):
            self.call_later(self.suggest)

    def press(self, shown: "Suggestions", key: str) -> bool:
        """A key while the list is open. False where it is the editor's own."""
        if key in ("tab", "enter"):
            self.take(shown)
        elif key in ("up", "down"):
            shown.move(1 if key == "down" else -1)
            return True
        elif key not in CLOSERS:
            return False
        shown.close()
        return key in ("tab", "enter", "escape")

    def suggest(self) -> None:
        """Show what may come at the cursor, or close the list."""
        row, column = self.cursor_location
        found = None
        if self.columns is not None and self.has_focus and self.selection.is_empty:
            before = self.document.lines[:row]
            offset = sum(map(len, before)) + row * len(self.document.newline) + column
            found = completing.choices_at(self.text, offset, self.columns)
        if found is None:
            if self.list:
                self.list.close()
            return
        if self.list is None or not self.list.is_attached:
            from workbench.ui.widgets.suggestions import Suggestions

            self.list = Suggestions()
            self.screen.mount(self.list)
        self.typed = found.typed
        self.list.show(found.choices, self.cursor_screen_offset)

    def take(self, shown: "Suggestions") -> None:
        row, column = self.cursor_location
        self.replace(shown.chosen.insert, (row, column - self.typed), (row, column))

    def on_blur(self) -> None:
        if self.list:
            self.list.close()


def by_line(text: str, spans: tuple[jinja.Span, ...]) -> dict[int, list[tuple[int, int, str]]]:
    """Spans of a text by its lines; one over several lines is cut at their ends."""
    found: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    start, lines, at = 0, text.split("\n"), 0
    for span in spans:
        while at + 1 < len(lines) and start + len(lines[at]) < span.start:
            start += len(lines[at]) + 1
            at += 1
        line, begin = at, start
        while line < len(lines) and begin < span.end:
            first, last = max(0, span.start - begin), min(len(lines[line]), span.end - begin)
            if last > first:
                found[line].append((first, last, span.kind))
            begin += len(lines[line]) + 1
            line += 1
    return found
