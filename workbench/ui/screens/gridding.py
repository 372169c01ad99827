"""Which rows and which variants: what the grid asks for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench.protocol import AnyEvent, Failed, HostLost, ReadRows, Rows
from workbench.session import Prompt
from workbench.text import one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.screens.writing import marked
from workbench.ui.units import count, plural
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

SCOPES = (
    ("next", "the selected row and those after it"),
    ("first", "the first rows of what the dataset pane shows"),
    ("evaluation", "rows kept for evaluation, as F8 measures"),
)
USUAL = 20  # rows
MOST = 10_000  # rows of a grid


class Variants(Choices):
    """Variants to mark and unmark."""

    BINDINGS = [Binding("space", "mark", show=False), Binding("enter", "begin", show=False)]

    def action_mark(self) -> None:
        assert isinstance(self.screen, GridScreen)
        self.screen.mark(self.highlighted or 0)

    async def action_begin(self) -> None:
        assert isinstance(self.screen, GridScreen)
        self.screen.begin()


class GridScreen(Sheet):
    """The result is "begin" where `prompts` and `numbers` (else `rows`) are to be asked."""

    TITLE_TEXT = "Run variants on rows"
    HINT = "tab between · space marks a variant · enter runs · esc closes"
    DEFAULT_CSS = """
    GridScreen Horizontal { height: 1; margin: 1 0; }
    GridScreen Horizontal > Text { width: 16; }
    GridScreen Horizontal > Field { width: 12; }
    """

    def __init__(self, bench: "Base", marked: list[str] | None = None) -> None:
        super().__init__(classes="small")
        self.bench = bench
        self.all = bench.session.prompts
        self.marked = {one.name for one in self.all} if marked is None else set(marked)
        self.numbers: list[int] = []
        self.rows = USUAL
        self.request = -1
        self.problem = ""

    @property
    def prompts(self) -> list[Prompt]:
        return [one for one in self.all if one.name in self.marked]

    @property
    def scope(self) -> str:
        return SCOPES[self.query_one("#scope", Choices).highlighted or 0][0]

    def inside(self) -> Iterator[Widget]:
        yield Choices(*[Option(marked(words), id=name) for name, words in SCOPES], id="scope")
        with Horizontal():
            yield Text(lambda _: [[("how many rows", "quiet")]])
            yield Field(str(USUAL), id="many", type="integer")
        yield Variants(*[self.option(one) for one in self.all], id="variants")
        yield Text(self.draw, id="state")

    def option(self, prompt: Prompt) -> Option:
        sign = "■ " if prompt.name in self.marked else "□ "
        model = f"  {one_line(prompt.model.name, 30)}" if prompt.model else ""
        return Option(Content.assemble(sign, one_line(prompt.name, 40), (model, "$quiet")))

    def on_mount(self) -> None:
        self.bench.sheet = self
        scope = self.query_one("#scope", Choices)
        table = self.bench.dataset_pane.table
        scope.highlighted = 0 if table.total else 2
        self.query_one("#variants", Choices).highlighted = 0
        self.query_one(Field).focus()  # its text is selected: typing replaces it

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    # --- keys --------------------------------------------------------------------------------

    def mark(self, index: int) -> None:
        name = self.all[index].name
        self.marked ^= {name}
        self.problem = ""
        choices = self.query_one("#variants", Choices)
        choices.replace_option_prompt_at_index(index, self.option(self.all[index]).prompt)
        self.redraw()

    def on_option_list_option_highlighted(self, event: Choices.OptionHighlighted) -> None:
        if event.option_list.id == "scope":
            for index, (_, words) in enumerate(SCOPES):
                chosen = index == event.option_index
                event.option_list.replace_option_prompt_at_index(index, marked(words, chosen))
        self.redraw()

    def on_option_list_option_selected(self) -> None:
        self.begin()

    def on_input_changed(self) -> None:
        self.problem = ""
        self.redraw()

    def on_input_submitted(self) -> None:
        self.begin()

    @property
    def wanted(self) -> int:
        text = self.query_one(Field).value.strip()
        return min(MOST, int(text)) if text.isdigit() else 0

    def begin(self) -> None:
        """Ask for the numbers of the rows, which only the worker knows of a view."""
        many = self.wanted
        table = self.bench.dataset_pane.table
        if not self.prompts:
            self.problem = "Mark at least one variant with space."
        elif many < 1:
            self.problem = "Say how many rows: a number of at least 1."
        elif self.scope != "evaluation" and not table.total:
            self.problem = "The dataset pane shows no row; choose the rows kept for evaluation."
        if self.problem or self.request >= 0:
            self.redraw()
            return
        self.rows = many
        if self.scope == "evaluation":
            self.numbers = []
            self.dismiss("begin")
            return
        start = table.cursor if self.scope == "next" else 0
        stop = min(start + many, table.total)
        view = self.bench.finding.view
        self.request = self.bench.send(ReadRows(start=start, stop=stop, width=1, view=view))

    # --- hearing and drawing -----------------------------------------------------------------

    def hear(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            self.request, self.problem = -1, "The worker ended; run it again."
            self.redraw()
            return False
        if self.request < 0 or event.request != self.request:
            return False
        match event:
            case Rows():
                numbers = event.numbers or list(range(event.start, event.start + len(event.cells)))
                marks = event.marks or [""] * len(numbers)
                good = [n for n, mark in zip(numbers, marks, strict=False) if mark != "broken"]
                self.numbers, self.request = good, -1
                if good:
                    self.dismiss("begin")
                else:
                    self.problem = "None of these rows could be read; choose others."
            case Failed():
                self.request, self.problem = -1, event.message
            case _:
                return False
        self.redraw()
        return True

    def redraw(self) -> None:
        self.query_one("#state", Text).redraw()

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        variants, many = len(self.prompts), self.wanted
        if not variants or not many:
            return [[]]
        words = f"{plural(variants, 'variant')} × {plural(many, 'row')}: {count(variants * many)} "
        status = self.bench.modelling.status
        words += "answers for each of the weights" if status and status.adapter else "answers"
        words += "; what was answered before is not asked again."
        return [[], *wrap(words, width, "quiet")]
