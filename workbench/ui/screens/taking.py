"""Taking a variant along: to the clipboard, or as a script, as JSON, as a report in a file."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.protocol import AnyEvent, Failed, HostLost, TakeAway, TakenAway
from workbench.text import literal, one_line
from workbench.ui.screens.exporting import PROPOSED
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.screens.writing import marked
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

WHAT = (
    ("prompt", "copy the exact prompt of the selected row"),
    ("answer", "copy the answer"),
    ("python_openai", "Python for any OpenAI-compatible server"),
    ("python_transformers", "Python for transformers"),
    ("json", "JSON: the turns and the settings"),
    ("report", "Markdown: a report with the tables of what was measured"),
)
COPIED = ("prompt", "answer")  # that need no worker
ENDINGS = {
    "python_openai": "-openai.py",
    "python_transformers": "-transformers.py",
    "json": ".json",
    "report": ".md",
}


class TakeScreen(Sheet):
    TITLE_TEXT = "Take it away"
    HINT = "↑ ↓ what · tab to the file · enter takes it · esc closes"
    DEFAULT_CSS = "TakeScreen Field { margin: 1 0 0 0; }"

    def __init__(self, bench: "Base", answer: str, prompt: str) -> None:
        """`answer` and `prompt`: the texts that may be copied, empty where there is none."""
        super().__init__(classes="small")
        self.bench = bench
        self.texts = {"answer": answer, "prompt": prompt}
        self.request = -1
        self.what = "python_openai"
        self.problem = ""
        self.asked = ""  # the path that is there already, once that was said

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw, id="plan")
        yield Choices(*[Option(marked(words), id=name) for name, words in WHAT])
        yield Field(id="path", placeholder="empty: to the clipboard")
        yield Text(self.draw_state, id="state")

    def on_mount(self) -> None:
        self.bench.sheet = self
        choices = self.query_one(Choices)
        choices.highlighted = 2
        choices.focus()

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    def proposed(self) -> str:
        name = "".join(
            letter if letter.isalnum() else "-" for letter in self.bench.session.prompt().name
        )
        return literal(f"{PROPOSED}/{name.strip('-') or 'prompt'}{ENDINGS[self.what]}")

    # --- keys --------------------------------------------------------------------------------

    def on_option_list_option_highlighted(self, event: Choices.OptionHighlighted) -> None:
        self.what = WHAT[event.option_index][0]
        for index, (name, words) in enumerate(WHAT):
            line = marked(words, name == self.what)
            event.option_list.replace_option_prompt_at_index(index, line)
        field = self.query_one(Field)
        field.display = self.what not in COPIED
        if self.what not in COPIED:
            with field.prevent(Field.Changed):
                field.value = self.proposed()
        self.asked = self.problem = ""
        self.redraw()

    def on_input_changed(self) -> None:
        self.asked = self.problem = ""
        self.redraw()

    async def on_option_list_option_selected(self) -> None:
        await self.take()

    async def on_input_submitted(self) -> None:
        await self.take()

    async def take(self) -> None:
        if self.request >= 0:
            return
        if self.what in COPIED:
            self.copy(self.texts[self.what])
            return
        path = self.query_one(Field).value.strip()
        whole = self.bench.workspace / Path(path).expanduser()
        if path and not await self.may_write(path, whole):
            self.redraw()
            return
        bench, session = self.bench, self.bench.session
        self.request = bench.send(
            TakeAway(
                session=session,
                folder=str(bench.workspace),
                name=session.prompt().name,
                what=self.what,  # type: ignore[arg-type]
                values=bench.browsing.values or {},
                number=session.layout.row if bench.browsing.values is not None else -1,
                measurements=[one.key for one, _ in bench.scoring.table() if one.key],
                path=str(whole) if path else "",
                overwrite=bool(path) and self.asked == path,
            )
        )
        self.redraw()

    async def may_write(self, path: str, whole: Path) -> bool:
        """Whether the file is not there, or may be replaced; its folder is made where we proposed
        it."""
        if self.asked != path and await asyncio.to_thread(whole.exists):
            self.asked = path
            return False
        if whole.parent == self.bench.workspace / PROPOSED:
            try:
                await asyncio.to_thread(whole.parent.mkdir, exist_ok=True)
            except OSError as error:
                self.problem = f"{whole.parent} cannot be made: {error.strerror}."
                return False
        return True

    def copy(self, text: str) -> None:
        if not text:
            words = {
                "answer": "There is no answer yet: F5 asks.",
                "prompt": "There is no prompt yet.",
            }
            self.problem = words.get(self.what, "There is nothing to copy.")
            self.redraw()
            return
        self.bench.copy_to_clipboard(text)
        self.bench.tell(f"Copied {one_line(dict(WHAT)[self.what])}: {len(text):,} characters.")
        self.dismiss("copied")

    # --- hearing and drawing -----------------------------------------------------------------

    def hear(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            self.request, self.problem = -1, "The worker ended before it was done."
            self.redraw()
            return False
        if self.request < 0 or event.request != self.request:
            return False
        self.request = -1
        match event:
            case TakenAway() if event.path:
                self.bench.tell(f"Wrote {event.path}.")
                self.dismiss("written")
            case TakenAway():
                self.copy(event.text)
            case Failed():
                self.problem, self.asked = event.message, ""
                self.bench.note(event.message, event.details)
                self.redraw()
            case _:
                return False
        return True

    def redraw(self) -> None:
        self.query_one("#state", Text).redraw()

    def draw(self, width: int) -> list[Line]:
        name = one_line(self.bench.session.prompt().name, 60)
        return [*wrap(f"The variant “{name}”, for use elsewhere:", width), []]

    def draw_state(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        if self.request >= 0:
            return [[], [("Writing …", "quiet")]]
        if self.asked:
            words = f"{self.asked} is there already. Enter again replaces it."
            return [[], *wrap(words, width, "warn")]
        if self.what in COPIED:
            return [[], *wrap("Goes to the terminal's clipboard.", width, "quiet")]
        words = f"A file in {self.bench.workspace}; an empty name copies it to the clipboard."
        return [[], *wrap(words, width, "quiet")]
