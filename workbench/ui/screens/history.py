"""Every version of a variant that was ever run, with its figures; any of them can be taken back."""

import time
from collections.abc import Iterator

from textual.binding import Binding
from textual.widget import Widget

from workbench.protocol import Version
from workbench.session import Prompt, Session
from workbench.text import one_line
from workbench.ui.differences import prompt_lines
from workbench.ui.screens.sheet import Sheet
from workbench.ui.units import plural
from workbench.ui.varying import same_text
from workbench.ui.views.variant import measured_lines, text_lines
from workbench.ui.views.variants import figure_words
from workbench.ui.widgets.lines import Line, Lines, wrap
from workbench.ui.widgets.listing import Listing


class HistoryScreen(Sheet):
    """The result is "take" where the version `taken` is to be the variant's text again, "new"
    where it is to be a variant of its own."""

    HINT = "enter takes it back · n as a variant · v diff · a all · esc closes"
    DEFAULT_CSS = """
    HistoryScreen > #sheet { width: 92%; max-width: 130; height: 92%; }
    HistoryScreen Listing { height: 2fr; }
    HistoryScreen Lines { height: 3fr; border-top: solid $frame; overflow-x: hidden; }
    """
    BINDINGS = [
        Binding("n", "as_new", show=False),
        Binding("v", "turn", show=False),
        Binding("a", "all", show=False),
    ]

    def __init__(
        self, prompt: Prompt, own: list[Version], every: list[Version], session: Session
    ) -> None:
        super().__init__()
        self.TITLE_TEXT = f"History of {one_line(prompt.name, 40)}"
        self.prompt, self.own, self.every = prompt, own, every
        self.session = session
        self.versions = own
        self.whole = False  # show the text rather than what differs
        self.taken: Version | None = None
        self.listing = Listing(self.head, self.item, id="history")
        self.about = Lines(self.draw, id="version")

    def inside(self) -> Iterator[Widget]:
        yield self.listing
        yield self.about

    def on_mount(self) -> None:
        self.listing.take(len(self.versions))
        self.listing.focus()

    @property
    def version(self) -> Version | None:
        at = self.listing.cursor
        return self.versions[at] if at < len(self.versions) else None

    # --- keys --------------------------------------------------------------------------------

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.about.redraw(to_top=True)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.taken = self.version
        self.dismiss("take")

    def action_as_new(self) -> None:
        if self.version:
            self.taken = self.version
            self.dismiss("new")

    def action_turn(self) -> None:
        self.whole = not self.whole
        self.about.redraw(to_top=True)

    def action_all(self) -> None:
        self.versions = self.every if self.versions is self.own else self.own
        self.listing.take(len(self.versions))
        self.about.redraw(to_top=True)

    # --- drawing -----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        if not self.versions:
            return wrap("Nothing was run yet: F5 answers, F8 measures.", width, "quiet")
        of = "of all variants" if self.versions is self.every else "of this variant"
        return [[(f"{plural(len(self.versions), 'version')} {of}, the newest first", "quiet")]]

    def item(self, index: int, _width: int) -> Line:
        one = self.versions[index]
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last_run))
        figures = sorted(one.figures, key=lambda figure: -figure.time)
        words = ", ".join(f"{figure_words(f)} {f.metric.replace('_', ' ')}" for f in figures[:2])
        now = " (as it is now)" if same_text(one.prompt, self.prompt) else ""
        return [
            (f"{when}  ", "quiet"),
            (f"{one_line(one.name, 20):<20} ", "strong"),
            (f"{words or 'not measured':<26} ", "good" if words else "quiet"),
            (f"{plural(one.answers, 'answer')}{now}", "quiet"),
        ]

    def draw(self, width: int) -> list[Line]:
        one = self.version
        if one is None:
            return []
        lines = [line for figure in one.figures for line in measured_lines(figure, width)]
        lines += [[]] if lines else []
        if self.whole:
            return [*lines, *text_lines(one.prompt, width)]
        found = prompt_lines(one.prompt, self.prompt, self.session, width)
        if not found:
            return [*lines, *wrap("This is the text that the variant has now.", width, "quiet")]
        return [*lines, [("- this version   + as it is now", "quiet")], *found]
