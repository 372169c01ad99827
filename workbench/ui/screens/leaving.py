"""Questions before something ends: the app, a run, what is unsaved."""

from textual.binding import Binding

from workbench.protocol import RunStatus
from workbench.text import one_line
from workbench.ui.screens.sheet import Question, Reading, Text
from workbench.ui.units import count
from workbench.ui.widgets.lines import Line, wrap


def place(run: RunStatus | None) -> str:
    if run is None:  # between two runs of a sweep
        return "The next run is about to begin."
    name = one_line(run.name, 60)
    if not run.total_steps:
        return f"{name} is being prepared."
    return f"{name} is at step {count(run.step)} of {count(run.total_steps)}."


class RunQuestion(Question):
    """A question about the run under way: it follows the run, and goes away with it."""

    def __init__(
        self, title: str, run: RunStatus | None, words: str, answers: list[tuple[str, str]]
    ) -> None:
        super().__init__(title, self.draw_run, answers)
        self.run, self.words = run, words

    def draw_run(self, width: int) -> list[Line]:
        lines = wrap(place(self.run), width, "strong")
        return [*lines, *(wrap(self.words, width) if self.words else []), []]

    def follow(self, run: RunStatus) -> None:
        self.run = run
        if self.is_mounted:
            self.query_one(Text).redraw()


def quit_question(run: RunStatus | None, outlives: bool, sweep: bool = False) -> RunQuestion:
    """Result: keep, stop or None for stay."""
    what = "sweep" if sweep else "run"
    answers = [
        ("keep", "Keep it running; workbench attach comes back to it"),
        ("stop", f"{'End the sweep' if sweep else 'Stop it'} with a checkpoint, then quit"),
        ("stay", "Stay here"),
    ]
    return RunQuestion(f"A {what} is under way", run, "", answers if outlives else answers[1:])


def stop_question(run: RunStatus) -> RunQuestion:
    """Result: stop or None."""
    words = "A checkpoint is written after this step; ctrl+r goes on from it."
    answers = [("stop", "Stop it with a checkpoint"), ("stay", "Let it go on")]
    return RunQuestion("Stop the run?", run, words, answers)


def sweep_question(run: RunStatus | None) -> RunQuestion:
    """Result: end (the sweep), stop (its run alone) or None."""
    words = "A checkpoint is written after this step; o goes on with a sweep that was ended."
    answers = [
        ("end", "End the sweep"),
        ("stop", "Stop this run alone; the sweep's next run follows"),
        ("stay", "Let it go on"),
    ]
    return RunQuestion("End the sweep?", run, words, answers if run else [answers[0], answers[2]])


def conflict_question(path: str) -> Question:
    """Result: reload, overwrite, hold or None."""

    def draw(width: int) -> list[Line]:
        words = f"{path} was changed by another program since it was read here."
        return [*wrap(words, width), []]

    return Question(
        "The session's file has changed",
        draw,
        [
            ("hold", "Keep mine unsaved; alt+s writes it later"),
            ("reload", "Load the file; what I changed here is dropped"),
            ("overwrite", "Overwrite the file with mine"),
        ],
    )


class Stopping(Reading):
    """Shown while a run stops before the app quits."""

    HINT = "ctrl+c leaves at once; the run stops by itself"
    BINDINGS = [Binding("ctrl+c,escape", "leave", show=False, priority=True)]

    def __init__(self, run: RunStatus | None) -> None:
        super().__init__("Stopping", self.draw)
        self.add_class("small")
        self.run = run

    def on_mount(self) -> None:
        super().on_mount()
        self.lines.styles.height = 3

    def draw(self, width: int) -> list[Line]:
        words = "It ends its step and writes a checkpoint; then the workbench closes."
        return [*wrap(place(self.run), width, "strong"), *wrap(words, width)]

    def follow(self, run: RunStatus) -> None:
        self.run = run
        self.lines.redraw()

    def action_leave(self) -> None:
        self.dismiss("leave")
