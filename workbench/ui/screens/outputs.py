"""Small sheets of the output pane: a row's answers in full, a question before a split changes."""

from collections.abc import Callable

from textual.binding import Binding

from workbench.text import one_line
from workbench.ui.measurement import Measurement
from workbench.ui.screens.sheet import Question, Reading
from workbench.ui.units import count
from workbench.ui.widgets.lines import Line, beside, clip, pad, wrap

NARROWEST = 34  # cells of an answer, below which fewer stand side by side


def other_split_question(number: int, split: str, now: str) -> Question:
    """Result: look or None."""

    def draw(width: int) -> list[Line]:
        words = (
            f"Row {count(number + 1)} is one of the split {one_line(split, 40)}, which is measured "
            f"on. The dataset pane shows the split {one_line(now, 40)}, which is trained on; to "
            "look at the row it has to change to the other one. Change it back (p) before you "
            "train."
        )
        return [*wrap(words, width), []]

    answers = [("stay", "Stay here"), ("look", f"Look at the split {one_line(split, 40)}")]
    return Question("A row of another split", draw, answers)


class AnswersScreen(Reading):
    """All answers to one row, beside each other; ← and → go to the rows before and after."""

    HINT = "← → another row · g goes to the row · esc closes"
    BINDINGS = [
        Binding("left,h", "step(-1)", show=False),
        Binding("right,l", "step(1)", show=False),
        Binding("g", "there", show=False),
        Binding("alt+c", "copy", show=False, priority=True),
    ]

    def __init__(
        self, columns: list[Measurement], number: Callable[[], int], step: Callable[[int], None]
    ) -> None:
        """`number` of the row that is shown; `step` goes to another one."""
        super().__init__("", self.draw)
        self.columns, self.number, self.step = columns, number, step

    def on_mount(self) -> None:
        super().on_mount()
        self.name_row()

    def name_row(self) -> None:
        self.query_one("#sheet").border_title = f"Row {count(self.number() + 1)}"

    def draw(self, width: int) -> list[Line]:
        number = self.number()
        rows = [one.rows[number] for one in self.columns if number in one.rows]
        lines: list[Line] = []
        if rows:
            lines += [[("expected", "quiet")], *wrap(rows[0].expected or "–", width), []]
        side_by_side = max(1, min(len(self.columns), (width + 3) // (NARROWEST + 3)))
        wide = (width - 3 * (side_by_side - 1)) // side_by_side
        blocks = [answer_block(one, number, wide) for one in self.columns]
        for start in range(0, len(blocks), side_by_side):
            together = blocks[start : start + side_by_side]
            joined = together[0]
            for index, block in enumerate(together[1:], 1):
                joined = beside(joined, block, wide * index + 3 * (index - 1))
            lines += [*joined, []]
        return lines

    def action_step(self, by: int) -> None:
        self.step(by)
        self.name_row()
        self.lines.redraw(to_top=True)

    def action_there(self) -> None:
        self.dismiss("there")

    def action_copy(self) -> None:
        number = self.number()
        texts = [
            f"{one.name} ({one.weights}):\n{one.rows[number].answer}"
            for one in self.columns
            if number in one.rows
        ]
        self.app.copy_to_clipboard("\n\n".join(texts))
        self.app.notify(f"Copied {len(texts)} answers to row {number + 1:,}.", markup=False)


def answer_block(one: Measurement, number: int, width: int) -> list[Line]:
    """One answer, with what it is worth."""
    lines = [clip([(one_line(one.name, 40), "title"), (f" {one.weights}", one.weights)], width)]
    row = one.rows.get(number)
    if row is None:
        return [pad(lines[0], width), [("no answer yet", "quiet")]]
    if row.problem:
        lines += wrap("! " + row.problem, width, "warn")
    else:
        worth: Line = []
        if row.value is not None and not one.graded and row.value in (0, 1):
            worth = [("✓ right", "good")] if row.value else [("✗ wrong", "bad")]
        elif row.value is not None:
            worth = [(f"{row.value:.2f}", "accent")]
        if row.confidence is not None:
            worth.append((f"  {row.confidence * 100:.0f} % confident", "quiet"))
        lines += [clip(worth, width)] if worth else []
    lines += wrap(row.answer.strip() or ("" if row.problem else "(empty)"), width)
    for name, value in row.scores.items():
        lines.append(clip([(f"{name.replace('_', ' ')} {value:.3g}", "quiet")], width))
    return lines
