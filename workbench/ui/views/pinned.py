"""The answers view: what the model said to the pinned prompts, evaluation by evaluation."""

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from workbench.text import one_line
from workbench.ui.differences import text_lines
from workbench.ui.history import History
from workbench.ui.units import count
from workbench.ui.widgets.lines import Line, Lines, clip, spread, wrap
from workbench.ui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.ui.panes.monitor import MonitorPane

Sample = dict[str, Any]


class PinnedView(Vertical):
    """A prompt's answers, a line a step, the newest at the end; below the chosen one in full."""

    DEFAULT_CSS = """
    PinnedView { height: 1fr; }
    PinnedView > Listing { height: 2fr; }
    PinnedView > Lines { height: 3fr; border-top: solid $frame; overflow-x: hidden; }
    PinnedView > Lines:focus { border-top: solid $primary; }
    """
    BINDINGS = [
        Binding("left", "prompt(-1)", show=False, priority=True),
        Binding("right", "prompt(1)", show=False, priority=True),
    ]

    def __init__(self, pane: "MonitorPane") -> None:
        super().__init__(id="pinned-view")
        self.pane = pane
        self.at = 0  # which prompt
        self.shown: tuple[Any, ...] = ()  # run, prompt and number of answers that are listed
        self.listing = Listing(self.head, self.item, id="pinned")
        self.detail = Lines(self.draw, id="pinned-answer")

    def compose(self) -> ComposeResult:
        yield self.listing
        yield self.detail

    def go(self) -> None:
        self.screen.set_focus(self.listing)

    @property
    def history(self) -> History | None:
        return self.pane.history

    @property
    def prompts(self) -> list[list[Sample]]:
        """The answers by prompt, in the order in which the prompts first came."""
        found: dict[tuple[Any, ...], list[Sample]] = {}
        for one in self.history.pinned if self.history else []:
            key = (one.get("number"), one.get("prompt"), one.get("weights"))
            found.setdefault(key, []).append(one)
        return list(found.values())

    @property
    def answers(self) -> list[Sample]:
        prompts = self.prompts
        return prompts[min(self.at, len(prompts) - 1)] if prompts else []

    def action_prompt(self, by: int) -> None:
        """Leaf to another prompt, at the same step."""
        total = len(self.prompts)
        if total > 1:
            self.at = (min(self.at, total - 1) + by) % total
            self.redraw()

    def redraw(self) -> None:
        """The newest answer stays chosen while it is, and others while one looks at them."""
        answers = self.answers
        shown = (self.history.folder if self.history else None, self.at)
        newest = self.listing.cursor >= self.listing.count - 1
        if self.shown != shown:
            newest = newest or self.shown[:1] != shown[:1]
        self.shown = shown
        self.listing.take(len(answers))
        if newest:
            self.listing.move_to(len(answers) - 1)
        self.detail.redraw()

    def on_listing_moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.detail.redraw(to_top=True)

    # --- drawing -----------------------------------------------------------------------------

    def head(self, width: int) -> list[Line]:
        answers = self.answers
        if not answers:
            words = (
                "No pinned prompt was answered in this run yet: at each evaluation the first "
                "evaluation rows are, or those that k pins in the dataset pane."
            )
            return wrap(words, width, "quiet")
        number, total = min(self.at, len(self.prompts) - 1) + 1, len(self.prompts)
        first = answers[0]
        name = f"row {count(int(first['number']) + 1)}" if "number" in first else ""
        name += f" · {one_line(str(first.get('prompt', '')), 30)}" if first.get("prompt") else ""
        left: Line = [(f"Prompt {number} of {total} ", "title"), (name, "quiet")]
        keys: Line = [("← →", "key"), (" prompt ", "quiet")] if total > 1 else []
        keys += [("↑ ↓", "key"), (" step", "quiet")]
        return [spread(left, keys, width)]

    def item(self, index: int, width: int) -> Line:  # noqa: ARG002
        one, text = self.answers[index], self.text(index)
        changed = index == 0 or text != self.text(index - 1)
        mark = right_mark(one)
        return [
            (f"step {count(int(one.get('step', 0))):>6} ", "quiet"),
            mark,
            (" ", "text"),
            (one_line(text, 400) or "(nothing)", "text" if changed else "quiet"),
        ]

    def text(self, index: int) -> str:
        return str(self.answers[index].get("text", ""))

    def draw(self, width: int) -> list[Line]:
        answers, at = self.answers, self.listing.cursor
        if at >= len(answers):
            return []
        one = answers[at]
        lines: list[Line] = []
        if one.get("problem"):
            lines += wrap(str(one["problem"]), width, "bad")
        if at and self.text(at) != self.text(at - 1):
            step = count(int(answers[at - 1].get("step", 0)))
            lines += [clip([(f"Changed since step {step}:", "quiet")], width)]
            lines += text_lines(self.text(at - 1), self.text(at), width)
        else:
            text = self.text(at)
            if not text.strip():  # line breaks alone would push out of sight what was expected
                text = one_line(text, 400) or "(nothing)"
            lines += wrap(text, width)
        if one.get("expected"):
            lines += [[], [("Expected", "title")], *wrap(str(one["expected"]), width, "quiet")]
        if asked := one.get("asked"):
            lines += [[], [("Asked", "title")], *wrap(str(asked), width, "quiet")]
        elif values := one.get("values"):
            lines += [[], [("Row", "title")]]
            for key, value in values.items():
                lines += wrap(f"{key}: {value}", width, "quiet")
        return lines


def right_mark(one: Sample) -> tuple[str, str]:
    """Whether an answer is the expected one, where that can be said by looking."""
    expected = one.get("expected")
    if not expected:
        return " ", "text"
    same = str(one.get("text", "")).strip().casefold() == str(expected).strip().casefold()
    return ("✓", "good") if same else ("·", "quiet")
