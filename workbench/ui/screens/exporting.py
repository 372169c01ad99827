"""Writing the rows shown to a file: where, in what shape, and how far it is."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from workbench.protocol import AnyEvent, ExportRows, RowsExported
from workbench.text import literal
from workbench.ui.screens.sheet import Text
from workbench.ui.screens.writing import WritingSheet
from workbench.ui.units import plural, size
from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

WHAT = {
    "rows": "the rows as they are",
    "roles": "as the format's roles: prompt and completion, messages, …",
    "filled": "the wording filled: what the model gets and is to answer",
}
PROPOSED = "exports"  # a folder of the workspace, made where it is not there
ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")


class ExportScreen(WritingSheet):
    TITLE_TEXT = "Export"

    def __init__(self, bench: "Base") -> None:
        super().__init__(bench, WHAT)
        self.rows = bench.dataset_pane.table.total

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw)
        yield Field(self.proposed(), id="path", placeholder="NAME.jsonl, .jsonl.gz or .parquet")
        yield Text(lambda _: [[]])
        yield self.choices()
        yield Text(self.draw_state, id="state")

    def proposed(self) -> str:
        stem = Path(self.bench.session.dataset.source.rstrip("/")).name.split(".")[0]
        part = "-part" if self.bench.finding.view else ""
        return literal(f"{PROPOSED}/{stem or 'rows'}{part}.jsonl").replace("*", "all")

    def on_mount(self) -> None:
        super().on_mount()
        field = self.query_one(Field)
        field.focus()
        field.cursor_position = len(field.value)

    def draw(self, width: int) -> list[Line]:
        shown = "of the view shown" if self.bench.finding.view else "of this split, in its order"
        words = f"{plural(self.rows, 'row')} {shown}, to a file in {self.bench.workspace}:"
        return [*wrap(words, width), []]

    def advise(self, width: int) -> list[Line]:
        return [[], *wrap("The ending says the format.", width, "quiet")]

    async def write(self) -> None:
        path = self.query_one(Field).value.strip()
        if not path.endswith(ENDINGS):
            self.refuse(f"The name must end in one of {', '.join(ENDINGS)}.")
            return
        whole = self.bench.workspace / Path(path).expanduser()
        if self.asked != path and await asyncio.to_thread(whole.exists):
            self.ask(path)
            return
        if whole.parent == self.bench.workspace / PROPOSED:
            try:
                await asyncio.to_thread(whole.parent.mkdir, exist_ok=True)
            except OSError as error:
                self.refuse(f"The folder {PROPOSED} cannot be made: {error.strerror}.")
                return
        session = self.bench.session
        what: Any = self.kind
        self.send(
            ExportRows(
                path=str(whole),
                folder=str(self.bench.workspace),
                prompt=session.prompt(),
                dataset=session.dataset,
                view=self.bench.finding.view,
                what=what,
                overwrite=self.asked == path,
            )
        )

    def finish(self, event: AnyEvent) -> bool:
        if not isinstance(event, RowsExported):
            return False
        self.bench.tell(f"Wrote {plural(event.rows, 'row')}, {size(event.bytes)}, to {event.path}.")
        self.dismiss("written")
        return True
