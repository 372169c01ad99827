"""A field above the rows: what to search for, a filter, a row's number; its error stands below."""

from collections.abc import Callable
from typing import Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message

from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, Lines, wrap

Kind = Literal["search", "filter", "row-number"]
HINTS: dict[Kind, str] = {
    "search": "text to look for in any column · enter keeps, esc ends",
    "filter": "rating > 1 and label = 'positive' · enter filters, esc ends",
    "row-number": "row number, then enter",
}


class AskField(Field):
    BINDINGS = [
        Binding("escape", "leave", show=False),
        Binding("down", "enter", show=False),
    ]

    def action_leave(self) -> None:
        self.post_message(Ask.Left(self.asker, kept=False))

    async def action_enter(self) -> None:
        """Down from the field to the rows."""
        self.post_message(Ask.Left(self.asker, kept=True))

    @property
    def asker(self) -> "Ask":
        assert isinstance(self.parent, Ask)
        return self.parent


class Ask(Vertical):
    DEFAULT_CSS = "Ask { height: auto; } Ask > Lines { height: auto; overflow: hidden; }"

    class Typed(Message):
        def __init__(self, ask: "Ask", text: str) -> None:
            super().__init__()
            self.kind, self.text = ask.kind, text

    class Entered(Message):
        def __init__(self, ask: "Ask", text: str) -> None:
            super().__init__()
            self.kind, self.text = ask.kind, text

    class Left(Message):
        """The field is left; `kept`: what was typed stands."""

        def __init__(self, ask: "Ask", kept: bool) -> None:
            super().__init__()
            self.kind, self.kept = ask.kind, kept

    def __init__(self, kind: Kind, value: str, hint: str, problem: Callable[[], str]) -> None:
        super().__init__()
        self.kind, self.problem = kind, problem
        self.field = AskField(
            value,
            id=kind,
            type="integer" if kind == "row-number" else "text",
            placeholder=hint,
            select_on_focus=False,
        )
        self.error = Lines(self.draw, focusable=False)

    def compose(self) -> ComposeResult:
        yield self.field
        yield self.error

    def on_mount(self) -> None:
        self.field.cursor_position = len(self.field.value)
        self.redraw()

    def redraw(self) -> None:
        width = self.size.width or 40
        self.error.display = bool(self.problem())
        self.error.styles.height = max(1, len(self.draw(width)))
        self.error.call_after_refresh(self.error.redraw)

    def draw(self, width: int) -> list[Line]:
        problem = self.problem()
        return wrap("✗ " + problem, width, "bad")[:4] if problem else []

    def on_input_changed(self, event: Field.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self, event.value))

    def on_input_submitted(self, event: Field.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered(self, event.value))
