"""A small list under the cursor of an editor: what may come there."""

from textual.geometry import Offset
from textual.strip import Strip

from workbench.text import one_line
from workbench.ui.completing import Choice
from workbench.ui.widgets.lines import Inked, Line, cells, clip, pad

MOST = 8  # lines that are shown at once
WIDEST = 40


class Suggestions(Inked):
    """Takes no focus: the editor passes it the keys."""

    DEFAULT_CSS = """
    Suggestions { overlay: screen; position: absolute; display: none; width: auto; height: auto;
        background: $bar; constrain: inside none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.choices: tuple[Choice, ...] = ()
        self.cursor = self.top = 0

    @property
    def open(self) -> bool:
        return bool(self.display)

    @property
    def chosen(self) -> Choice:
        return self.choices[self.cursor]

    def show(self, choices: tuple[Choice, ...], at: Offset) -> None:
        """Show the choices under a place on the screen, above it where there is no room."""
        self.choices, self.cursor, self.top = choices, 0, 0
        wide = max(cells([(one_line(one.shown, WIDEST), "")]) for one in choices[:200])
        high = min(MOST, len(choices))
        self.styles.width, self.styles.height = wide + 2, high
        below = at.y + 1
        room = self.screen.size.height - below
        self.absolute_offset = Offset(at.x, below if room >= high else max(0, at.y - high))
        self.display = True
        self.refresh(layout=True)

    def close(self) -> None:
        self.display = False

    def move(self, by: int) -> None:
        self.cursor = (self.cursor + by) % len(self.choices)
        self.top = min(self.top, self.cursor)
        self.top = max(self.top, self.cursor - min(MOST, len(self.choices)) + 1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        index = self.top + y
        if index >= len(self.choices):
            return self.strip([], width)
        words: Line = [(" " + one_line(self.choices[index].shown, WIDEST), "text")]
        if index != self.cursor:
            return self.strip(pad(clip(words, width), width), width)
        return self.strip([(text, "cursor") for text, _ in pad(clip(words, width), width)], width)
