"""The tokens view: what the trainer gets from the selected row, token by token.

Roles are told apart by underline and strike as well as by colour: a screen may have none.
"""

from collections import Counter

from rich.cells import cell_len, chop_cells
from textual.binding import Binding

from workbench.protocol import Badge, TokenRole, TokenSequence, TokensInspected
from workbench.text import literal, one_line
from workbench.ui.inspecting import Look
from workbench.ui.units import count, plural
from workbench.ui.views.looking import state_lines
from workbench.ui.widgets.lines import Line, Lines, cells, wrap

MOST = 20_000  # tokens of a sequence that are laid out
INK: dict[TokenRole, str] = {
    "context": "context",
    "trained": "trained",
    "truncated": "truncated",
    "special": "token-special",
    "special_trained": "token-special-trained",
}
WORDS: dict[TokenRole, str] = {
    "context": "context",
    "trained": "trained on",
    "truncated": "truncated",
    "special": "special",
    "special_trained": "special, trained on",
}
WHOLE = "one loss for the row"  # in how a row becomes tokens
OF_WHOLE: dict[TokenRole, str] = {"context": "read", "trained": "loss on the row"}
SEVERITY = {"bad": ("✗ ", "bad"), "warn": ("! ", "warn"), "note": ("· ", "quiet")}


class TokensView(Lines):
    DEFAULT_CSS = "TokensView { height: 1fr; overflow-x: hidden; }"
    BINDINGS = [
        Binding("left", "app.previous_row", show=False),
        Binding("right", "app.next_row", show=False),
    ]

    def __init__(self, look: Look[TokensInspected]) -> None:
        super().__init__(self.lay_out, id="tokens-view")
        self.look = look
        self.ids = False
        self.row = 0  # number of the selected row
        self.laid: tuple[object, int, bool] | None = None  # what `body` was laid out from
        self.body: list[Line] = []

    def go(self) -> None:
        self.screen.set_focus(self)

    def lay_out(self, width: int) -> list[Line]:
        top: Line = [
            (f"row {self.row + 1:,}", "strong"),
            ("  ← → ", "key"),
            ("another  ", "quiet"),
            ("i ", "key"),
            ("text" if self.ids else "ids", "quiet"),
        ]
        look, result = self.look, self.look.result
        if result is None or look.problem:
            return [top, [], *state_lines(look, width, "Reading the tokenizer")]
        wanted = (result, width, self.ids)
        if self.laid != wanted:
            self.laid, self.body = wanted, inspected_lines(result, width, self.ids)
        return [top, *self.body]


def inspected_lines(result: TokensInspected, width: int, ids: bool) -> list[Line]:
    """Badges, a legend, and every sequence."""
    lines: list[Line] = []
    for badge in sorted(result.badges, key=lambda one: list(SEVERITY).index(one.severity)):
        lines += badge_lines(badge, width)
    if not any(badge.severity != "note" for badge in result.badges):
        lines += wrap("✓ Nothing odd about this row.", width, "good")
    for sequence in result.sequences:
        lines.append([])
        if len(result.sequences) > 1:
            lines.append([(sequence.name, "title")])
        lines += [
            *legend(sequence, width, WHOLE in result.how),
            *sequence_lines(sequence, result, width, ids),
        ]
    return [*lines, [], *wrap(f"{result.how}", width, "quiet")]


def badge_lines(badge: Badge, width: int) -> list[Line]:
    sign, ink = SEVERITY[badge.severity]
    body = wrap(badge.words, max(1, width - 2), ink)
    return [[(sign if not index else "  ", ink), *line] for index, line in enumerate(body)]


def legend(sequence: TokenSequence, width: int, whole: bool = False) -> list[Line]:
    """How many tokens have which role, each in its role's own looks; of a row that has one loss
    as a `whole`, that no token has one of its own."""
    numbers = Counter(sequence.roles)
    lines: list[Line] = []
    line: Line = [(plural(len(sequence.ids), "token") + ":", "quiet")]
    for role, ink in INK.items():
        if not numbers[role] and role in ("truncated", "special_trained"):
            continue
        words, amount = WORDS[role], f" {count(numbers[role])} "
        if whole and role in OF_WHOLE and not (role == "trained" and numbers[role]):
            words, amount = OF_WHOLE[role], amount if numbers[role] else " "
        item: Line = [(" ", "quiet"), (words, ink), (amount, "quiet")]
        if cells(line) + cells(item) > width:
            lines.append(line)
            line = []
        line += item
    return [*lines, line]


def sequence_lines(
    sequence: TokenSequence, result: TokensInspected, width: int, ids: bool
) -> list[Line]:
    """The tokens as text, or each with its id; where max_length ends is said."""
    lines: list[Line] = []
    line: Line = []
    used = 0
    for index, (piece, role) in enumerate(
        zip(sequence.pieces[:MOST], sequence.roles, strict=False)
    ):
        if index == sequence.kept and index:
            if line:
                lines.append(line)
            lines.append(boundary(result.max_length, width))
            line, used = [], 0
        ink = INK[role] + ("-odd" if index % 2 else "")
        text = literal(piece)
        ended = text.endswith("\n")
        text = text.replace("\n", "⏎")
        if ids:
            text = text.replace(" ", "·")
        number = f" {sequence.ids[index]}  " if ids else ""
        for part in chop_cells(text, max(1, width - len(number))) or [""]:
            wide = cell_len(part) + len(number)
            if line and used + wide > width:
                lines.append(line)
                line, used = [], 0
            line.append((part, ink))
            used += wide
        if number:
            line.append((number, "quiet"))
        if ended:
            lines.append(line)
            line, used = [], 0
    if line:
        lines.append(line)
    if rest := len(sequence.pieces) - MOST:
        lines += [[(f"… {rest:,} more tokens", "quiet")]] if rest > 0 else []
    return lines


def boundary(max_length: int, width: int) -> Line:
    words = one_line(f" max_length {max_length:,}: what follows is cut ", width)
    rest = max(0, width - len(words) - 2)
    return [("──", "bad"), (words, "bad"), ("─" * rest, "bad")]
