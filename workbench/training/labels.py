"""What a classifier learns of each row: a label, several, or a number.

Knows rows and their labels; knows nothing of tokens or models.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from workbench.data import prompting
from workbench.data.formats import recognise_table
from workbench.data.prompting import PromptError
from workbench.data.roles import parsed, text_of, value_of
from workbench.data.sources import Dataset
from workbench.data.wordings import in_use, spoken
from workbench.inference.heads import Problem, own_head
from workbench.protocol import Choice, FormatFound
from workbench.session import Prompt, Session
from workbench.text import one_line
from workbench.training.errors import TrainingError
from workbench.training.examples import choose_rows, read

MANY = 100  # different labels from which on it is asked whether they are labels
FEWEST = 5  # rows a label, on average, below which they are none
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")  # 1,5: one number, not two labels
LARGEST = 1e18  # a number to learn: of a larger one the squared error is none in float32
SHOWN = 6  # labels named in an error
LABEL_ROLES = ("label", "completion", "output", "target")  # by format
Pause = Callable[[int], None]
Value = str | list[str] | float | None  # one label, several, a number; None: the row says none


def label_column(found: FormatFound) -> str:
    """The column that says the answer to a row; empty where the rows' format has none."""
    return next((found.mapping[role] for role in LABEL_ROLES if role in found.mapping), "")


@dataclass(frozen=True)
class Labels:
    """How the label of a row is read: from the label's column, or what the wording's completion is
    filled with where it has one."""

    found: FormatFound
    prompt: Prompt

    @property
    def path(self) -> str:
        """The label's column; empty where the rows' format has none."""
        return label_column(self.found)

    def check(self) -> None:
        """Raise TrainingError where rows of this format say no label."""
        if self.found.problem:
            raise TrainingError(self.found.problem)
        if not self.path and not self.prompt.completion.strip():
            raise TrainingError(
                "The rows have no column that looks like a label; set dataset.format to "
                "classification and name text and label in dataset.mapping, or write a template "
                "and a completion."
            )

    def raw(self, values: dict[str, Any]) -> Any:
        """The value as the row has it.

        Raises:
            PromptError: where the completion cannot be filled.
        """
        if self.prompt.completion.strip():
            column = re.fullmatch(r"\{\{\s*(\w+)\s*\}\}", self.prompt.completion.strip())
            if column and column[1] in values:
                return values[column[1]]
            return prompting.answer(in_use(self.found, self.prompt), spoken(self.found, values))
        return value_of(self.path, values)

    def of(self, values: dict[str, Any], problem: Problem) -> Value:
        """The row's label, labels or number; None where it has none.

        Raises:
            PromptError: where a number is expected and it is none.
        """
        raw = self.raw(values)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            return None
        match problem:
            case "multi_label":
                return several(raw)
            case "regression":
                return number(raw)
        return text_of(raw).strip() or None


def several(raw: Any) -> list[str]:
    """Labels as a list of them, or as a text that separates them by commas, semicolons or |."""
    raw = parsed(raw)
    if not isinstance(raw, list):
        raw = re.split(r"[,;|]", text_of(raw))
    return list(dict.fromkeys(one for part in raw if (one := text_of(part).strip())))


def number(raw: Any) -> float:
    try:
        found = float(raw)
    except (TypeError, ValueError):
        found = float("nan")
    if found - found != 0:
        raise PromptError(
            f'A number is expected for regression, and this is "{one_line(text_of(raw), 40)}".'
        )
    if abs(found) > LARGEST:
        raise PromptError(f'"{one_line(text_of(raw), 40)}" is too large a number to learn from.')
    return found


def settle(
    session: Session, data: Dataset, config: Any, pause: Pause = lambda _done: None
) -> tuple[Session, list[Choice]]:
    """The session with the kind of labels and the labels that its classifier will have, and why.

    Labels are those of the rows trained on, in alphabetical order; a classifier that knows them
    already keeps its own order.

    Raises:
        TrainingError: where the rows have no labels to tell apart.
    """
    settings = session.training
    chosen = settings.classification
    labels = Labels(
        recognise_table(data.train.table, session.dataset, session.prompt()), session.prompt()
    )
    labels.check()
    raws = []
    indices = choose_rows(len(data.train), settings.rows, settings.seed)
    for done, (_, row, values) in enumerate(read(data.train, indices)):
        if done % 1024 == 0:
            pause(done)
        raws.append(raw_of(labels, row, values))
    choices = []
    problem, why = kind_of(raws, bool(chosen.labels))
    if chosen.problem_type != "auto":
        problem = chosen.problem_type
    else:
        choices.append(choice("problem_type", problem, why))
    names = list(chosen.labels)
    if problem == "regression":
        names = []
    elif not names:
        names, why = names_of(raws, problem, config)
        choices.append(choice("labels", ", ".join(names), why))
    if problem != "regression":
        check_names(names, raws, problem)
    made = replace(chosen, problem_type=problem, labels=names)
    return replace(session, training=replace(settings, classification=made)), choices


