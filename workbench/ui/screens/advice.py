"""What makes a wording worse: each with its place and its reason; enter goes there."""

from collections.abc import Iterator

from textual.widget import Widget

from workbench.protocol import Advice
from workbench.session import Prompt
from workbench.text import one_line
from workbench.ui import parts
from workbench.ui.screens.sheet import Sheet
from workbench.ui.units import plural
from workbench.ui.widgets.lines import Line, Lines, clip, wrap
from workbench.ui.widgets.listing import Listing

SIGNS = {"bad": ("✗", "bad"), "warn": ("!", "warn"), "note": ("·", "accent")}
AROUND = 40  # characters that are shown on each side of a place


class AdviceScreen(Sheet):
    """The result is the number of the advice to go to."""

    HINT = "enter goes to the place · esc closes"
    DEFAULT_CSS = """
    AdviceScreen Listing { height: 1fr; }
    AdviceScreen Lines { height: 9; border-top: solid $frame; overflow-x: hidden; }
    """

    def __init__(self, prompt: Prompt, advice: list[Advice]) -> None:
        super().__init__()
        self.TITLE_TEXT = f"Advice on {one_line(prompt.name, 40)}"
        self.prompt, self.advice = prompt, advice
        self.listing = Listing(self.head, self.item, id="advice")
        self.about = Lines(self.draw, id="about-advice")

    def inside(self) -> Iterator[Widget]:
        yield self.listing
        yield self.about

    def on_mount(self) -> None:
        self.listing.take(len(self.advice))
        self.listing.focus()

    def head(self, width: int) -> list[Line]:
        if self.advice:
            counts = [
                plural(number, word)
                for severity, word in (("bad", "error"), ("warn", "warning"), ("note", "note"))
                if (number := sum(one.severity == severity for one in self.advice))
            ]
            return [[(", ".join(counts), "quiet")], []]
        return wrap("Nothing is known against this wording.", width, "good")

    def item(self, index: int, _width: int) -> Line:
        one = self.advice[index]
        sign, ink = SIGNS[one.severity]
        return [
            (f"{sign} ", ink),
            (f"{place(self.prompt, one):<24} ", "title"),
            (one_line(one.words, 300), "text"),
        ]

    def draw(self, width: int) -> list[Line]:
        if not self.advice:
            return []
        one = self.advice[self.listing.cursor]
        lines = wrap(one.words, width, "strong")
        if excerpt := excerpt_of(self.prompt, one, width):
            lines += [excerpt]
        return [*lines, *wrap(one.why, width)]

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.about.redraw(to_top=True)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.dismiss(str(self.listing.cursor))


def place(prompt: Prompt, one: Advice) -> str:
    """Where it is, in words: Template, line 3."""
    name = one_line(parts.label(prompt, one.where), 30)
    return f"{name}, line {one.line + 1}" if one.line >= 0 and one.length else name


def excerpt_of(prompt: Prompt, one: Advice, width: int) -> Line | None:
    """The line of the place, with the place itself marked by more than colour."""
    lines = parts.text_of(prompt, one.where).split("\n")
    if not one.length or not 0 <= one.line < len(lines):
        return None
    text, end = lines[one.line], one.column + one.length
    before = text[max(0, one.column - AROUND) : one.column]
    marked, after = text[one.column : end], text[end : end + AROUND]
    shown: Line = [
        ("  ", "quiet"),
        (one_line(before), "quiet"),
        (one_line(marked).replace(" ", "·") if marked.isspace() else one_line(marked), "column"),
        (one_line(after), "quiet"),
    ]
    return clip(shown, width)
