"""All settings of the session by section, each to be changed.

A value is checked as the session's file is: by the same types, with the same sentences.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench import session as sessions
from workbench.session import Session, SessionError
from workbench.text import literal, one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap

SECTIONS = ("model", "dataset", "generation", "evaluation", "training")
Key = tuple[str, str]  # section, name


def keys(session: Session) -> list[Key]:
    found = [
        (section, field.name)
        for section in SECTIONS
        for field in msgspec.structs.fields(getattr(session, section))
    ]
    return [("prompt", "name"), *found, ("session", "description")]


def value(session: Session, key: Key) -> Any:
    section, name = key
    if section == "prompt":
        return session.prompt().name
    return getattr(session if section == "session" else getattr(session, section), name)


def shown(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def change(session: Session, key: Key, text: str) -> Session:
    """The session with one setting as typed.

    Raises:
        SessionError: what was expected, as for the session's file.
    """
    section, name = key
    before = value(session, key)
    new: Any = text
    if isinstance(before, list):
        new = [part.strip() for part in text.split(",") if part.strip()]
    elif not isinstance(before, str):
        try:
            new = tomllib.loads(f"value = {text.strip().replace(',', '')}")["value"]
        except tomllib.TOMLDecodeError:
            new = text
    if section == "prompt":
        changed = session.with_prompt(msgspec.structs.replace(session.prompt(), name=text.strip()))
        document = msgspec.to_builtins(changed)
    else:
        document = msgspec.to_builtins(session)
        (document if section == "session" else document[section])[name] = new
    try:
        msgspec.convert(document, Session)
    except msgspec.ValidationError as error:
        raise SessionError(sessions.explain(str(error), document)) from None
    import tomli_w

    return sessions.loads(tomli_w.dumps(document), "settings")


def descriptions() -> dict[Key, str]:
    """What each setting is: its description, and the values that it may have."""
    found: dict[Key, str] = {("prompt", "name"): "The name of the wording in use."}
    definitions = sessions.schema()["$defs"]
    for section in SECTIONS:
        struct = f"{section.capitalize()}Settings"
        for name, field in definitions[struct]["properties"].items():
            words = [str(field.get("description", ""))]
            if "enum" in field:
                words.append("One of " + ", ".join(str(one) for one in field["enum"]) + ".")
            limits = {
                "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most",
                "exclusiveMaximum": "below",
            }  # fmt: skip
            bounds = [f"{words} {field[key]:g}" for key, words in limits.items() if key in field]
            if bounds:
                words.append(f"{' and '.join(bounds)}.".capitalize())
            if field.get("type") == "array":
                words.append("Separated by commas.")
            found[section, name] = " ".join(word for word in words if word)
    return found


class SettingsScreen(Sheet):
    """A list of settings, and one field to change the chosen one."""

    TITLE_TEXT = "Settings"
    HINT = "enter changes a setting · esc closes"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.keys = keys(session)
        self.about = descriptions()
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        yield Choices(id="settings")
        yield Text(self.describe, id="about")
        field = Field(id="value", disabled=True)
        yield field

    def on_mount(self) -> None:
        self.fill()
        self.query_one(Choices).focus()

    def fill(self) -> None:
        choices = self.query_one(Choices)
        before = choices.highlighted
        choices.clear_options()
        section = ""
        for index, key in enumerate(self.keys):
            if key[0] != section:
                section = key[0]
                head = Content.styled(f"{section.capitalize()}", "$primary bold")
                choices.add_option(Option(head, disabled=True))
            text = one_line(shown(value(self.session, key)), 60) or "–"
            line = Content.assemble(f"  {key[1]:<30} ", (text, "bold"))
            choices.add_option(Option(line, id=str(index)))
        choices.highlighted = before or 1

    @property
    def key(self) -> Key | None:
        choices = self.query_one(Choices)
        option = choices.highlighted_option
        return self.keys[int(option.id)] if option and option.id else None

    def describe(self, width: int) -> list[Line]:
        lines: list[Line] = [[("─" * width, "frame")]]
        if self.problem:
            lines += wrap(self.problem, width, "bad")
        key = self.key
        words = self.about.get(key, "") if key else ""
        return [*lines, *wrap(words or "As in the library of this name.", width, "quiet")]

    def on_option_list_option_highlighted(self) -> None:
        self.problem = ""
        if self.key:
            self.query_one(Field).value = literal(shown(value(self.session, self.key)))
        self.query_one(Text).redraw()

    def on_option_list_option_selected(self) -> None:
        field = self.query_one(Field)
        field.disabled = False
        field.focus()
        field.cursor_position = len(field.value)

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
