"""The rows of a run as a person reads them, proven to give the tokens that were trained on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.prompting import PromptError
from workbench.data.selection import Selection
from workbench.ejecting.made import Made
from workbench.exporting.errors import ExportError

Row = dict[str, Any]
Example = tuple[list[int], list[int]]  # token ids and labels
SIDES = ("train", "evaluation")


@dataclass
class Readable:
    """Rows of both sides; of `known` examples the token ids stand beside the text, because no plain
    rule makes them of it."""

    rows: list[Row] = field(default_factory=list)
    known: int = 0

    def notes(self) -> list[str]:
        if not self.known:
            return []
        return [
            f"Of {self.known:,} rows the token ids stand beside the text: the text alone does not "
            "give them."
        ]

    def add(
        self,
        side: str,
        said: Iterable[Row],
        encode: Callable[[Row], Sequence[Any]],
        wanted: Sequence[Any],
        known: Callable[[Any], Row],
    ) -> None:
        """Take the rows of a side that give, one after the other, the examples that are wanted; or,
        where some of these come of no row, the examples themselves.

        Args:
            encode: a row's examples as the script makes them.
            known: an example as a row.
        """
        found, at = list[Row](), 0
        for row in said:
            examples = list(encode(row))
            if examples and examples == wanted[at : at + len(examples)]:
                found.append({"side": side, **row})
                at += len(examples)
        if at < len(wanted):
            found = [{"side": side, **known(one)} for one in wanted]
            self.known += len(wanted)
        self.rows += found


def chosen(made: Made, side: str) -> tuple[Selection, Sequence[int]]:
    """The rows of a side and the numbers of those that are learnt, or measured, in their order."""
    from workbench.training.examples import choose_rows

    settings, data = made.settings, made.data
    if side == "train":
        return data.train, choose_rows(len(data.train), settings.rows, settings.seed)
    if data.evaluation is None or not settings.evaluation_rows:
        return data.train, range(0)
    return data.evaluation, range(min(settings.evaluation_rows, len(data.evaluation)))


def values_of(made: Made, side: str) -> Iterator[Row]:
    """The source's rows of a side, in the order in which they are learnt and measured."""
    rows, indices = chosen(made, side)
    for index in indices:
        yield rows[index]


def said_of(made: Made, side: str, encoder: Any) -> Iterator[Any]:
    """What the rows of a side say; those that say nothing are passed over."""
    for values in values_of(made, side):
        try:
            said = encoder.said(values)
        except PromptError:
            continue
        yield from said


def texts_of(made: Made, side: str, encoder: Any) -> Iterator[str]:
    """The texts that are read of the rows of a side."""
    for one in said_of(made, side, encoder):
        yield str(one.text)


def stretches(labels: Sequence[int]) -> list[int]:
    """Where labels are: start, stop, start, stop, …"""
    from workbench.training.examples import stretches as found

    return list(found(labels))


def need_rows(rows: Sequence[Row]) -> None:
    """Raise ExportError where there is nothing to train on."""
    if not any(row["side"] == "train" for row in rows):
        raise ExportError("Nothing is left of the rows that were trained on.")


def need_same(same: bool) -> None:
    """Raise ExportError where the script would not learn what the run did."""
    if not same:
        raise ExportError(
            "The rows do not give the tokens that were trained on, so no script can make the run "
            "again; export the model instead."
        )
