"""A sheet: a framed window over the panes; escape closes it."""

from collections.abc import Callable, Iterator

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.text import one_line
from workbench.ui.widgets.field import Choices
from workbench.ui.widgets.lines import Line, Lines


class Sheet(ModalScreen[str | None]):
    """Subclasses yield what is inside from `inside`; the result is a word, None for closed."""

    DEFAULT_CSS = """
    Sheet > #sheet { border: heavy $primary; background: $background; padding: 0 1;
        border-title-color: $primary; border-title-style: bold; border-subtitle-color: $quiet;
        width: 92%; max-width: 110; height: 85%; }
    Sheet.small > #sheet { width: 68; max-width: 95%; height: auto; max-height: 95%;
        padding: 1 2; overflow-y: auto; scrollbar-size-vertical: 0; }
    Sheet .auto { height: auto; overflow: hidden; }
    Sheet.small Choices { height: auto; max-height: 14; scrollbar-gutter: auto; }
    """
    TITLE_TEXT = ""
    HINT = "esc closes"
    BINDINGS = [Binding("escape", "close", show=False)]

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as frame:
            frame.border_title = Content(one_line(self.TITLE_TEXT, 80))
            frame.border_subtitle = Content(self.HINT)
            yield from self.inside()

    def inside(self) -> Iterator[Widget]:
        yield from ()

    def action_close(self) -> None:
        self.dismiss(None)


class Text(Lines):
    """Lines as high as they are, for a sheet."""

    def __init__(self, draw: Callable[[int], list[Line]], id: str | None = None) -> None:
        super().__init__(draw, id=id, focusable=False)
        self.add_class("auto")

    def redraw(self, to_top: bool = False) -> None:
        super().redraw(to_top)
        self.styles.height = max(1, len(self.lines))


class Reading(Sheet):
    """A sheet to read and scroll."""

    def __init__(self, title: str, draw: Callable[[int], list[Line]]) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self.lines = Lines(draw, id="reading")

    def inside(self) -> Iterator[Widget]:
        yield self.lines

    def on_mount(self) -> None:
        self.lines.styles.overflow_x = "hidden"
        self.lines.focus()


class Question(Sheet):
    """A question with a few answers; the first is the one that enter gives."""

    HINT = "enter chooses · esc goes back"

    def __init__(
        self, title: str, draw: Callable[[int], list[Line]], answers: list[tuple[str, str]]
    ) -> None:
        super().__init__(classes="small")
        self.TITLE_TEXT = title
        self.draw = draw
        self.answers = answers  # (result, words)

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw)
        yield Choices(*[Option(Content(words), id=name) for name, words in self.answers])

    def on_mount(self) -> None:
        choices = self.query_one(Choices)
        choices.highlighted = 0
        choices.focus()

    def on_option_list_option_selected(self, event: Choices.OptionSelected) -> None:
        self.dismiss(event.option.id)
