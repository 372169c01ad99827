"""What a search for a better prompt is about to do: the settings that matter most, and a plan."""

from collections.abc import Iterator
from functools import partial

import msgspec
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.protocol import DatasetOpened
from workbench.session import ModelSettings, Session, SessionError
from workbench.text import one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.setting import change, shown, value
from workbench.ui.units import count, plural
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, clip, wrap

METHODS = (
    ("random", "random: draws examples and wordings"),
    ("gepa", "gepa: a model reads mistakes and words it anew"),
)
KEYS = (
    ("metric", "metric"),
    ("rows", "development rows"),
    ("candidates", "prompts to try"),
    ("max_metric_calls", "answers to pay for"),
    ("most_examples", "examples at most"),
    ("seed", "seed"),
)
ONLY = {"candidates": "random", "most_examples": "random", "max_metric_calls": "gepa"}
HINTS = {"metric": "empty: the one that decides"}


def label_line(words: str, width: int) -> list[Line]:
    return [clip([(words, "quiet")], width)]


class SearchScreen(Sheet):
    """The result is "begin" where the search in `session` is to begin."""

    TITLE_TEXT = "Find a better prompt"
    HINT = "tab next field · ↑ ↓ method · enter begins · esc goes back"
    DEFAULT_CSS = """
    SearchScreen Horizontal { height: 1; }
    SearchScreen Horizontal > Text { width: 20; }
    SearchScreen Horizontal > Field { width: 1fr; }
    SearchScreen #method { margin: 1 0; }
    """

    def __init__(self, session: Session, opened: DatasetOpened | None) -> None:
        super().__init__(classes="small")
        self.session, self.opened = session, opened
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw_start)
        options = [
            Option(self.method_words(index), id=name) for index, (name, _) in enumerate(METHODS)
        ]
        yield Choices(*options, id="method")
        for name, words in KEYS:
            yield self.line(name, words, shown(value(self.session, ("optimize", name))))
        reflector = self.session.optimize.reflection_model
        yield self.line("reflector", "model that reflects", reflector.name if reflector else "")
        yield self.line("url", "on a server", reflector.url if reflector else "")
        yield Text(self.draw, id="state")

    def line(self, name: str, words: str, text: str) -> Horizontal:
        hints = {
            **HINTS,
            "reflector": f"empty: {one_line(self.session.model.name, 40)}",
            "url": "empty: none; else http://…/v1",
        }
        return Horizontal(
            Text(partial(label_line, words)),
            Field(text, id=f"set-{name}", placeholder=hints.get(name, "")),
            id=f"line-{name}",
        )

    def method_words(self, index: int) -> Content:
        name, words = METHODS[index]
        return Content(("▸ " if name == self.session.optimize.method else "  ") + words)

    def on_mount(self) -> None:
        choices = self.query_one(Choices)
        choices.highlighted = [name for name, _ in METHODS].index(self.session.optimize.method)
        choices.focus()
        self.place()

    def place(self) -> None:
        """Only what the method heeds is shown."""
        method = self.session.optimize.method
        for name, _ in KEYS:
            self.query_one(f"#line-{name}").display = ONLY.get(name, method) == method
        for name in ("reflector", "url"):
            self.query_one(f"#line-{name}").display = method == "gepa"

    # --- keys --------------------------------------------------------------------------------

    def on_option_list_option_highlighted(self, event: Choices.OptionHighlighted) -> None:
        method = METHODS[event.option_index][0]
        optimize = msgspec.structs.replace(self.session.optimize, method=method)
        self.session = msgspec.structs.replace(self.session, optimize=optimize)
        for index in range(len(METHODS)):
            event.option_list.replace_option_prompt_at_index(index, self.method_words(index))
        self.place()
        self.redraw()

    def on_option_list_option_selected(self) -> None:
        self.begin()

    def on_input_changed(self) -> None:
        self.problem = ""
        self.redraw()

    def on_input_submitted(self) -> None:
        self.begin()

    def begin(self) -> None:
        try:
            self.session = self.typed()
        except SessionError as error:
            self.problem = str(error).removeprefix("settings: ")
            self.redraw()
            return
        self.dismiss("begin")

    def typed(self) -> Session:
        """The session with what is in the fields.

        Raises:
            SessionError: naming the setting and what was expected.
        """
        session = self.session
        for name, _ in KEYS:
            field = self.query_one(f"#set-{name}", Field)
            if field.value.strip() != shown(value(session, ("optimize", name))):
                session = change(session, ("optimize", name), field.value.strip())
        name, url = (
            self.query_one(f"#set-{one}", Field).value.strip() for one in ("reflector", "url")
        )
        before = session.optimize.reflection_model
        reflector = None
        if name or url:
            reflector = msgspec.structs.replace(
                before or session.model, name=name or session.model.name, url=url
            )
        optimize = msgspec.structs.replace(session.optimize, reflection_model=reflector)
        return msgspec.structs.replace(session, optimize=optimize)

    # --- drawing -----------------------------------------------------------------------------

    def redraw(self) -> None:
        self.query_one("#state", Text).redraw()

    def draw_start(self, width: int) -> list[Line]:
        words = f"The search begins at the variant “{one_line(self.session.prompt().name, 40)}”."
        return wrap(words, width)

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        if not self.is_mounted:
            return [[]]
        try:
            session = self.typed()
        except SessionError as error:
            return [[], *wrap(str(error).removeprefix("settings: "), width, "bad")]
        lines = [[], *wrap(self.plan(session), width, "quiet")]
        if not session.prompt().completion.strip():
            words = "This variant has no answer to measure against: fill “Answer to learn” first."
            lines += wrap(words, width, "warn")
        return lines

    def plan(self, session: Session) -> str:
        """What it does, on which rows, and that its result is of others."""
        optimize = session.optimize
        rows = plural(optimize.rows, "development row")
        if optimize.method == "random":
            most = count(optimize.candidates * optimize.rows)
            words = (
                f"Tries {plural(optimize.candidates, 'prompt')} on {rows}: at most {most} answers."
            )
        else:
            reflector: ModelSettings = optimize.reflection_model or session.model
            words = (
                f"{one_line(reflector.name, 40)} reads mistakes on {rows} and words the "
                f"instruction anew, for {count(optimize.max_metric_calls)} answers."
            )
        held = session.evaluation.rows
        if self.opened and self.opened.evaluation_rows:
            held = min(held, self.opened.evaluation_rows)
        return (
            f"{words} They are drawn from the rows to train on. Then the start and the best are "
            f"measured on {plural(held, 'evaluation row')}, which the search never sees."
        )
