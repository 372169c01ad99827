"""What a run is about to do: its settings to change, and beside them what it will take."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets.option_list import Option

from workbench import advice, presets, relevance
from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    Failed,
    HostLost,
    Plan,
    PlanTraining,
    Progress,
    TrainingPlanned,
)
from workbench.session import Session
from workbench.text import one_line
from workbench.ui.run_settings import goal_words, grouped, meaning
from workbench.ui.screens.settings import SettingsScreen
from workbench.ui.screens.sheet import Text
from workbench.ui.setting import Key
from workbench.ui.views.plan import plan_lines
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, Lines, cells, clip, pad, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

WAIT = 0.5  # seconds after the last change before a plan is asked for
WIDE = 100  # cells from which on the plan stands beside the settings
ROOMY = 30  # lines from which on presets are described
START = "start"


class TrainScreen(SettingsScreen):
    """The result is "start" where the run in `session` is to begin."""

    HINT = "enter · ← → next value · 1 2 3 presets · a all · tab the plan · esc"
    DEFAULT_CSS = """
    TrainScreen > #sheet { width: 95%; max-width: 150; height: 90%; }
    TrainScreen #settings-side { width: 1fr; padding: 0 1 0 0; }
    TrainScreen #plan { width: 1fr; border-left: solid $frame; padding: 0 0 0 1; height: 1fr;
        overflow-x: hidden; }
    TrainScreen #plan:focus { border-left: solid $primary; }
    TrainScreen.narrow Horizontal { layout: vertical; }
    TrainScreen.narrow > #sheet { width: 100%; height: 100%; }
    TrainScreen.narrow #settings-side { height: 3fr; width: 100%; min-height: 6; padding: 0; }
    TrainScreen.narrow #plan { height: 2fr; width: 100%; border-left: none;
        border-top: solid $frame; padding: 0; }
    TrainScreen.narrow #plan:focus { height: 9fr; border-left: none; border-top: solid $primary; }
    """
    BINDINGS = [
        Binding("1", "preset(0)", show=False),
        Binding("2", "preset(1)", show=False),
        Binding("3", "preset(2)", show=False),
        Binding("a", "all", show=False),
        Binding("f7", "start", show=False),
    ]

    def __init__(self, bench: "Base") -> None:
        super().__init__(bench.session, (("training",),), "Start a fine-tune")
        self.bench = bench
        self.all = False  # whether settings that do not matter for the task are shown, too
        self.plan: Plan | None = None
        self.request = -1
        self.progress: Progress | None = None
        self.failure = ""
        self.timer: Timer | None = None
        self.planned: Session | None = None  # what was last planned
        self.warned: Session | None = None  # what was said not to fit

    def inside(self) -> Iterator[Widget]:
        with Horizontal():
            with Vertical(id="settings-side"):
                yield from super().inside()
            yield Lines(self.draw_plan, id="plan")

    def on_mount(self) -> None:
        super().on_mount()
        self.bench.sheet = self
        self.query_one(Choices).highlighted = 0

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None
        if self.request >= 0:
            self.bench.send(Cancel(target=self.request))

    def on_resize(self) -> None:
        self.set_class(self.size.width < WIDE, "narrow")

    # --- settings ----------------------------------------------------------------------------

    @property
    def goal(self) -> str:
        """As the plan says, where the session leaves it open."""
        named = self.session.training.task
        return self.plan.task if named == "auto" and self.plan else named

    def wanted(self) -> list[Key]:
        keys = [key for key in super().wanted() if len(key) > 1]
        if not self.all:
            relevant = relevance.relevant(self.session, self.goal)
            keys = [key for key in keys if ".".join(key) in relevant]
        return [key for _, group in grouped(keys) for key in group]

    def grouped(self) -> list[tuple[str, list[Key]]]:
        return grouped(self.keys)

    def line(self, key: Key) -> Content:
        meant = "" if self.chosen(key) else meaning(self.session, key)
        said = "" if meant and self.words(key) == "–" else self.words(key)
        gap = "  " if said and meant else ""
        return Content.assemble(f"  {key[-1]:<28} ", (said, "bold"), gap, (meant, "$quiet"))

    def fill(self) -> None:
        """The start comes first, then the settings."""
        choices = self.query_one(Choices)
        started = choices.highlighted in (None, 0)
        super().fill()
        before = self.key
        options = list(choices.options)
        choices.clear_options()
        choices.add_option(Option(Content.styled("▶ Start the run", "$primary bold"), id=START))
        choices.add_options(options)
        at = START if started or before is None else self.option_of(before)
        choices.highlighted = choices.get_option_index(at)
        self.plan_soon()

    def words(self, key: Key) -> str:
        """A value; where it was left to the program, what it chose."""
        return " → ".join([super().words(key), *self.chosen(key)])

    def chosen(self, key: Key) -> list[str]:
        """What the plan chose for a setting that was left to it."""
        name, choices = ".".join(key), self.plan.choices if self.plan else []
        return [one.value for one in choices if one.setting == name][:1]

    def action_preset(self, number: int) -> None:
        if self.query_one(Field).has_focus:
            return
        preset = presets.PRESETS[number]
        self.session = self.as_preset(preset.name)
        self.problem = ""
        self.fill()
        self.query_one("#about", Text).redraw()
        self.bench.tell(f"{preset.title}: {preset.words}")

    def as_preset(self, name: str) -> Session:
        parameters = self.plan.parameters if self.plan else 0
        opened = self.bench.browsing.opened
        rows = (opened.used or opened.rows) if opened else 0
        return presets.apply(self.session, name, self.goal, parameters, rows)

    def action_all(self) -> None:
        """Show every setting of a run, or only those that matter for this one."""
        if not self.query_one(Field).has_focus:
            self.all = not self.all
            self.fill()

    def action_start(self) -> None:
        """Begin, unless the plan of these very settings says why that is impossible; where memory
        is too small, only when asked a second time."""
        plan = self.plan if self.session == self.planned and self.request < 0 else None
        if plan and plan.problem:
            self.bench.tell(plan.problem, "warning")
        elif plan and not plan.fits and self.warned != self.session:
            # On a processor the system may end the whole worker where memory runs out.
            self.warned = self.session
            self.bench.tell(
                "It does not fit into memory; enter again starts it all the same.", "warning"
            )
        else:
            self.dismiss("start")

    @on(Choices.OptionSelected)
    def begin(self, event: Choices.OptionSelected) -> None:
        """The start is no setting: of those, the handler that every such sheet has comes after."""
        if event.option.id == START:
            event.prevent_default()
            self.action_start()

    def describe(self, width: int) -> list[Line]:
        lines = super().describe(width)
        name = ".".join(self.key) if self.key else ""
        if not name:
            lines = [[("─" * width, "frame")], *self.preset_lines(width)]
        planned = "\n".join(self.plan.advice) if self.plan else ""  # stands beside it already
        for setting, words in advice.advice_on(self.session, self.goal):
            if setting == name or not (name or words in planned):
                lines += wrap(f"! {words}", width, "warn")
        return lines

    def preset_lines(self, width: int) -> list[Line]:
        """Each preset with what it is for; where there is little room, their names."""
        names: list[Line] = []
        for number, one in enumerate(presets.PRESETS, 1):
            here = " ✓" if self.as_preset(one.name) == self.session else "  "
            names.append([(f"{number} ", "key"), (one.title, "strong"), (here, "good")])
        if self.size.height < ROOMY:
            spans = [span for one in names for span in (*one, (" ", "text"))]
            return [clip([("presets ", "quiet"), *spans], width)]
        lines: list[Line] = []
        left = max(cells(name) for name in names) + 1
        for name, one in zip(names, presets.PRESETS, strict=True):
            words = wrap(one.words, width - left, "quiet")
            lines += [
                [*pad([] if index else name, left), *line] for index, line in enumerate(words)
            ]
        return lines

    # --- the plan ----------------------------------------------------------------------------

    def plan_soon(self) -> None:
        """Ask what the run would take, once nothing was changed for a moment."""
        if self.session == self.planned:
            return
        if self.timer is not None:
            self.timer.stop()
        self.timer = self.set_timer(WAIT if self.planned else 0.01, self.ask)

    def ask(self) -> None:
        if self.request >= 0:
            self.bench.send(Cancel(target=self.request))
        self.planned, self.progress, self.failure = self.session, None, ""
        self.request = self.bench.send(
            PlanTraining(
                session=self.session,
                session_path=str(self.bench.path),
                folder=str(self.bench.workspace),
            )
        )
        self.redraw()

    def redraw(self) -> None:
        self.query_one("#plan", Lines).redraw()

    def draw_plan(self, width: int) -> list[Line]:
        lines = self.draw_aim(width)
        if self.failure:
            lines += wrap(self.failure, width, "bad")
        elif self.request >= 0:
            lines += progress_lines(self.progress, width) if self.progress else []
            lines += [[("What it will take is worked out …", "quiet")], []]
        if self.plan is not None and not self.failure:
            lines += plan_lines(self.plan, width)
        return lines

    def draw_aim(self, width: int) -> list[Line]:
        """What is learnt from which rows."""
        native = self.bench.browsing.recognising.native
        prompt = self.session.prompt()
        source = one_line(self.session.dataset.source, 60)
        wording = "" if native else one_line(prompt.name, 40)
        lines = wrap(goal_words(self.goal, source, wording), width, "quiet")
        if not prompt.completion and not native and self.goal in ("auto", "sft"):
            lines += wrap("This wording has no answer to learn yet (F3).", width, "warn")
        return [*lines, []]

    def hear(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            self.request, self.failure = -1, "The worker ended before the plan was made."
            self.redraw()
            return False
        if self.request < 0 or event.request != self.request:
            return False
        match event:
            case Progress():
                self.progress = event
            case TrainingPlanned():
                self.request = -1
                self.plan = event.plan
                if not self.query_one(Field).has_focus:
                    self.fill()
                self.query_one("#about", Text).redraw()
            case Failed():
                self.request, self.failure, self.plan = -1, event.message, None
                self.bench.note(event.message, event.details)
            case Done():
                self.request = -1
            case _:
                return False
        self.redraw()
        return True
