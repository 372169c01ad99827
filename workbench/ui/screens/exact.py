"""The exact text that the model gets, as text or token by token with its ids."""

import re

from textual.binding import Binding

from workbench.protocol import PromptRendered
from workbench.text import literal
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
        super().__init__(
            f"What the model gets: {plural(rendered.token_count, 'token')} of "
            f"{count(rendered.context_length)}",
            self.draw,
        )
        self.rendered = rendered
        self.by_token = False

    def draw(self, width: int) -> list[Line]:
        return (
            token_lines(self.rendered, width) if self.by_token else text_lines(self.rendered, width)
        )

    def action_turn(self) -> None:
        self.by_token = not self.by_token
        self.lines.redraw(to_top=True)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.rendered.text)
        self.app.notify(
            f"Copied the exact prompt, {len(self.rendered.text):,} characters.", markup=False
        )


def text_lines(rendered: PromptRendered, width: int) -> list[Line]:
    lines = []
    for (text, ink), *_ in wrap(rendered.text, width):
        line: Line = []
        end = 0
        for match in SPECIAL.finditer(text):
            line += [(text[end : match.start()], ink), (match[0], "special")]
            end = match.end()
        lines.append([*line, (text[end:], ink)])
    return lines


def token_lines(rendered: PromptRendered, width: int) -> list[Line]:
    """Each token with its id; the space that begins a token and a line's end are made visible."""
    lines: list[Line] = []
    line: Line = []
    for index, (token, number) in enumerate(zip(rendered.tokens, rendered.ids, strict=False)):
        ink = "special" if SPECIAL.fullmatch(token) else "even" if index % 2 else "odd"
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
