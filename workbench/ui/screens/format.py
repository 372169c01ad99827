"""What a row is, and which column is what: tried on the selected row before it is kept."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

import msgspec
from textual.binding import Binding
from textual.widget import Widget

from workbench.protocol import AnyEvent, DatasetOpened, Failed, FormatFound, RolesShown, ShowRoles
from workbench.session import DataFormat, DatasetSettings
from workbench.text import one_line
from workbench.ui.screens.picker import ChoiceScreen, ColumnScreen
from workbench.ui.screens.sheet import Sheet
from workbench.ui.widgets.lines import Line, Lines, clip, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.base import Base

WORDS: dict[str, str] = {
    "auto": "as it is recognised",
    "wording": "the prompt pane's template and answer say it",
    "text": "a text to continue, such as a book",
    "prompt_completion": "a prompt and its answer",
    "messages": "a conversation: role and content",
    "sharegpt": "a conversation: from and value",
    "alpaca": "instruction, input, output",
    "preference": "a chosen and a rejected answer",
    "classification": "a text and its label, labels or number",
    "translation": "a sentence in two languages",
}


class FormatScreen(Sheet):
    """The result is "keep" where `dataset` is to be kept."""

    TITLE_TEXT = "What a row is"
    HINT = "← → or enter changes · u uses it · esc leaves it as it was"
    DEFAULT_CSS = """
    FormatScreen Listing { height: 2fr; }
    FormatScreen Lines { height: 3fr; border-top: solid $frame; overflow-x: hidden; }
    """
    BINDINGS = [
        Binding("left", "turn(-1)", show=False, priority=True),
        Binding("right", "turn(1)", show=False, priority=True),
        Binding("u,ctrl+j", "use", show=False),
    ]

    def __init__(self, bench: "Base", opened: DatasetOpened) -> None:
        super().__init__()
        self.bench, self.opened = bench, opened
        self.dataset: DatasetSettings = bench.session.dataset
        assert opened.format is not None
        self.found: FormatFound = opened.format
        self.shown: RolesShown | None = None
        self.problem = ""
        self.request = -1
        self.listing = Listing(self.head, self.item, id="roles")
        self.preview = Lines(self.draw, id="preview")

    def inside(self) -> Iterator[Widget]:
        yield self.listing
        yield self.preview

    def on_mount(self) -> None:
        self.bench.sheet = self
        self.listing.take(1 + len(self.found.roles))
        self.listing.focus()
        self.try_it()

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    # --- trying ------------------------------------------------------------------------------

    def try_it(self) -> None:
        values = self.bench.browsing.values
        self.request = self.bench.send(
            ShowRoles(dataset=self.dataset, prompt=self.bench.session.prompt(), values=values or {})
        )

    def hear(self, event: AnyEvent) -> bool:
        if event.request != self.request:
            return False
        if isinstance(event, RolesShown):
            self.found, self.shown, self.problem = event.found, event, ""
        elif isinstance(event, Failed):
            self.problem = event.message
        self.listing.take(1 + len(self.found.roles))
        self.preview.redraw()
        return True

    def change(self, **values: object) -> None:
        self.dataset = msgspec.structs.replace(self.dataset, **values)
        self.try_it()

    def set_format(self, name: str) -> None:
        if name != self.dataset.format:
            self.change(format=name, mapping={})

    def set_column(self, role: str, column: str) -> None:
        mapping = {**self.found.mapping, role: column}
        self.change(mapping={name: one for name, one in mapping.items() if one})

    # --- keys --------------------------------------------------------------------------------

    @property
    def role(self) -> str:
        """The role under the cursor; empty for the format itself."""
        at = self.listing.cursor - 1
        return self.found.roles[at] if 0 <= at < len(self.found.roles) else ""

    def action_turn(self, by: int) -> None:
        if not self.role:
            formats = list(get_args(DataFormat))
            at = formats.index(self.dataset.format)
            self.set_format(formats[(at + by) % len(formats)])
            return
        role = self.role.rstrip("?")
        columns = [*([""] if self.role.endswith("?") else []), *self.opened.columns]
        now = self.found.mapping.get(role, "")
        at = columns.index(now) if now in columns else -1 if by > 0 else 0
        self.set_column(role, columns[(at + by) % len(columns)])

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        if not self.role:
            choices = [(name, WORDS[name]) for name in get_args(DataFormat)]
            sheet = ChoiceScreen("Format", choices, self.dataset.format)
            self.app.push_screen(sheet, lambda name: self.set_format(name) if name else None)
            return
        role = self.role.rstrip("?")
        none = "(none)" if self.role.endswith("?") else ""
        columns = ColumnScreen(
            f"Column of {role}",
            self.opened.columns,
            self.opened.types,
            self.found.mapping.get(role, ""),
            none,
        )
        self.app.push_screen(
            columns, lambda name: self.set_column(role, name) if name is not None else None
        )

    def action_use(self) -> None:
        self.dismiss("keep")

    # --- drawing -----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        why = self.found.why
        return [*wrap(why, width, "quiet")[:3], []]

    def item(self, index: int, _width: int) -> Line:
        if index == 0:
            name = self.dataset.format
            words = self.found.format if name == "auto" else WORDS[name]
            return [
                (f"{'format':<13}", "title"),
                (name.replace("_", "/"), "strong"),
                (f"  {words.replace('_', '/')}", "quiet"),
            ]
        role = self.found.roles[index - 1]
        column = self.found.mapping.get(role.rstrip("?"), "")
        line: Line = [(f"  {role.rstrip('?'):<11}", "title")]
        if column:
            return [*line, ("← ", "quiet"), (one_line(column, 60), "strong")]
        optional = role.endswith("?")
        return [
            *line,
            ("may be left out" if optional else "needs a column", "quiet" if optional else "bad"),
        ]

    def draw(self, width: int) -> list[Line]:
        """The selected row as it would be."""
        problem = self.problem or (self.shown.problem if self.shown else "") or self.found.problem
        lines = wrap("✗ " + problem, width, "bad") if problem else []
        if self.bench.browsing.values is None:
            return [*lines, *wrap("There is no row to try it on.", width, "quiet")]
        if self.shown is None:
            return [*lines, [("…", "quiet")]]
        if self.shown.row:
            lines.append([("The selected row would be", "quiet")])
        for role, value in self.shown.row.items():
            lines += value_lines(role, value, width)
        return lines


def value_lines(role: str, value: object, width: int) -> list[Line]:
    """A role and its value; turns of a conversation one below the other."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        lines: list[Line] = [[(one_line(role, 40), "title")]]
        for turn in value:
            name = one_line(str(turn.get("role", "")), 20)
            text = turn.get("content", turn)
            body = wrap(text if isinstance(text, str) else repr(text), max(1, width - 14))
            lines += [
                [(f"  {name if not index else '':<11} ", "quiet"), *line]
                for index, line in enumerate(body)
            ]
        return lines
    body = wrap(value if isinstance(value, str) else repr(value), max(1, width - 14))
    label = one_line(role, 12)
    return [
        clip([(f"{label if not index else '':<13} ", "title"), *line], width)
        for index, line in enumerate(body)
    ]
