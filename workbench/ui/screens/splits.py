"""Which rows are kept for evaluation: the settings, and in a sentence what comes of them."""

from collections.abc import Iterator
from functools import partial

from textual.containers import Horizontal
from textual.widget import Widget

from workbench.protocol import DatasetOpened
from workbench.session import Session, SessionError
from workbench.text import one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.setting import change, shown, value
from workbench.ui.units import count, plural
from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, clip, wrap

KEYS = (
    ("split", "split to train on"),
    ("evaluation_split", "evaluation split"),
    ("evaluation_share", "or a share of it"),
    ("evaluation_count", "or so many rows"),
    ("stratify_by", "same share of each"),
    ("group_by", "keep together by"),
    ("split_seed", "seed"),
)
HINTS = {
    "evaluation_split": "empty: the source's own, else held out",
    "stratify_by": "a column, such as label; may be empty",
    "group_by": "a column, such as author; may be empty",
}


def label_line(words: str, width: int) -> list[Line]:
    return [clip([(words, "quiet")], width)]


class SplitsScreen(Sheet):
    """The result is "keep" where `session` is to be kept."""

    TITLE_TEXT = "Splits"
    HINT = "tab next field · enter keeps · esc leaves it as it was"
    DEFAULT_CSS = """
    SplitsScreen Horizontal { height: 1; }
    SplitsScreen Horizontal > Text { width: 20; }
    SplitsScreen Horizontal > Field { width: 1fr; }
    """

    def __init__(self, session: Session, opened: DatasetOpened | None) -> None:
        super().__init__(classes="small")
        self.session, self.opened = session, opened
        self.problem = ""

    def inside(self) -> Iterator[Widget]:
        yield Text(self.draw_splits, id="known-splits")
        for name, words in KEYS:
            with Horizontal():
                yield Text(partial(label_line, words))
                yield Field(
                    shown(value(self.session, ("dataset", name))),
                    id=f"set-{name}",
                    placeholder=HINTS.get(name, ""),
                )
        yield Text(self.draw, id="outcome")

    def on_mount(self) -> None:
        self.query(Field).first().focus()

    def typed(self) -> Session:
        """The session with what is in the fields.

        Raises:
            SessionError: as `settings.change`, and where a split or a column is not there.
        """
        session = self.session
        for name, _ in KEYS:
            field = self.query_one(f"#set-{name}", Field)
            if field.value != shown(value(session, ("dataset", name))):
                session = change(session, ("dataset", name), field.value)
        self.check(session)
        return session

    def check(self, session: Session) -> None:
        opened, dataset = self.opened, session.dataset
        if opened is None:
            return
        for name in ("split", "evaluation_split"):
            wanted = getattr(dataset, name)
            if wanted and opened.splits and wanted not in opened.splits:
                there = ", ".join(opened.splits)
                raise SessionError(f'{name}: there is no split "{wanted}"; there is {there}.')
        for name in ("stratify_by", "group_by"):
            wanted = getattr(dataset, name)
            if wanted and wanted not in opened.columns:
                there = ", ".join(opened.columns[:8])
                raise SessionError(f'{name}: there is no column "{wanted}"; there is {there}.')

    def draw_splits(self, width: int) -> list[Line]:
        splits = self.opened.splits if self.opened else []
        words = ", ".join(one_line(name, 30) for name in splits) or "train"
        lines = wrap(f"This source has {plural(len(splits) or 1, 'split')}: {words}.", width)
        return [*lines, []]

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        if not self.is_mounted:
            return [[]]
        try:
            session = self.typed()
        except SessionError as error:
            return [[], *wrap(str(error).removeprefix("settings: "), width, "bad")]
        return [[], *wrap(self.outcome(session), width, "good")]

    def outcome(self, session: Session) -> str:
        """What these settings come to."""
        dataset, opened = session.dataset, self.opened
        if dataset.evaluation_split:
            return f"Measured on the split {dataset.evaluation_split}; nothing is held out."
        rows = opened.rows if opened and opened.complete else 0
        if dataset.evaluation_count:
            words = f"{plural(dataset.evaluation_count, 'row')} are held out"
        elif dataset.evaluation_share:
            words = f"{dataset.evaluation_share * 100:g} % of the rows"
            if rows and opened and opened.splits in ([], [dataset.split]):
                words += (
                    f", about {count(round(rows * dataset.evaluation_share))} of {count(rows)},"
                )
            words += " are held out"
        else:
            return "No row is held out: nothing can be measured on rows that are not trained on."
        words += f" by content, seed {dataset.split_seed}: adding rows does not move old ones"
        if dataset.stratify_by:
            words += f"; the same share of each {dataset.stratify_by}"
        if dataset.group_by:
            words += f"; rows of one {dataset.group_by} stay on one side"
        own = [name for name in (opened.splits if opened else []) if name != dataset.split]
        if own and not dataset.evaluation_count:
            words += ". A validation or test split of the source comes first"
        return words + "."

    def on_input_changed(self) -> None:
        self.problem = ""
        self.query_one("#outcome", Text).redraw()

    def on_input_submitted(self) -> None:
        try:
            self.session = self.typed()
        except SessionError as error:
            self.problem = str(error).removeprefix("settings: ")
            self.query_one("#outcome", Text).redraw()
            return
        self.dismiss("keep")
