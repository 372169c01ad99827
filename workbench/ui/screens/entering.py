"""One value to type: a variant's name, a number, an encoder."""

from collections.abc import Callable, Iterator

from textual.widget import Widget

from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, wrap


class EnterScreen(Sheet):
    """The result is what was typed, without spaces around it, once there is no problem with it."""

    HINT = "enter keeps · esc leaves it as it was"

    def __init__(
        self, title: str, value: str, problem_of: Callable[[str], str], words: str = ""
    ) -> None:
        """`words`: what the value does, where the title does not say it."""
        super().__init__(classes="small")
        self.words = words
        self.TITLE_TEXT = title
        self.value, self.problem_of = value, problem_of
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        if self.words:
            yield Text(lambda width: [*wrap(self.words, width, "quiet"), []])
        yield Field(self.value, id="typed")
        yield Text(self.draw, id="problem")

    def on_mount(self) -> None:
        field = self.query_one(Field)
        field.focus()
        field.select_all()  # what is typed takes the place of the value that is there

    def draw(self, width: int) -> list[Line]:
        return [[], *wrap(self.problem, width, "bad")] if self.problem else [[]]

    def on_input_changed(self) -> None:
        self.problem = ""
        self.query_one("#problem", Text).redraw()

    def on_input_submitted(self, event: Field.Submitted) -> None:
        text = event.value.strip()
        self.problem = self.problem_of(text)
        if not self.problem:
            self.dismiss(text)
        self.query_one("#problem", Text).redraw()
