"""Settings by section, each to be changed: all of a session, or those below some of its keys."""

from collections.abc import Iterator

from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.session import Session, SessionError
from workbench.text import literal, one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.setting import Descriptions, Key, change, keys, may_be_missing, shown, turn, value
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap


class SettingsScreen(Sheet):
    """A list of settings, and one field to change the chosen one; `session` is the result."""

    TITLE_TEXT = "Settings"
    HINT = "enter changes a setting · ← → its next value · esc closes"
    DEFAULT_CSS = """
    SettingsScreen Choices { height: 1fr; }
    """
    BINDINGS = [
        Binding("left", "turn(-1)", show=False),
        Binding("right", "turn(1)", show=False),
    ]

    def __init__(self, session: Session, roots: tuple[Key, ...] = (), title: str = "") -> None:
        super().__init__()
        self.TITLE_TEXT = title or self.TITLE_TEXT
        self.session, self.roots = session, roots
        self.keys: list[Key] = []
        self.about = Descriptions()
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        yield Choices(id="settings")
        yield Text(self.describe, id="about")
        field = Field(id="value", disabled=True)
        yield field

    def on_mount(self) -> None:
        self.fill()
        self.query_one(Choices).focus()

    def wanted(self) -> list[Key]:
        """The settings that are shown."""
        return keys(self.session, self.roots)

    def grouped(self) -> list[tuple[str, list[Key]]]:
        """The settings, in the order of `keys`, under a title each few of them."""
        found: list[tuple[str, list[Key]]] = []
        head: Key = ()
        for key in self.keys:
            if key[:-1] != head or not found:
                head = key[:-1]
                words = " · ".join(part.replace("_", " ") for part in head).capitalize()
                found.append((words, []))
            found[-1][1].append(key)
        return found

    def line(self, key: Key) -> Content:
        return Content.assemble(f"  {key[-1]:<30} ", (self.words(key), "bold"))

    def option_of(self, key: Key) -> str:
        """The id of a setting's line."""
        return str(self.keys.index(key))

    def fill(self) -> None:
        """Show the settings; the cursor stays on the same one."""
        choices = self.query_one(Choices)
        before = self.key
        self.keys = self.wanted()
        choices.clear_options()
        number = 0
        for title, group in self.grouped():
            heading = Content.styled(one_line(title, 60), "$primary bold")
            choices.add_option(Option(heading, disabled=True))
            for key in group:
                choices.add_option(Option(self.line(key), id=str(number)))
                number += 1
        at = before if before in self.keys else self.keys[0]
        choices.highlighted = choices.get_option_index(self.option_of(at))

    def words(self, key: Key) -> str:
        found = value(self.session, key)
        if may_be_missing(key):
            return "the session's" if found is None else "its own, below"
        return one_line(shown(found), 60) or "–"

    @property
    def key(self) -> Key | None:
        choices = self.query_one(Choices)
        name = (choices.highlighted_option.id if choices.highlighted_option else "") or ""
        return self.keys[int(name)] if name.isdigit() else None

    def describe(self, width: int) -> list[Line]:
        lines: list[Line] = [[("─" * width, "frame")]]
        if self.problem:
            lines += wrap(self.problem, width, "bad")
        words = self.about.of(self.key) if self.key else ""
        return [*lines, *wrap(words or "As in the library of this name.", width, "quiet")]

    def on_option_list_option_highlighted(self) -> None:
        self.problem = ""
        if self.key:
            found = value(self.session, self.key)
            text = "" if may_be_missing(self.key) else literal(shown(found))
            self.query_one(Field).value = text
        self.query_one(Field).display = bool(self.key)
        self.query_one(Text).redraw()

    def on_option_list_option_selected(self) -> None:
        if self.key and may_be_missing(self.key):
            self.action_turn(1)
            return
        field = self.query_one(Field)
        field.disabled = False
        field.focus()
        field.cursor_position = len(field.value)

    def action_turn(self, by: int) -> None:
        if self.key is None or self.query_one(Field).has_focus:
            return
        if (session := turn(self.session, self.key, by)) is not None:
            self.session = session
            self.fill()

    def on_input_submitted(self, event: Field.Submitted) -> None:
        if not self.key:
            return
        try:
            self.session = change(self.session, self.key, event.value)
        except SessionError as error:
            self.problem = str(error).removeprefix("settings: ")
            self.query_one(Text).redraw()
            return
        self.leave_field()
        self.fill()

    def leave_field(self) -> None:
        self.problem = ""
        choices = self.query_one(Choices)
        choices.focus()
        self.query_one(Field).disabled = True
        self.query_one(Text).redraw()

    def action_close(self) -> None:
        if self.query_one(Field).has_focus:
            self.leave_field()
            self.on_option_list_option_highlighted()
        else:
            self.dismiss("changed")
