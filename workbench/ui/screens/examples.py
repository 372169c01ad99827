"""The few-shot examples of a variant: how they are chosen, and which rows that makes them.

What is changed here is tried on the selected row at once, and kept when the sheet is closed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from textual.binding import Binding
from textual.widget import Widget

from workbench.protocol import AnyEvent, ChooseExamples, ExamplesChosen, Failed
from workbench.session import ExampleSettings, Prompt
from workbench.text import one_line
from workbench.ui import jinja, parts
from workbench.ui.screens.entering import EnterScreen
from workbench.ui.screens.sheet import Sheet
from workbench.ui.setting import choices
from workbench.ui.widgets.lines import Line, Lines, clip, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.base import Base

WAYS = choices(("prompt", "examples", "choose"))
WORDS = {
    "first": "the first rows to train on",
    "random": "drawn by the seed",
    "balanced": "as many of each answer, drawn by the seed",
    "nearest": "nearest in meaning to the row, by an encoder",
    "picked": "those that you add with alt+p",
}
MOST = 200  # as the session takes
PAUSE = 0.15  # seconds without another key before the worker is asked


class ExamplesScreen(Sheet):
    HINT = "← → enter change · x removes · k keeps these · esc closes"
    DEFAULT_CSS = """
    ExamplesScreen Listing { height: 3fr; }
    ExamplesScreen Lines { height: 2fr; border-top: solid $frame; overflow-x: hidden; }
    """
    BINDINGS = [
        Binding("left", "turn(-1)", show=False, priority=True),
        Binding("right", "turn(1)", show=False, priority=True),
        Binding("x,delete", "remove", show=False),
        Binding("k", "keep", show=False, priority=True),
    ]

    def __init__(self, bench: "Base") -> None:
        super().__init__()
        self.bench = bench
        self.prompt: Prompt = bench.session.prompt()
        self.TITLE_TEXT = f"Examples of {one_line(self.prompt.name, 40)}"
        self.examples: ExampleSettings = self.prompt.examples
        self.chosen: ExamplesChosen | None = None
        self.problem = ""
        self.request = -1
        self.listing = Listing(self.head, self.item, id="example-rows")
        self.about = Lines(self.draw, id="example")

    def inside(self) -> Iterator[Widget]:
        yield self.listing
        yield self.about

    def on_mount(self) -> None:
        self.bench.sheet = self
        self.listing.focus()
        self.listing.take(len(self.fields))
        self.ask()

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    # --- the worker --------------------------------------------------------------------------

    def ask(self) -> None:
        """Which rows these settings choose for the selected one."""
        self.bench.browsing.cancel("examples")
        self.chosen, self.problem = None, ""
        if parts.example_words(self.wording) == "none":
            self.request = -1
            self.show()
            return
        browsing = self.bench.browsing
        self.request = self.bench.send(
            ChooseExamples(
                folder=str(self.bench.workspace),
                prompt=self.wording,
                dataset=self.bench.session.dataset,
                values=browsing.values or {},
                number=browsing.row.number if browsing.row and browsing.values is not None else -1,
            )
        )
        self.show()

    @property
    def wording(self) -> Prompt:
        return msgspec.structs.replace(self.prompt, examples=self.examples)

    def hear(self, event: AnyEvent) -> bool:
        if event.request != self.request:
            return False
        if isinstance(event, ExamplesChosen):
            self.chosen = event
        elif isinstance(event, Failed):
            self.problem = event.message
            self.bench.note(event.message, event.details)
        else:
            return True
        self.show()
        return True

    def show(self) -> None:
        self.listing.take(len(self.fields) + (len(self.chosen.numbers) if self.chosen else 0))
        self.about.redraw()

    def change(self, **values: Any) -> None:
        examples = msgspec.structs.replace(self.examples, **values)
        if examples == self.examples:
            return
        self.examples = examples
        self.bench.browsing.later("examples", PAUSE, self.ask)
        self.show()

    # --- keys --------------------------------------------------------------------------------

    @property
    def fields(self) -> list[str]:
        """The settings that count for the way of choosing."""
        more = {"random": ["seed"], "balanced": ["seed"], "nearest": ["embedder"]}
        count = [] if self.examples.choose == "picked" else ["count"]
        return ["choose", *count, *more.get(self.examples.choose, [])]

    @property
    def field(self) -> str:
        """The setting under the cursor; empty: a row is."""
        at = self.listing.cursor
        return self.fields[at] if at < len(self.fields) else ""

    @property
    def index(self) -> int:
        """Which of the rows is under the cursor; -1: none."""
        return self.listing.cursor - len(self.fields)

    def action_turn(self, by: int) -> None:
        match self.field:
            case "choose":
                at = WAYS.index(self.examples.choose)
                self.change(choose=WAYS[(at + by) % len(WAYS)])
            case "count":
                self.change(count=max(0, min(MOST, self.examples.count + by)))
            case "seed":
                self.change(seed=max(0, self.examples.seed + by))

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        name = self.field
        if name == "choose":
            self.action_turn(1)
        elif name:

            def take(text: str | None) -> None:
                if text is not None:
                    self.change(**{name: text if name == "embedder" else int(text)})

            value = str(getattr(self.examples, name))
            self.app.push_screen(EnterScreen(name.capitalize(), value, problems_of(name)), take)

    def action_remove(self) -> None:
        """Take the row under the cursor out; the others are picked from then on."""
        if self.chosen and 0 <= self.index < len(self.chosen.keys):
            keys = list(self.chosen.keys)
            keys.pop(self.index)
            self.change(choose="picked", rows=keys, count=len(keys))

    def action_keep(self) -> None:
        """Pick the rows that are shown, whatever chose them."""
        if self.chosen and self.examples.choose != "picked":
            keys = list(self.chosen.keys)
            self.change(choose="picked", rows=keys, count=len(keys))

    def action_close(self) -> None:
        self.bench.browsing.cancel("examples")
        self.dismiss("keep")

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.about.redraw(to_top=True)

    # --- drawing -----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        words = "Rows of those to train on that stand before the row, worded and answered as it is."
        return [*wrap(words, width, "quiet"), []]

    def item(self, index: int, _width: int) -> Line:
        if index < len(self.fields):
            name = self.fields[index]
            line: Line = [
                (f"{name:<10}", "title"),
                (one_line(str(getattr(self.examples, name)), 60), "strong"),
            ]
            if name == "choose":
                return [*line, (f"  {WORDS[self.examples.choose]}", "quiet")]
            return line
        at = index - len(self.fields)
        if not self.chosen or at >= len(self.chosen.numbers):
            return []
        return [
            (f"  row {self.chosen.numbers[at] + 1:<8,}", "quiet"),
            (f"{one_line(self.chosen.answers[at], 16):<17}", "good"),
            (one_line(self.text_of(at), 200), "text"),
        ]

    def text_of(self, at: int) -> str:
        """What a row says, in the columns that the template names."""
        assert self.chosen
        row = self.chosen.rows[at]
        named = jinja.used(self.prompt.template, list(row)) or list(row)
        return " · ".join(str(row[name]) for name in named)

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return wrap("✗ " + self.problem, width, "bad")
        if self.chosen is None:
            if parts.example_words(self.wording) != "none":
                return [[("…", "quiet")]]
            words = "No examples: raise the count."
            if self.examples.choose == "picked":
                words = "No row is picked: alt+p picks the one that is selected in the dataset."
            return wrap(words, width, "quiet")
        if not 0 <= self.index < len(self.chosen.rows):
            return wrap(self.chosen.words, width, "quiet")
        lines: list[Line] = []
        for name, value in self.chosen.rows[self.index].items():
            body = wrap(value if isinstance(value, str) else repr(value), max(1, width - 14))
            lines += [
                clip([(f"{one_line(name, 12) if not n else '':<13} ", "title"), *line], width)
                for n, line in enumerate(body)
            ]
        return lines


def problems_of(name: str) -> Any:
    """What is wrong with a typed value; empty where nothing is."""

    def problem(text: str) -> str:
        if name == "embedder":
            return "" if text else "Name an encoder: a starter, a folder or a hub id."
        if not text.isdecimal():
            return f"Expected a number from 0 on; it is {one_line(text, 40)!r}."
        if name == "count" and int(text) > MOST:
            return f"At most {MOST} examples."
        return ""

    return problem