def choice(name: str, value: str, why: str) -> Choice:
    return Choice(setting=f"training.classification.{name}", value=one_line(value, 200), why=why)


def raw_of(labels: Labels, row: int, values: dict[str, Any]) -> Any:
    try:
        return labels.raw(values)
    except PromptError as error:
        raise TrainingError(f"Row {row + 1:,} of the dataset: {error}") from error


def kind_of(raws: Sequence[Any], named: bool) -> tuple[Problem, str]:
    """What the labels are, and why: lists are several, and so are texts where taking them apart at
    commas makes fewer labels, as the format is recognised; numbers with decimals are a number."""
    there = [one for one in raws if one is not None and one != ""]
    if any(isinstance(parsed(one), list) for one in there):
        return "multi_label", "the label column holds lists"
    texts = {one.strip() for one in there if isinstance(one, str)}
    parts = {part for one in texts for part in several(one)}
    decimals = all(DECIMAL_COMMA.fullmatch(one) for one in texts)
    all_texts = all(isinstance(one, str) for one in there)
    if len(texts) > len(parts) and all_texts and not (named or decimals):
        return "multi_label", f"its texts are {len(parts)} labels, several in a row"
    numbers = bool(there) and not named and all(is_number(one) for one in there)
    if numbers and any(float(one) % 1 for one in there):
        return "regression", "the labels are numbers with decimals"
    return "single_label", "each row has one label"


def is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    return isinstance(value, str) and bool(re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", value))


def names_of(raws: Sequence[Any], problem: Problem, config: Any) -> tuple[list[str], str]:
    """All labels of the rows, in order, and why that order."""
    counts = counted(raws, problem)
    own = own_head(config)
    if own is not None and own.kind == "classifier" and counts.keys() <= set(own.labels):
        return list(own.labels), "the model knows them by these names"
    if len(counts) > MANY and len(counts) * FEWEST > len(raws):
        first = ", ".join(f'"{one_line(one, 30)}"' for one in list(counts)[:3])
        parts = {part for one in counts for part in several(one)}
        several_fit = problem == "single_label" and len(parts) * FEWEST < len(counts)
        instead = (
            "set training.classification.problem_type to multi_label, for they look like several "
            "labels in one text"
            if several_fit
            else "set training.classification.problem_type to regression"
            if all(is_number(one) for one in counts)
            else "choose the label's column in dataset.mapping or the wording's completion, or a "
            "task that learns without labels: masked_lm of an encoder, else sft or seq2seq"
        )
        raise TrainingError(
            f"The rows have {len(counts):,} different labels in {len(raws):,} rows ({first}, …), "
            f"which are hardly labels: {instead}; if they are, list them in "
            "training.classification.labels."
        )
    numbers = all(is_number(one) for one in counts)
    return sorted(counts, key=float if numbers else str), "those of the rows trained on"


def counted(raws: Sequence[Any], problem: Problem) -> "Counter[str]":
    """How often each label occurs."""
    if problem == "multi_label":
        return Counter(one for raw in raws if raw is not None for one in several(raw))
    return Counter(one for raw in raws if (one := text_of(raw).strip()))


def check_names(names: Sequence[str], raws: Sequence[Any], problem: Problem) -> None:
    """Raise TrainingError where there is nothing to tell apart."""
    there = counted(raws, problem)
    if not there:
        raise TrainingError(
            "No row that is trained on has a label; choose its column in dataset.mapping, or write "
            "a completion."
        )
    if len(set(names)) < len(names):
        raise TrainingError("training.classification.labels names a label twice; take one out.")
    if problem == "single_label" and len(there) < 2:
        only = one_line(next(iter(there)), 40)
        raise TrainingError(
            f'All rows that are trained on have the label "{only}": there is nothing to tell '
            "apart; choose other rows (training.rows, dataset.split) or another label column."
        )


def unknown(row: int, label: str, names: Sequence[str]) -> TrainingError:
    shown = ", ".join(one_line(one, 30) for one in names[:SHOWN])
    more = ", …" if len(names) > SHOWN else ""
    return TrainingError(
        f'Row {row + 1:,} of the dataset has the label "{one_line(label, 40)}", which is not among '
        f"training.classification.labels ({shown}{more}); add it, correct the row, or leave the "
        "labels empty to take those of the rows."
    )
