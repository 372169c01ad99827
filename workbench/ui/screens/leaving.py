"""Questions before something ends: the app, a run, what is unsaved."""

from textual.binding import Binding

from workbench.protocol import RunStatus
from workbench.text import one_line
from workbench.ui.screens.sheet import Question, Reading
from workbench.ui.units import count
from workbench.ui.widgets.lines import Line, wrap


def place(run: RunStatus) -> str:
    name = one_line(run.name, 60)
    return f"{name} is at step {count(run.step)} of {count(run.total_steps)}."


def quit_question(run: RunStatus, outlives: bool) -> Question:
    """Result: keep, stop or None for stay."""

    def draw(width: int) -> list[Line]:
        return [*wrap(place(run), width, "strong"), []]

    answers = [
        ("keep", "Keep it running; workbench attach comes back to it"),
        ("stop", "Stop it with a checkpoint, then quit"),
        ("stay", "Stay here"),
    ]
    return Question("A run is under way", draw, answers if outlives else answers[1:])


def stop_question(run: RunStatus) -> Question:
    """Result: stop or None."""

    def draw(width: int) -> list[Line]:
        words = "A checkpoint is written after this step; ctrl+r goes on from it."
        return [*wrap(place(run), width, "strong"), *wrap(words, width), []]

    return Question(
        "Stop the run?", draw, [("stop", "Stop it with a checkpoint"), ("stay", "Let it go on")]
    )


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

    def __init__(self, run: RunStatus) -> None:
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
