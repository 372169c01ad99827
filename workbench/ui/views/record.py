"""The selected row in full, as lines. Knows nothing of widgets."""

from rich.cells import cell_len

from workbench.protocol import DatasetOpened, Progress, Row
from workbench.text import one_line
from workbench.turns import turns_of
from workbench.ui.units import duration, size
from workbench.ui.widgets.lines import Line, clip, progress_bar, spread, wrap

AT_ONCE = 200  # columns that are laid out before the rest, which may be thousands
MARK_WORDS = {
    "evaluation": ("◇ kept for evaluation: it is not trained on", "eval"),
    "left_out": ("× left out: it is not trained on; x takes it back in", "warn"),
}


def row_lines(opened: DatasetOpened, row: Row | None, width: int, columns: int = 0) -> list[Line]:
    """Each column with its value and type; `columns`: so many of them, 0 for all."""
    if row is None:
        return [[("…", "quiet")]]
    if row.broken:
        return broken_lines(row, width)
    lines: list[Line] = []
    if row.mark in MARK_WORDS:
        lines.append([MARK_WORDS[row.mark]])
    names = opened.columns[: columns or None]
    left = 2 + min(20, max((cell_len(one_line(name, 40)) for name in names), default=0))
    for name, kind in zip(names, opened.types, strict=False):
        value = row.values.get(name)
        label = f"{clipped(one_line(name, 40), left - 2):<{left}}"
        ink = "quiet" if value is None or value == "" else "text"
        body = value_lines(value, max(1, width - left), ink)
        for index, line in enumerate(body):
            lines.append([(label if not index else " " * left, "title"), *line])
        if len(body) == 1:
            lines[-1] = spread(lines[-1], [(one_line(kind, 30), "quiet")], width)
    if rest := len(opened.columns) - len(names):
        lines.append([(f"… {rest:,} more columns", "quiet")])
    return lines


def value_lines(value: object, width: int, ink: str = "text") -> list[Line]:
    """A value of any kind; the turns of a conversation one below the other."""
    turns = turns_of(value)
    if not turns:
        return wrap(value if isinstance(value, str) else repr(value), width, ink)
    left = 2 + min(12, max(cell_len(one_line(role, 12)) for role, _ in turns))
    lines: list[Line] = []
    for role, text in turns:
        label = f"{one_line(role, 12):<{left}}"
        for index, line in enumerate(wrap(text, max(1, width - left), ink)):
            lines.append([(label if not index else " " * left, "quiet"), *line])
    return lines


def broken_lines(row: Row, width: int) -> list[Line]:
    """Why the row could not be read, and its text."""
    why, _, text = row.broken.partition("\n")
    lines = [
        *wrap(f"! Row {row.number + 1:,} could not be read. {why}", width, "bad"),
        *wrap("It is not trained on; correct the file and open it again.", width, "quiet"),
    ]
    return [*lines, [], *wrap(text, width)] if text else lines


def clipped(text: str, width: int) -> str:
    return "".join(part for part, _ in clip([(text, "")], width))


def amount(progress: Progress) -> str:
    """How far a long job is: 43 % · 86 of 200 rows · 6 s left."""
    unit = one_line(progress.unit, 20)
    if progress.total <= 0:
        if not progress.done:
            return ""
        return size(progress.done) if unit == "B" else f"{round(progress.done):,} {unit}"
    words = f"{min(1.0, progress.done / progress.total) * 100:.0f} %"
    if unit == "B":
        words += f" · {size(progress.done)} of {size(progress.total)}"
    elif unit:
        words += f" · {round(progress.done):,} of {round(progress.total):,} {unit}"
    if progress.seconds_left >= 0 and progress.done < progress.total:
        words += f" · {duration(progress.seconds_left)} left"
    return words


def progress_lines(progress: Progress, width: int) -> list[Line]:
    """What a long job does, how far it is, how long it takes yet."""
    lines = wrap(progress.what, width)
    if progress.total > 0:
        share = progress.done / progress.total
        lines.append(progress_bar(share, min(40, width), "accent"))
    if words := amount(progress):
        lines.append([(words, "quiet")])
    return lines
