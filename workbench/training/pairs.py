"""Preferences made ready to learn from: two answers to a prompt, of which one is better, or one
answer that was found good or bad.

Knows rows and tokens; knows nothing of models or of losses.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.data.examples import Encoder, Example
from workbench.data.prompting import ADVICE, PromptError
from workbench.data.roles import as_roles, value_of
from workbench.data.selection import Selection
from workbench.data.thumbs import thumb
from workbench.protocol import FormatFound
from workbench.training.answered import Answered
from workbench.training.errors import TrainingError
from workbench.training.examples import EVERY, read

Pause = Callable[[int], None]
EQUAL, EMPTY = "both answers are equal", "an answer is empty"
TOO_LONG = "no answer is left within max_length"
NO_THUMB = "the label says neither good nor bad"


@dataclass
class Pairs:
    """A better and a worse answer to each prompt; reads like a list, for a data loader.

    `reference` are the log-probabilities (chosen, rejected) of rows that the model gave before the
    run, where they are noted.
    """

    chosen: list[Answered] = field(default_factory=list)
    rejected: list[Answered] = field(default_factory=list)
    reference: dict[int, tuple[float, float]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)  # why rows were left out
    cut: int = 0

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = {"chosen": self.chosen[index], "rejected": self.rejected[index]}
        return row | ({"reference": self.reference[index]} if index in self.reference else {})

    @property
    def left_out(self) -> int:
        return self.reasons.total()

    @property
    def lengths(self) -> list[int]:
        """Of the longer of both, to which the other is padded."""
        return [max(len(a), len(b)) for a, b in zip(self.chosen, self.rejected, strict=True)]

    @property
    def tokens(self) -> int:
        return sum(map(len, self.chosen)) + sum(map(len, self.rejected))


@dataclass
class Judged:
    """Answers that were found good or bad, in the order in which they are learnt.

    KTO measures how far the model has moved on answers that do not belong to their prompts:
    `strangers` are each prompt with the answer of the row before it in its batch. `pairs` names,
    for answers that come from pairs, the pair.
    """

    answers: list[Answered] = field(default_factory=list)
    good: list[bool] = field(default_factory=list)
    pairs: list[int] = field(default_factory=list)
    strangers: list[Answered] = field(default_factory=list)
    reference: dict[int, tuple[float, float]] = field(default_factory=dict)  # (answer, stranger)
    reasons: Counter[str] = field(default_factory=Counter)
    cut: int = 0

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = {
            "answer": self.answers[index],
            "stranger": self.strangers[index],
            "good": self.good[index],
        }
        return row | ({"reference": self.reference[index]} if index in self.reference else {})

    @property
    def left_out(self) -> int:
        return self.reasons.total()

    @property
    def lengths(self) -> list[int]:
        return list(map(len, self.answers))

    @property
    def tokens(self) -> int:
        return sum(map(len, self.answers))

    def shuffled(self, seed: int) -> None:
        """Put the answers in an order drawn by the seed."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).tolist()
        self.answers = [self.answers[n] for n in order]
        self.good = [self.good[n] for n in order]
        self.pairs = [self.pairs[n] for n in order]

    def acquainted(self, batch_size: int, longest: int) -> None:
        """Give each prompt of a batch the answer of the one before it, as TRL does."""
        self.strangers = []
        for start in range(0, len(self), batch_size):
            batch = self.answers[start : start + batch_size]
            for n, row in enumerate(batch):
                self.strangers.append(batch[n - 1].to(row.prompt, longest))


def prepare_pairs(
    rows: Selection, indices: Sequence[int], encoder: Encoder, *, pause: Pause
) -> Pairs:
    """The pairs of those rows, in the order of `indices`.

    Raises:
        TrainingError: naming the row that cannot be encoded.
    """
    made = Pairs()
    found: dict[int, tuple[Answered, Answered]] = {}
    for index, _, examples, why in encoded(rows, indices, encoder, pause):
        if why:
            made.reasons[why] += 1
            continue
        chosen, rejected = map(Answered.of, examples)
        made.cut += any(one.cut for one in examples)
        found[index] = chosen, rejected
    for index in indices:
        if index in found:
            made.chosen.append(found[index][0])
            made.rejected.append(found[index][1])
    return made


def prepare_judged(
    rows: Selection, indices: Sequence[int], encoder: Encoder, *, pause: Pause
) -> Judged:
    """The answers of those rows, each found good or bad: of a pair both.

    Raises:
        TrainingError: naming the row that cannot be encoded.
    """
    made = Judged()
    if paired(encoder):
        pairs = prepare_pairs(rows, indices, encoder, pause=pause)
        made.reasons, made.cut = pairs.reasons, pairs.cut
        for number, (chosen, rejected) in enumerate(zip(pairs.chosen, pairs.rejected, strict=True)):
            made.answers += [chosen, rejected]
            made.good += [True, False]
            made.pairs += [number, number]
        return made
    path = encoder.found.mapping["label"]
    found: dict[int, tuple[Answered, bool]] = {}
    for index, values, examples, why in encoded(rows, indices, encoder, pause):
        good = thumb(value_of(path, values))
        if why or good is None:
            made.reasons[why or NO_THUMB] += 1
            continue
        made.cut += any(one.cut for one in examples)
        found[index] = Answered.of(examples[0]), good
    for index in indices:
        if index in found:
            made.answers.append(found[index][0])
            made.good.append(found[index][1])
    made.pairs = [-1] * len(made)
    return made


def encoded(
    rows: Selection, indices: Sequence[int], encoder: Encoder, pause: Pause
) -> Iterator[tuple[int, dict[str, Any], list[Example], str]]:
    """Index, values and examples of those rows, in the source's order, and why nothing can be
    learnt from them; empty where it can."""
    for done, (index, number, values) in enumerate(read(rows, indices)):
        if done % EVERY == 0:
            pause(done)
        try:
            if empty(encoder.found, values):
                yield index, values, [], EMPTY
                continue
            examples = encoder.encode(values)
        except PromptError as error:
            raise TrainingError(f"Row {number + 1} of the dataset: {error} {ADVICE}") from error
        yield index, values, examples, fault(examples, 2 if paired(encoder) else 1)


def paired(encoder: Encoder) -> bool:
    return encoder.found.format == "preference"


def fault(examples: Sequence[Example], wanted: int) -> str:
    """Why nothing can be learnt from so many answers; empty where it can."""
    if len(examples) < wanted or any(one.answer_lost for one in examples):
        return TOO_LONG
    if wanted == 2 and examples[0].input_ids == examples[1].input_ids:
        return TOO_LONG if examples[0].cut else EQUAL
    return ""


def empty(found: FormatFound, values: dict[str, Any]) -> bool:
    """Whether an answer says nothing."""
    shape = as_roles(found, values)
    answers = [shape[role] for role in ("chosen", "rejected", "completion") if role in shape]
    return not all(map(spoken, answers))


def spoken(answer: Any) -> str:
    if isinstance(answer, list):
        return "".join(f"{turn['content']}{turn.get('tool_calls', '')}" for turn in answer).strip()
    return str(answer).strip()
