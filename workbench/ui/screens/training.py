"""What a run is about to do: the few settings that matter most, to change and to confirm."""

from collections.abc import Iterator
from functools import partial

from textual.widget import Widget

from workbench.session import Session, SessionError
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.setting import change, shown, value
from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, clip, wrap

BEFORE_A_RUN = (
    ("training", "rows"),
    ("training", "num_train_epochs"),
    ("training", "learning_rate"),
    ("training", "lora_r"),
    ("training", "per_device_train_batch_size"),
)


def one_line_of(words: str, width: int) -> list[Line]:
    return [clip([(words, "quiet")], width)]


class TrainScreen(Sheet):
    """What a run is about to do, to change and to confirm."""

    TITLE_TEXT = "Start a fine-tune"
    HINT = "tab next field · enter starts · esc goes back"

    def __init__(self, session: Session, rows: int, native: str = "") -> None:
        """`native`: the format of rows that are examples by themselves."""
        super().__init__(classes="small")
        self.session, self.rows, self.native = session, rows, native
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw, id="plan")
        labels = {
            "rows": f"rows (0: all {self.rows:,})" if self.rows else "rows (0: all)",
            "num_train_epochs": "epochs",
            "learning_rate": "learning rate",
            "lora_r": "rank",
            "per_device_train_batch_size": "rows a step",
        }
        for section, name in BEFORE_A_RUN:
            label = Text(partial(one_line_of, labels[name]))
            yield label
            field = Field(shown(value(self.session, (section, name))), id=f"set-{name}")
            yield field
        yield Text(self.draw_problem, id="problem")

    def on_mount(self) -> None:
        self.query(Field).first().focus()

    def draw(self, width: int) -> list[Line]:
        name = self.session.prompt().name
        what = f"with the wording “{name}”: the model learns to give its answer"
        if self.native:
            what = f"whose rows are examples by themselves ({self.native})"
        words = (
            f"LoRA on {self.session.dataset.source}, {what}. "
            "While it trains, F5 asks the weights as they are."
        )
        lines = wrap(words, width)
        if not self.session.prompt().completion and not self.native:
            lines += wrap("This wording has no answer to learn yet (F3).", width, "warn")
        return [*lines, []]

    def draw_problem(self, width: int) -> list[Line]:
        return wrap(self.problem, width, "bad") if self.problem else []

    def on_input_submitted(self) -> None:
        session = self.session
        for key in BEFORE_A_RUN:
            field = self.query_one(f"#set-{key[1]}", Field)
            if field.value == shown(value(session, key)):
                continue
            try:
                session = change(session, key, field.value)
            except SessionError as error:
                self.problem = str(error)
                self.query_one("#problem", Text).redraw()
                field.focus()
                return
        self.session = session
        self.dismiss("start")
