"""Writing the rows shown to a file: where, in what shape, and how far it is."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    ExportRows,
    Failed,
    HostLost,
    Progress,
    RowsExported,
)
from workbench.text import literal
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.units import plural, size
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

WHAT = (
    ("rows", "the rows as they are"),
    ("roles", "as the format's roles: prompt and completion, messages, …"),
    ("filled", "the wording filled: what the model gets and is to answer"),
)
PROPOSED = "exports"  # a folder of the workspace, made where it is not there
ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")


class ExportScreen(Sheet):
    TITLE_TEXT = "Export"
    HINT = "tab between · enter writes · esc closes"

    def __init__(self, bench: "Base") -> None:
        super().__init__(classes="small")
        self.bench = bench
        self.request = -1
        self.progress: Progress | None = None
        self.problem = ""
        self.asked = ""  # the path that is there already, once that was said
        self.rows = bench.dataset_pane.table.total

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw, id="plan")
        yield Field(self.proposed(), id="path", placeholder="NAME.jsonl, .jsonl.gz or .parquet")
        yield Text(lambda _: [[]])
        yield Choices(*[Option(chosen_words(words), id=name) for name, words in WHAT])
        yield Text(self.draw_state, id="state")

    def proposed(self) -> str:
        stem = Path(self.bench.session.dataset.source.rstrip("/")).name.split(".")[0]
        part = "-part" if self.bench.finding.view else ""
        return literal(f"{PROPOSED}/{stem or 'rows'}{part}.jsonl").replace("*", "all")

    def on_mount(self) -> None:
        self.bench.sheet = self
        self.query_one(Choices).highlighted = 0
        field = self.query_one(Field)
        field.focus()
        field.cursor_position = len(field.value)

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    # --- drawing -----------------------------------------------------------------------------

    def draw(self, width: int) -> list[Line]:
        shown = "of the view shown" if self.bench.finding.view else "of this split, in its order"
        words = f"{plural(self.rows, 'row')} {shown}, to a file in {self.bench.workspace}:"
        return [*wrap(words, width), []]

    def draw_state(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        if self.request >= 0:
            lines = progress_lines(self.progress, width) if self.progress else [[("…", "quiet")]]
            return [[], *lines, [("esc ", "key"), ("stops; nothing is left behind", "quiet")]]
        if self.asked:
            words = f"{self.asked} is there already. Enter again replaces it."
            return [[], *wrap(words, width, "warn")]
        return [[], *wrap("The ending says the format.", width, "quiet")]

    def redraw(self) -> None:
        self.query_one("#state", Text).redraw()

    # --- keys --------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        self.asked = self.problem = ""
        self.redraw()

    async def on_input_submitted(self) -> None:
        await self.write()

    def on_option_list_option_highlighted(self, event: Choices.OptionHighlighted) -> None:
        """A sign says what is chosen, for the field has the focus."""
        for index, (_, words) in enumerate(WHAT):
            chosen = index == event.option_index
            event.option_list.replace_option_prompt_at_index(index, chosen_words(words, chosen))

    async def on_option_list_option_selected(self) -> None:
        await self.write()

    async def write(self) -> None:
        if self.request >= 0:
            return
        path = self.query_one(Field).value.strip()
        if not path.endswith(ENDINGS):
            self.problem = f"The name must end in one of {', '.join(ENDINGS)}."
            self.redraw()
            return
        whole = self.bench.workspace / Path(path).expanduser()
        if self.asked != path and await asyncio.to_thread(whole.exists):
            self.asked = path
            self.redraw()
            return
        if whole.parent == self.bench.workspace / PROPOSED:
            try:
                await asyncio.to_thread(whole.parent.mkdir, exist_ok=True)
            except OSError as error:
                self.problem = f"{whole.parent} cannot be made: {error.strerror}."
                self.redraw()
                return
        self.problem, self.progress = "", None
        session = self.bench.session
        self.request = self.bench.send(
            ExportRows(
                path=str(whole),
                folder=str(self.bench.workspace),
                prompt=session.prompt(),
                dataset=session.dataset,
                view=self.bench.finding.view,
                what=WHAT[self.query_one(Choices).highlighted or 0][0],  # type: ignore[arg-type]
                overwrite=self.asked == path,
            )
        )
        self.redraw()

    def action_close(self) -> None:
        if self.request >= 0:
            self.bench.send(Cancel(target=self.request))
        else:
            self.dismiss(None)

    # --- hearing -----------------------------------------------------------------------------

    def hear(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            self.request, self.problem = -1, "The worker ended before the file was written."
            self.redraw()
            return False
        if self.request < 0 or event.request != self.request:
            return False
        match event:
            case Progress():
                self.progress = event
            case Failed():
                self.request, self.problem, self.asked = -1, event.message, ""
                self.bench.note(event.message, event.details)
            case RowsExported():
                self.request = -1
                self.bench.tell(
                    f"Wrote {plural(event.rows, 'row')}, {size(event.bytes)}, to {event.path}."
                )
                self.dismiss("written")
                return True
            case Done():
                self.request = -1
                self.problem = "Stopped: nothing was written." if event.cancelled else ""
            case _:
                return False
        self.redraw()
        return True


def chosen_words(words: str, chosen: bool = False) -> Content:
    return Content(("▸ " if chosen else "  ") + words)
