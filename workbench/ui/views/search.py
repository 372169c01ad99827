"""The search view: a better prompt is looked for, candidate by candidate, and what came of it."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.protocol import CandidateTried, Optimized
from workbench.text import one_line
from workbench.ui.measurement import interval_words, unit_of, value_words
from workbench.ui.units import count, duration, plural
from workbench.ui.views.compared import difference_words, p_words
from workbench.ui.widgets.intervals import BAR, interval_bar
from workbench.ui.widgets.lines import Line, Lines, clip, progress_bar, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.base import Base


class SearchView(Vertical):
    DEFAULT_CSS = """
    SearchView { height: 1fr; }
    SearchView > Listing { height: 3fr; }
    SearchView > Lines { height: 2fr; border-top: solid $frame; overflow-x: hidden; }
    SearchView > Lines:focus { border-top: solid $primary; }
    """

    def __init__(self, app: "Base") -> None:
        super().__init__(id="search-view")
        self.bench = app
        self.desk = app.improving
        self.listing = Listing(self.head, self.item, id="candidates")
        self.detail = Lines(self.draw, id="candidate")
        self.following = True  # the cursor is on the best one until it is moved

    def compose(self) -> ComposeResult:
        yield self.listing
        yield self.detail

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    def back(self) -> bool:
        return False

    @property
    def subtitle(self) -> str:
        tried = len(self.desk.candidates)
        return plural(tried, "candidate") if tried else ""

    @property
    def metric(self) -> str:
        desk = self.desk
        if desk.outcome:
            return desk.outcome.metric
        return desk.settings.metric or next(iter(self.bench.session.evaluation.metrics), "accuracy")

    def redraw(self) -> None:
        if not self.desk.candidates:
            self.following = True
        best = self.desk.best
        if self.following and best:
            self.listing.cursor = self.desk.candidates.index(best)
        self.listing.take(len(self.desk.candidates))
        self.detail.redraw()

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.following = False
        self.detail.redraw(to_top=True)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.screen.set_focus(self.detail)

    # --- the head ----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        desk = self.desk
        if desk.start is None:
            return [
                *wrap("No search was made yet.", width, "strong"),
                [],
                *wrap(
                    "A search tries other instructions and examples on development rows, and "
                    "reports what the best is worth on rows that it never saw.",
                    width,
                ),
                [("alt+f ", "key"), ("says what to try, and begins", "text")],
            ]
        lines = self.state_lines(width)
        if desk.outcome:
            lines += outcome_lines(desk.outcome, width)
        if desk.candidates and not desk.under_way:
            keys: Line = [("s ", "key"), ("adds the one chosen as a variant  ", "quiet")]
            keys += [("alt+f ", "key"), ("searches again", "quiet")]
            lines.append(clip(keys, width))
        if desk.candidates:
            bar = self.bar_width(width)
            title = (
                f"{'':>6} {'value':>8}  {'95 % interval':<{bar + (bar > 0) + 17}} what was changed"
            )
            lines.append(clip([(title, "title")], width))
        return lines

    def state_lines(self, width: int) -> list[Line]:
        desk = self.desk
        assert desk.start is not None
        lines: list[Line] = []
        if desk.message:
            sign, ink = ("✗", "bad") if desk.failed else ("■", "warn")
            lines += wrap(f"{sign} {desk.message}", width, ink)
        if not desk.under_way:
            return lines
        last = desk.candidates[-1] if desk.candidates else None
        words = f"● searching from {one_line(desk.start.name, 30)}"
        progress = desk.progress
        if desk.stopping:
            words = "Stopping; the best so far is kept …"
        elif progress:
            words += f" · {one_line(progress.what, 60)}"
        lines.append(clip([(words, "accent")], width))
        spent, budget, unit = 0.0, 0.0, "answers"
        if last and last.budget:
            spent, budget = last.spent, last.budget
        elif progress and progress.total:
            spent, budget, unit = progress.done, progress.total, progress.unit
        if budget:
            bar = progress_bar(spent / budget, min(30, width // 3), "accent")
            facts = f" {spent:,.0f} of {budget:,.0f} {unit}"
            if progress and progress.seconds_left >= 0:
                facts += f" · {duration(progress.seconds_left)} left"
            lines.append(clip([*bar, (facts, "quiet")], width))
        if last:
            best, unit_ = desk.best, unit_of(self.metric)
            words = f"best so far {value_words(last.best_value, unit_)}"
            whose = f" · candidate {best.index}" if best else " · the start: none is better yet"
            lines.append(clip([(words, "good" if best else "strong"), (whose, "quiet")], width))
        if not desk.stopping:
            lines.append([("esc ", "key"), ("stops and keeps the best", "quiet")])
        return lines

    # --- candidates --------------------------------------------------------------------------

    def item(self, index: int, width: int) -> Line:
        one = self.desk.candidates[index]
        unit = unit_of(self.metric)
        best = one is self.desk.best
        sign = "★" if best else " "
        line: Line = [
            (f"{sign}{'+' if index in self.desk.kept else ' '}", "good"),
            (f"{one.index:>4} ", "strong" if best else "quiet"),
            (f"{value_words(one.value, unit):>8}  ", "strong" if best else "text"),
        ]
        top = 1.0 if unit == "share" else max(c.high for c in self.desk.candidates) or 1.0
        line += interval_bar(one, 0.0, top, self.bar_width(width))
        words = interval_words(one.low, one.high, unit)
        return [*line, (f"{words:<17} ", "quiet"), (one_line(one.what, 300), "text")]

    @staticmethod
    def bar_width(width: int) -> int:
        return BAR if width >= 70 else 0

    @property
    def chosen(self) -> CandidateTried | None:
        at = self.listing.cursor
        return self.desk.candidates[at] if at < len(self.desk.candidates) else None

    def draw(self, width: int) -> list[Line]:
        """What the chosen candidate changed in the wording that the search began with."""
        one, start = self.chosen, self.desk.start
        if one is None or start is None:
            return []
        from workbench.ui.differences import prompt_lines

        title: Line = [(f"candidate {one.index}", "title")]
        facts = f"  {plural(one.rows, 'development row')}"
        if one.parent:
            facts += f" · made from candidate {one.parent}"
        lines = [clip([*title, (facts, "quiet")], width)]
        lines += wrap(one.what, width) if one.what else []
        changed = prompt_lines(start, one.prompt, self.bench.session, width)
        return [*lines, [], *(changed or [[("This is the prompt that it began with.", "quiet")]])]


def outcome_lines(outcome: Optimized, width: int) -> list[Line]:
    """What the best is worth on rows that the search never saw: the figure that counts."""
    if not outcome.tried and outcome.held_out is None:
        return wrap("It ended before the first prompt was tried.", width, "quiet")
    unit = unit_of(outcome.metric)
    held = outcome.held_out
    if held is None:
        lines = wrap(outcome.words, width, "warn")
    else:
        good = held.low > 0
        lines = wrap(outcome.words, width, "good" if good else "warn")
        words = (
            f"{value_words(held.value_a, unit)} → {value_words(held.value_b, unit)}: "
            f"{difference_words(held.difference, unit)} "
            f"(95 % {difference_words(held.low, unit, bare=True)} to "
            f"{difference_words(held.high, unit, bare=True)}), p {p_words(held.p_value)}"
        )
        lines += wrap(f"on {plural(held.rows, 'held-out row')}: {words}", width, "strong")
        for note in held.notes:
            lines += wrap("! " + note, width, "warn")
    facts = (
        f"on development rows {value_words(outcome.development_start, unit)} → "
        f"{value_words(outcome.development_best, unit)} · {count(outcome.tried)} tried in "
        f"{duration(outcome.seconds)}"
    )
    return [*lines, *wrap(facts, width, "quiet")]
