"""What a sweep is about to do: which settings are tried with what, and how many runs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widget import Widget

from workbench.protocol import AnyEvent, SweepAdvanced
from workbench.session import Session, SessionError
from workbench.text import one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.setting import change, shown, value
from workbench.ui.units import plural
from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, clip, wrap
from workbench.usual import ranges_tried

if TYPE_CHECKING:
    from workbench.ui.base import Base

KEYS = (
    ("trials", "runs"),
    ("method", "method"),
    ("metric", "what decides"),
)
LINES = 5  # of ranges, and more where the session has more
HINTS = {
    "method": "tpe: learns where to look; random; grid: every combination",
    "metric": "eval_loss, or eval_ and a metric of the task",
}


class SweepScreen(Sheet):
    """The result is "begin" where the sweep in `session` is to begin, "go on" where that of before
    is to go on, "more" where that is to make as many runs in all as `session` says."""

    TITLE_TEXT = "Search for good settings"
    HINT = "tab next field · enter begins · esc goes back"
    BINDINGS = [Binding("ctrl+r", "go_on", show=False, priority=True)]
    DEFAULT_CSS = """
    SweepScreen Horizontal { height: 1; }
    SweepScreen .label { width: 18; }
    SweepScreen .setting { width: 34; }
    SweepScreen Horizontal > Field { width: 1fr; }
    """

    def __init__(self, bench: "Base") -> None:
        super().__init__(classes="small")
        self.bench, self.session = bench, bench.session
        self.problem = ""
        self.lines = LINES

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw_start, id="start")
        for name, words in KEYS:
            label = Text(lambda width, words=words: [clip([(words, "quiet")], width)])  # type: ignore[misc]
            label.add_class("label")
            text = shown(value(self.session, ("sweep", name)))
            yield Horizontal(label, Field(text, id=f"set-{name}", placeholder=HINTS.get(name, "")))
        yield Text(self.draw_ranges)
        ranges = list(ranges_tried(self.session.sweep, self.session.training).items())
        self.lines = max(LINES, len(ranges))
        for number in range(self.lines):
            name, words = ranges[number] if number < len(ranges) else ("", "")
            setting = Field(name, id=f"name-{number}", placeholder="training.…")
            setting.add_class("setting")
            yield Horizontal(
                setting, Field(words, id=f"range-{number}", placeholder="8, 16 or 1e-5..1e-3 log")
            )
        yield Text(self.draw, id="state")

    def on_mount(self) -> None:
        self.query(Field).first().focus()
        self.bench.sheet = self
        self.bench.sweeping.look()

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    def hear(self, event: AnyEvent) -> bool:
        """The desk takes the sweep of before in; it is drawn after that."""
        if isinstance(event, SweepAdvanced):
            self.call_after_refresh(self.query_one("#start", Text).redraw)
        return False

    # --- drawing -----------------------------------------------------------------------------

    def draw_start(self, width: int) -> list[Line]:
        words = (
            "Several runs of this session, one after the other, each with other settings. Those "
            "that are behind the others at the same step are stopped."
        )
        lines = [*wrap(words, width), []]
        if (before := self.bench.sweeping.unfinished) is not None:
            done = sum(one.state not in ("running", "interrupted") for one in before.trials)
            words = (
                f"{one_line(before.name, 40)} was ended after {done} of {before.wanted} runs: "
                "ctrl+r goes on with it."
            )
            lines += [*wrap(words, width, "accent"), []]
        elif more := self.more:
            before = self.bench.sweeping.finished
            assert before is not None
            words = (
                f"{one_line(before.name, 40)} has made its {plural(before.wanted, 'run')}: "
                f"ctrl+r makes {more} more of it."
            )
            lines += [*wrap(words, width, "quiet"), []]
        return lines

    @property
    def more(self) -> int:
        """How many runs the finished sweep is short of those in the field; 0 where there is none
        of which there can be more."""
        before = self.bench.sweeping.finished
        if before is None or not self.is_mounted:
            return 0
        try:
            wanted = self.typed().sweep
        except SessionError:
            return 0
        return 0 if wanted.method == "grid" else max(0, wanted.trials - before.wanted)

    def draw_ranges(self, width: int) -> list[Line]:
        words = "Settings and what to try: these values (8, 16), or from..to, log for magnitudes."
        return [[], *wrap(words, width, "quiet")]

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        if not self.is_mounted:
            return [[]]
        try:
            session = self.typed()
        except SessionError as error:
            return [[], *wrap(said(error), width, "bad")]
        names = ", ".join(one.removeprefix("training.") for one in session.sweep.ranges)
        words = f"{plural(session.sweep.trials, 'run')} over {names or 'nothing'}"
        return [[], *wrap(words, width, "text" if names else "warn")]

    # --- keys --------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        self.problem = ""
        self.query_one("#state", Text).redraw()
        self.query_one("#start", Text).redraw()

    def on_input_submitted(self) -> None:
        try:
            self.session = self.typed()
        except SessionError as error:
            self.problem = said(error)
            self.query_one("#state", Text).redraw()
            return
        self.dismiss("begin")

    def action_go_on(self) -> None:
        if self.bench.sweeping.unfinished is not None:
            self.dismiss("go on")
        elif self.more:
            self.session = self.typed()
            self.dismiss("more")

    def typed(self) -> Session:
        """The session with what is in the fields.

        Raises:
            SessionError: naming the setting and what was expected.
        """
        session = self.session
        for name, _ in KEYS:
            text = self.query_one(f"#set-{name}", Field).value.strip()
            if text != shown(value(session, ("sweep", name))):
                session = change(session, ("sweep", name), text)
        ranges = {}
        for number in range(self.lines):
            name = self.query_one(f"#name-{number}", Field).value.strip()
            words = self.query_one(f"#range-{number}", Field).value.strip()
            if not name and not words:
                continue
            try:
                value(session, tuple(name.split(".")))
            except (AttributeError, StopIteration):
                raise SessionError(
                    f"There is no setting {one_line(name, 60)}; write it as in the session's "
                    "file, such as training.learning_rate."
                ) from None
            if not words:
                raise SessionError(f"Say what to try {name} with, such as 8, 16 or 1e-5..1e-3.")
            ranges[name] = words
        return replace(session, sweep=replace(session.sweep, ranges=ranges))


def said(error: SessionError) -> str:
    return str(error).removeprefix("settings: ")
