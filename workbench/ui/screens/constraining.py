"""What an answer must be: anything, one of the labels, a match of a pattern, JSON of a schema."""

import re
from collections.abc import Iterator

import msgspec
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.session import GenerationSettings, Session
from workbench.text import literal
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap

KINDS = (
    ("none", "anything"),
    ("labels", "one of the labels"),
    ("regex", "a match of a regular expression"),
    ("json_schema", "JSON of a schema"),
)
HINTS = {
    "none": "",
    "labels": "positive, negative",
    "regex": r"(yes|no)\.",
    "json_schema": "a JSON schema, or the name of a file that holds one",
}


class ConstraintScreen(Sheet):
    """The result is "keep" where `session` is to be kept. It changes the variant's own settings
    where it has some, else the session's."""

    TITLE_TEXT = "What answers must be"
    HINT = "alt+w next · tab to the field · enter keeps · esc closes"
    BINDINGS = [Binding("alt+w", "turn", show=False, priority=True)]
    DEFAULT_CSS = "ConstraintScreen Choices { margin: 0 0 1 0; }"

    def __init__(self, session: Session) -> None:
        super().__init__(classes="small")
        self.session = session
        self.generation = session.generation_of(session.prompt())
        self.kind: str = self.generation.constraint
        self.texts = {
            "none": "",
            "labels": ", ".join(session.evaluation.labels),
            "regex": self.generation.pattern,
            "json_schema": self.generation.json_schema,
        }
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        options = [Option(self.words(index), id=name) for index, (name, _) in enumerate(KINDS)]
        yield Choices(*options, id="kind")
        yield Field(id="text")
        yield Text(self.draw, id="state")

    def words(self, index: int) -> Content:
        return Content(("▸ " if KINDS[index][0] == self.kind else "  ") + KINDS[index][1])

    def on_mount(self) -> None:
        choices = self.query_one(Choices)
        choices.highlighted = [name for name, _ in KINDS].index(self.kind)
        choices.focus()
        self.show_kind()

    def action_turn(self) -> None:
        choices = self.query_one(Choices)
        choices.highlighted = ((choices.highlighted or 0) + 1) % len(KINDS)

    def on_option_list_option_highlighted(self, event: Choices.OptionHighlighted) -> None:
        self.kind = KINDS[event.option_index][0]
        for index in range(len(KINDS)):
            event.option_list.replace_option_prompt_at_index(index, self.words(index))
        self.show_kind()

    def show_kind(self) -> None:
        field = self.query_one(Field)
        field.display = self.kind != "none"
        field.placeholder = HINTS[self.kind]
        with field.prevent(Field.Changed):
            field.value = literal(self.texts[self.kind]).replace("\n", " ")
        self.problem = ""
        self.query_one("#state", Text).redraw()

    def on_input_changed(self, event: Field.Changed) -> None:
        self.texts[self.kind] = event.value
        self.problem = ""
        self.query_one("#state", Text).redraw()

    def on_option_list_option_selected(self) -> None:
        self.keep()

    def on_input_submitted(self) -> None:
        self.keep()

    def keep(self) -> None:
        text = self.texts[self.kind].strip()
        self.problem = self.wrong(text)
        if self.problem:
            self.query_one("#state", Text).redraw()
            self.query_one(Field).focus()
            return
        session = self.session
        generation = msgspec.structs.replace(
            self.generation,
            constraint=self.kind,
            pattern=text if self.kind == "regex" else self.generation.pattern,
            json_schema=text if self.kind == "json_schema" else self.generation.json_schema,
        )
        if self.kind == "labels":
            labels = [part.strip() for part in text.split(",") if part.strip()]
            evaluation = msgspec.structs.replace(session.evaluation, labels=labels)
            session = msgspec.structs.replace(session, evaluation=evaluation)
        self.session = with_generation(session, generation)
        self.dismiss("keep")

    def wrong(self, text: str) -> str:
        if self.kind == "none":
            return ""
        if not text:
            wanted = {"labels": "the labels, separated by commas", "regex": "the expression"}
            return f"Type {wanted.get(self.kind, 'the schema, or the name of its file')}."
        if self.kind == "regex":
            try:
                re.compile(text)
            except re.error as error:
                return f"This is no regular expression: {error}."
        if self.kind == "json_schema" and text.startswith("{"):
            try:
                msgspec.json.decode(text.encode())
            except msgspec.DecodeError as error:
                return f"This is no JSON: {error}."
        return ""

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        prompt = self.session.prompt()
        whose = f"the variant {prompt.name}" if prompt.generation else "all variants without own "
        whose += "" if prompt.generation else "settings"
        words = f"For {whose}. While a token is chosen, only those that fit are looked at."
        if self.kind == "none":
            words = f"For {whose}. The model says what it likes."
        return [[], *wrap(words, width, "quiet")]


def with_generation(session: Session, generation: GenerationSettings) -> Session:
    """The session with other settings of the variant in use: its own, or else those of all."""
    prompt = session.prompt()
    if prompt.generation is None:
        return msgspec.structs.replace(session, generation=generation)
    return session.with_prompt(msgspec.structs.replace(prompt, generation=generation))
