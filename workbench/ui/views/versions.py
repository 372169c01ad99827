"""The versions view: every wording that was ever run, with what it was measured at."""

import time
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.protocol import Figure, Version
from workbench.text import one_line
from workbench.ui.measurement import (
    Measurement,
    interval_words,
    metric_words,
    value_words,
)
from workbench.ui.units import count, plural
from workbench.ui.views.record import clipped
from workbench.ui.widgets.lines import Line, Lines, clip, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.base import Base


class VersionsView(Vertical):
    DEFAULT_CSS = """
    VersionsView { height: 1fr; }
    VersionsView > Listing { height: 3fr; }
    VersionsView > Lines { height: 2fr; border-top: solid $frame; overflow-x: hidden; }
    VersionsView > Lines:focus { border-top: solid $primary; }
    """

    def __init__(self, app: "Base") -> None:
        super().__init__(id="versions-view")
        self.bench = app
        self.listing = Listing(self.head, self.item, id="versions")
        self.detail = Lines(self.draw, id="version")

    def compose(self) -> ComposeResult:
        yield self.listing
        yield self.detail

    def on_mount(self) -> None:
        self.bench.varying.ask()  # answers to single rows make versions, too

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    def back(self) -> bool:
        return False

    @property
    def subtitle(self) -> str:
        return plural(len(self.versions), "version") if self.versions else ""

    @property
    def versions(self) -> list[Version]:
        return self.bench.varying.versions

    @property
    def chosen(self) -> Version | None:
        at = self.listing.cursor
        return self.versions[at] if at < len(self.versions) else None

    @property
    def measurement(self) -> Measurement | None:
        """The newest of the chosen version."""
        if self.chosen is None or not self.chosen.figures:
            return None
        newest = max(self.chosen.figures, key=lambda figure: figure.time)
        one = self.chosen
        return Measurement(
            one.name, newest.weights, one.prompt, newest.model, newest.measurement, figure=newest
        )

    def redraw(self) -> None:
        self.listing.take(len(self.versions))
        self.detail.redraw()

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.detail.redraw(to_top=True)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.bench.call_later(self.bench.run_action, "measured_rows")

    # --- drawing -----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        if not self.versions:
            words = "No variant of this session was run yet: F5 asks it, F8 measures it."
            return wrap(words, width, "quiet")
        name = self.name_width()
        title = f"  {'variant':<{name}} {'last run':<13}{'asked':>7}  measured"
        return [clip([(title, "title")], width)]

    def name_width(self) -> int:
        longest = max((cell_len(one_line(one.name, 24)) for one in self.versions), default=7)
        return max(7, min(24, longest))

    def item(self, index: int, width: int) -> Line:  # noqa: ARG002
        one = self.versions[index]
        name = self.name_width()
        label = clipped(one_line(one.name, 40), name)
        now = any(prompt == one.prompt for prompt in self.bench.session.prompts)
        line: Line = [
            ("● " if now else "  ", "good"),
            (label + " " * (name - cell_len(label)) + " ", "strong"),
            (f"{when(one.last_run):<13}", "quiet"),
            (f"{count(one.answers):>7}  ", "quiet"),
        ]
        newest = sorted(one.figures, key=lambda figure: -figure.time)
        for figure in newest[:3]:
            line += [
                (f"{value_words(figure.value, figure.unit)} ", "strong"),
                (f"{metric_words(figure.metric)} ", "quiet"),
                (f"{figure.weights}  ", figure.weights),
            ]
        return line if newest else [*line, ("not measured", "quiet")]

    def draw(self, width: int) -> list[Line]:
        one = self.chosen
        if one is None:
            return []
        from workbench.ui.differences import prompt_lines

        keys: Line = [("enter ", "key"), ("its rows  ", "quiet")] if one.figures else []
        keys += [("s ", "key"), ("takes it back as a variant", "quiet")]
        lines = [clip(keys, width)]
        lines += [figure_line(figure, width) for figure in one.figures]
        named = [prompt for prompt in self.bench.session.prompts if prompt.name == one.name]
        if not named:
            return [*lines, *wrap(one.prompt.template, width, "quiet")]
        changed = prompt_lines(one.prompt, named[0], self.bench.session, width)
        words = (
            "What the variant is now, line by line:" if changed else "The variant is the same now."
        )
        return [*lines, [], *wrap(words, width, "quiet"), *changed]


def figure_line(figure: Figure, width: int) -> Line:
    words = interval_words(figure.low, figure.high, figure.unit)
    part = "" if figure.complete else " · not all rows"
    return clip(
        [
            (f"{when(figure.time):<13}", "quiet"),
            (f"{figure.weights:<6}", figure.weights),
            (f"{value_words(figure.value, figure.unit):>8} ", "strong"),
            (f"{metric_words(figure.metric)}  {words}", "text"),
            (f"  {plural(figure.rows, 'row')}{part} · {one_line(figure.model, 40)}", "quiet"),
        ],
        width,
    )


def when(seconds: float) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(seconds))
