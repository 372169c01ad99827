"""The exact text that the model gets, as text or token by token with its ids.

Where its parts are known they are named; the answer's beginning is marked, and what is longer than
the context is struck out.
"""

import re

from textual.binding import Binding

from workbench.protocol import PromptRendered
from workbench.text import literal, one_line
from workbench.ui.screens.sheet import Reading
from workbench.ui.units import count, plural
from workbench.ui.widgets.lines import Line, cells, clip, wrap

SPECIAL = re.compile(r"<\|[^|<>]*\|>|</?s>|<(?:pad|unk|bos|eos|mask)>|\[(?:CLS|SEP|MASK|PAD|UNK)\]")


class ExactScreen(Reading):
    HINT = "t shows tokens or text · alt+c copies · esc closes"
    BINDINGS = [
        Binding("t,tab", "turn", show=False, priority=True),
        Binding("alt+c", "copy", show=False, priority=True),
    ]

    def __init__(self, rendered: PromptRendered) -> None:
        super().__init__(title(rendered), self.draw)
        self.rendered = rendered
        self.by_token = False

    def draw(self, width: int) -> list[Line]:
        body = token_lines if self.by_token else text_lines
        return [
            *head_lines(self.rendered, width),
            *body(self.rendered, width),
            *foot_lines(self.rendered, width),
        ]

    def action_turn(self) -> None:
        if not self.rendered.tokens:
            self.app.notify("The server has the tokenizer: there are no tokens to show.")
            return
        self.by_token = not self.by_token
        self.lines.redraw(to_top=True)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.rendered.text)
        self.app.notify(
            f"Copied the exact prompt, {len(self.rendered.text):,} characters.", markup=False
        )


def title(rendered: PromptRendered) -> str:
    if rendered.token_count < 0:
        return "What the server gets"
    of = f" of {count(rendered.context_length)}" if rendered.context_length else ""
    return f"What the model gets: {plural(rendered.token_count, 'token')}{of}"


def beyond(rendered: PromptRendered) -> int:
    """Tokens that the context has no room for."""
    return max(0, rendered.token_count - rendered.context_length) if rendered.context_length else 0


def head_lines(rendered: PromptRendered, width: int) -> list[Line]:
    """What each part takes, which rows are examples, and what there is no room for."""
    lines: list[Line] = []
    if cut := beyond(rendered):
        words = (
            f"{plural(cut, 'token')} more than the model takes: those struck out. Nothing is cut "
            "for you; shorten the wording, take fewer examples or a shorter row."
        )
        lines += wrap(words, width, "bad")
    if known := {name: tokens for name, tokens in rendered.parts.items() if tokens}:
        words = " · ".join(
            f"{one_line(name.replace('_', ' '), 30)} {count(n)}" for name, n in known.items()
        )
        lines += wrap(f"Tokens: {words}", width, "quiet")
    if rendered.examples:
        rows = ", ".join(count(number + 1) for number in rendered.examples)
        lines += wrap(f"Examples: row {rows}", width, "quiet")
    return [*lines, [("─" * width, "frame")]] if lines else []


def foot_lines(rendered: PromptRendered, width: int) -> list[Line]:
    """Where the answer begins."""
    room = rendered.context_length - rendered.token_count
    words = "── here the answer begins"
    if rendered.token_count >= 0 and rendered.context_length and room >= 0:
        words += f": room for {plural(room, 'token')}"
    return [clip([(words + " " + "─" * (width - len(words) - 1), "good")], width)]


def text_lines(rendered: PromptRendered, width: int) -> list[Line]:
    cut = len(rendered.text)
    if beyond(rendered) and rendered.tokens:
        kept = sum(map(len, rendered.tokens[: rendered.context_length]))
        cut = kept if kept < len(rendered.text) else cut
    lines = inked(rendered.text[:cut], width)
    return [*lines, *wrap(rendered.text[cut:], width, "truncated")] if beyond(rendered) else lines


def inked(text: str, width: int) -> list[Line]:
    """A text with its special tokens in a colour of their own."""
    lines = []
    for (part, ink), *_ in wrap(text, width):
        line: Line = []
        end = 0
        for match in SPECIAL.finditer(part):
            line += [(part[end : match.start()], ink), (match[0], "special")]
            end = match.end()
        lines.append([*line, (part[end:], ink)])
    return lines


def token_lines(rendered: PromptRendered, width: int) -> list[Line]:
    """Each token with its id; the space that begins a token and a line's end are made visible."""
    lines: list[Line] = []
    line: Line = []
    kept = rendered.context_length or len(rendered.tokens)
    for index, (token, number) in enumerate(zip(rendered.tokens, rendered.ids, strict=False)):
        ink = "special" if SPECIAL.fullmatch(token) else "even" if index % 2 else "odd"
        ink = ink if index < kept else "truncated"
        shown = literal(token).replace("\n", "⏎").replace(" ", "·")
        piece: Line = clip([(shown, ink), (f" {number}  ", "quiet")], width)
        if line and cells(line) + cells(piece) > width:
            lines.append(line)
            line = []
        line += piece
        if token.endswith("\n"):
            lines.append(line)
            line = []
    return [*lines, line]
