"""Choosing another session: those beside this one, or any path."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from textual.content import Content
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench import session as sessions
from workbench.session import SessionError
from workbench.text import one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap


class PathSuggester(Suggester):
    """Completes a path as a shell does: folders, and files that are sessions."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        head, _, start = value.rpartition("/")
        folder = Path(head + "/" if head or value.startswith("/") else ".").expanduser()
        with suppress(OSError):
            for entry in sorted(folder.iterdir()):
                if start and entry.name.startswith(start):
                    if entry.is_dir():
                        return value + entry.name[len(start) :] + "/"
                    if entry.suffix == ".toml":
                        return value + entry.name[len(start) :]
        return None


class SessionsScreen(Sheet):
    """The result is the path of a session that can be read."""

    TITLE_TEXT = "Open a session"
    HINT = "enter opens · tab to a path · → completes it · esc closes"

    def __init__(self, path: Path) -> None:
        super().__init__(classes="small")
        self.path = path
        self.found = sorted(path.absolute().parent.glob("*.toml"))
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        options = []
        for index, path in enumerate(self.found):
            words, style = "", "$quiet"
            try:
                words = sessions.load(path).description
            except SessionError:
                words, style = "cannot be read", "$bad"
            here = "▸ " if path.absolute() == self.path.absolute() else "  "
            options.append(
                Option(
                    Content.assemble(
                        here + one_line(path.stem, 30),
                        ("  " + one_line(words, max(12, 56 - len(path.stem))), style),
                    ),
                    id=str(index),
                )
            )
        yield Choices(*options)
        yield Text(self.draw)
        field = Field(placeholder="or the path of a session file", suggester=PathSuggester())
        yield field

    def on_mount(self) -> None:
        choices = self.query_one(Choices)
        here = [path.absolute() == self.path.absolute() for path in self.found]
        choices.highlighted = here.index(True) if True in here else 0
        choices.focus()

    def draw(self, width: int) -> list[Line]:
        return wrap(self.problem, width, "bad") if self.problem else [[]]

    def on_option_list_option_selected(self, event: Choices.OptionSelected) -> None:
        self.open(self.found[int(event.option.id or 0)])

    def on_input_submitted(self, event: Field.Submitted) -> None:
        self.open(Path(event.value).expanduser())

    def open(self, path: Path) -> None:
        try:
            sessions.load(path)
        except SessionError as error:
            self.problem = str(error)
            self.query_one(Text).redraw()
            return
        self.dismiss(str(path))
