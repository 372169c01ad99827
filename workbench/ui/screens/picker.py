"""A sheet with a field and a list that follows what is typed."""

from collections.abc import Iterator

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.text import one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap

MOST = 300  # options that are listed; more are found by typing
Item = tuple[str, str, str]  # result, words, words at the end


class Picker(Sheet):
    """The field keeps the focus; ↑ and ↓ go through the list. Subclasses say what is in it."""

    HINT = "type to narrow · ↑ ↓ enter chooses · esc closes"
    DEFAULT_CSS = """
    Picker Choices { height: 1fr; margin: 1 0; }
    """
    BINDINGS = [
        Binding("up", "step(-1)", show=False),
        Binding("down", "step(1)", show=False),
        Binding("pageup", "step(-10)", show=False),
        Binding("pagedown", "step(10)", show=False),
    ]
    placeholder = ""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Item] = []
        self.items: list[Item] = []  # those of `all` that are listed
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        yield Field(placeholder=self.placeholder, id="wanted")
        choices = Choices(id="found")
        choices.can_focus = False
        yield choices
        yield Text(self.draw_note, id="note")

    def on_mount(self) -> None:
        self.query_one(Field).focus()
        self.narrow("")

    def narrow(self, text: str) -> None:
        """Fill the list with what goes with the text."""

    def fill(self, items: list[Item], highlighted: int | None = 0) -> None:
        self.all, self.items = items, items[:MOST]
        choices = self.query_one(Choices)
        room = max(20, choices.scrollable_content_region.width or 70)
        choices.clear_options()
        for index, (_, words, ending) in enumerate(self.items):
            # The words at the end give way to what is chosen, unless that takes all the room.
            end = one_line(ending, max(12, room - 3 - min(cell_len(words), room * 2 // 3)))
            left = one_line(words, max(8, room - cell_len(end) - 2))
            gap = " " * max(1, room - 1 - cell_len(left) - cell_len(end))
            choices.add_option(Option(Content.assemble(left + gap, (end, "$quiet")), id=str(index)))
        choices.highlighted = highlighted if self.items else None
        self.more = len(items) - len(self.items)
        self.query_one("#note", Text).redraw()

    def on_resize(self) -> None:
        """How wide the list is, is known only once it is laid out."""
        self.call_after_refresh(lambda: self.fill(self.all, self.query_one(Choices).highlighted))

    more = 0

    def draw_note(self, width: int) -> list[Line]:
        if self.problem:
            return wrap(self.problem, width, "bad")
        if self.more > 0:
            return wrap(f"… {self.more:,} more; type to narrow the list.", width, "quiet")
        return self.note_lines(width)

    def note_lines(self, width: int) -> list[Line]:  # noqa: ARG002
        return [[]]

    def action_step(self, by: int) -> None:
        choices = self.query_one(Choices)
        if not self.items:
            return
        at = choices.highlighted
        at = (0 if by > 0 else len(self.items) - 1) if at is None else at + by
        choices.highlighted = max(0, min(at, len(self.items) - 1))

    def on_input_changed(self, event: Field.Changed) -> None:
        self.problem = ""
        self.narrow(event.value)

    def on_input_submitted(self) -> None:
        self.enter()

    def enter(self) -> None:
        at = self.query_one(Choices).highlighted
        if at is not None and at < len(self.items):
            self.choose(self.items[at][0])

    def on_option_list_option_selected(self, event: Choices.OptionSelected) -> None:
        self.choose(self.items[int(event.option.id or 0)][0])

    def choose(self, result: str) -> None:
        self.dismiss(result)


class ColumnScreen(Picker):
    """The result is a column's name; of `none` an empty one."""

    placeholder = "a column's name"

    def __init__(
        self, title: str, columns: list[str], types: list[str], chosen: str = "", none: str = ""
    ) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self.columns, self.types, self.chosen, self.none = columns, types, chosen, none

    def narrow(self, text: str) -> None:
        wanted = text.strip().lower()
        items: list[Item] = [("", self.none, "")] if self.none and not wanted else []
        items += [
            (name, ("▸ " if name == self.chosen else "  ") + one_line(name, 60), kind)
            for name, kind in zip(self.columns, self.types, strict=False)
            if wanted in name.lower()
        ]
        names = [item[0] for item in items]
        at = names.index(self.chosen) if self.chosen in names and not wanted else 0
        self.fill(items, at if at < MOST else 0)


class ChoiceScreen(Picker):
    """One of a few words, each with what it is."""

    def __init__(self, title: str, choices: list[tuple[str, str]], chosen: str = "") -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self.choices, self.chosen = choices, chosen

    def narrow(self, text: str) -> None:
        wanted = text.strip().lower()
        items = [
            (name, ("▸ " if name == self.chosen else "  ") + name.replace("_", "/"), words)
            for name, words in self.choices
            if wanted in name
        ]
        names = [item[0] for item in items]
        self.fill(items, names.index(self.chosen) if self.chosen in names else 0)
