"""What tasks share whose model reads a whole text: rows made ready, batches, evaluations.

Knows rows and tokens; what is learnt of them is the recipe's.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from msgspec.structs import replace

from workbench.data.formats import recognise_table
from workbench.data.prompting import ADVICE, Example, PromptError
from workbench.data.reading import Reading, Reads, text_read
from workbench.data.selection import Selection
from workbench.inference.device import choose_dtype
from workbench.inference.model import LoadedModel
from workbench.protocol import FormatFound
from workbench.training.errors import TrainingError
from workbench.training.examples import EVERY, choose_rows, read
from workbench.training.recipe import Recipe

LearntOf = Callable[[int, dict[str, Any]], Any]  # row number, values: what is learnt; None: nothing


@dataclass
class Readings:
    """Rows made ready; reads like a list of {input_ids, learnt, index}, for a data loader."""

    input_ids: list["array[int]"] = field(default_factory=list)
    learnt: list[Any] = field(default_factory=list)  # of each, whatever the task learns
    left_out: int = 0  # rows without a text or a label, or too long where these are dropped
    cut: int = 0
    tokens: int = 0

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.input_ids[index], "learnt": self.learnt[index], "index": index}

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.input_ids]

    def add(self, example: Example, learnt: Any) -> None:
        self.input_ids.append(array("i", example.input_ids))
        self.learnt.append(learnt)
        self.cut += example.cut
        self.tokens += len(example.input_ids)


def reading_of(recipe: Recipe, found: FormatFound, reads: Reads) -> Reading:
    """What encodes the rows, as the dataset pane shows them.

    Raises:
        TrainingError: where nothing fits beside the tokens around a text.
    """
    loaded, session = recipe.loaded, recipe.work.session
    longest = min(recipe.settings.max_length, loaded.context_length)
    settings = replace(recipe.settings, max_length=longest)
    return Reading(loaded.tokenizer, session.prompt(), found, settings, reads)


def words_read(recipe: Recipe, values: dict[str, Any]) -> str:
    """What is read of a row, for a person; nothing where it cannot be filled."""
    try:
        return text_read(recipe.asking.found, recipe.work.session.prompt(), values)
    except PromptError:
        return ""


def found_in(recipe: Recipe) -> FormatFound:
    """What the rows are.

    Raises:
        TrainingError: where the session's mapping does not fit, or there are no rows.
    """
    work = recipe.work
    if not len(work.data.train):
        raise TrainingError("There are no rows to train on; choose another dataset.split.")
    found = recognise_table(work.data.train.table, work.session.dataset, work.session.prompt())
    if found.problem:
        raise TrainingError(found.problem)
    return found


def prepare(
    recipe: Recipe, encoder: Reading, learnt_of: LearntOf, evaluated: LearntOf
) -> tuple[Readings, Readings]:
    """The rows to train on and those to evaluate.

    Raises:
        TrainingError: where there is nothing to learn from; it names the row that is wrong.
        StopRequested: when it was asked for.
    """
    work, settings = recipe.work, recipe.settings
    chosen = choose_rows(len(work.data.train), settings.rows, settings.seed)

    def pause(done: int) -> None:
        work.pause("preparing", done, len(chosen))

    examples = made_of(work.data.train, chosen, encoder, learnt_of, pause)
    if not len(examples):
        raise TrainingError(
            f"None of the {len(chosen):,} rows has both a text and something to learn; name the "
            "columns in dataset.mapping, or correct the wording."
        )
    evaluation = Readings()
    if work.data.evaluation is not None and settings.evaluation_rows:
        count = min(settings.evaluation_rows, len(work.data.evaluation))
        evaluation = made_of(work.data.evaluation, range(count), encoder, evaluated, pause)
    return examples, evaluation


def made_of(
    rows: Selection,
    indices: Sequence[int],
    encoder: Reading,
    learnt_of: LearntOf,
    pause: Callable[[int], None],
) -> Readings:
    """Encode those rows, in the order of `indices`."""
    found: dict[int, list[tuple[Example, Any]]] = {}
    readings = Readings()
    bare = encoder.opening + encoder.closing
    for done, (index, row, values) in enumerate(read(rows, indices)):
        if done % EVERY == 0:
            pause(done)
        try:
            learnt = learnt_of(row, values)
            parts = encoder.encode(values) if learnt is not None else []
        except PromptError as error:
            raise TrainingError(f"Row {row + 1:,} of the dataset: {error} {ADVICE}") from error
        kept = [part for part in parts if len(part.input_ids) > bare]
        readings.left_out += not kept
        found[index] = [(part, learnt) for part in kept]
    for index in indices:
        for part, learnt in found.pop(index):
            readings.add(part, part.words if encoder.reads == "words" else learnt)
    return readings


class RightCollator:
    """Batches of input_ids and attention_mask [rows, longest], and how many tokens of text.

    Padded on the right: encoders count positions from the first token. A batch of equally long
    rows has no mask, which spares the attention one.
    """

    def __init__(self, pad_token: int) -> None:
        self.pad_token = pad_token

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        counts = [len(row["input_ids"]) for row in rows]
        longest, total = max(counts), sum(counts)
        ids = torch.full((len(rows), longest), self.pad_token, dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : counts[index]] = torch.tensor(row["input_ids"], dtype=torch.long)
        batch: dict[str, Any] = {"input_ids": ids, "tokens": total}
        if total < len(rows) * longest:
            batch["attention_mask"] = (
                torch.arange(longest)[None, :] < torch.tensor(counts)[:, None]
            ).long()
        return batch


def by_length(readings: Readings, size: int) -> Iterator[list[int]]:
    """Indices in batches of about equally long rows, the longest first."""
    lengths = readings.lengths
    order = sorted(range(len(lengths)), key=lambda one: -lengths[one])
    for start in range(0, len(order), size):
        yield order[start : start + size]


def pad_token(loaded: LoadedModel) -> int:
    """The token that pads a batch: the one that the model knows as padding."""
    known = loaded.base.config.get_text_config().pad_token_id
    return int(loaded.pad_token if known is None else known)


def in_bfloat16(loaded: LoadedModel) -> bool:
    """Whether products are made in bfloat16 while weights stay float32.

    So where the session leaves the numbers to the program and the device is fast at it. Measured
    on a CPU with AVX512-BF16: see `benchmarks/classification.py`.
    """
    if loaded.dtype != torch.float32:
        return loaded.dtype == torch.bfloat16
    fast = choose_dtype("auto", loaded.device)[0] == torch.bfloat16
    return loaded.settings.dtype == "auto" and fast


def mixed(loaded: LoadedModel) -> torch.autocast:
    return torch.autocast(loaded.device.type, torch.bfloat16, enabled=in_bfloat16(loaded))


def precision(loaded: LoadedModel) -> str:
    """What is said of it."""
    if in_bfloat16(loaded):
        return "bfloat16 for products and float32 for sums and weights: faster, the same accuracy"
    return f"{str(loaded.dtype).removeprefix('torch.')} throughout"
