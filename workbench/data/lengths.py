"""How long the rows of a dataset are in tokens, and what max_length does to them.

Knows rows and counts; how tokens are counted is `counting`'s, what they cost is `costs`'.
"""

import threading
import time
from array import array
from collections.abc import Iterator
from typing import Any

from workbench.catalogue import Report
from workbench.data import costs
from workbench.data.counting import Counter
from workbench.data.engine import Stopped
from workbench.data.examples import Encoder, Examples
from workbench.data.prompting import ADVICE, PromptError
from workbench.data.reading import encoder_of
from workbench.protocol import FormatFound, LengthsMeasured
from workbench.session import Prompt, TrainingSettings

BLOCK = 2048  # rows that are encoded together


def measure(  # noqa: PLR0917
    tokenizer: Any,
    prompt: Prompt,
    found: FormatFound,
    training: TrainingSettings,
    rows: Any,
    limit: int,
    stopped: threading.Event,
    report: Report,
    examples: Examples | None = None,
    reads: bool = False,
) -> LengthsMeasured:
    """Count the tokens of a `Selection`, or of `limit` of its rows drawn by the seed (0: all).

    What was measured until `stopped` was set is the answer. Of a preference the chosen answer's
    tokens count, as the trainer gets them.

    Raises:
        PromptError: naming the row that cannot be filled; or where there are no rows.
        Stopped: when `stopped` is set before there is anything to tell.
    """
    import numpy

    begun = time.monotonic()
    encoder = encoder_of(tokenizer, prompt, found, training, examples, reads)
    counter = Counter(encoder)
    counts, lost = count_all(counter, rows, limit, stopped, report)
    if counter.exact and counter.checked > 1:  # a later block showed that the first are in doubt
        counts, lost = count_all(counter, rows, limit, stopped, report)
    if stopped.is_set() and not counts:
        raise Stopped
    if not counts:
        raise PromptError("There are no rows to measure.")
    lengths = numpy.frombuffer(counts, dtype=numpy.int32).astype(numpy.int64)
    return summary(lengths, lost, len(rows), encoder, time.monotonic() - begun)


def count_all(
    counter: Counter, rows: Any, limit: int, stopped: threading.Event, report: Report
) -> tuple["array[int]", int]:
    """The tokens of each row, and of how many nothing is left to learn within max_length."""
    encoder = counter.encoder
    longest = encoder.training.max_length
    total = min(limit, len(rows)) if limit else len(rows)
    counts, lost = array("i"), 0
    for numbers, block in blocks(rows, limit, encoder.training.seed):
        if stopped.is_set():
            break
        report("counting tokens", len(counts), total, "rows")
        for index, (count, given) in enumerate(counted(counter, numbers, block)):
            counts.append(count)
            if count > longest:
                first = given if given >= 0 else counter.slow(encoder.said(block[index])[0])[1]
                lost += first >= longest
    return counts, lost


def blocks(rows: Any, limit: int, seed: int) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Row numbers and rows, in the order of the source."""
    import numpy

    if not limit or limit >= len(rows):
        yield from rows.blocks(BLOCK)
        return
    drawn = numpy.random.default_rng(seed).choice(len(rows), limit, replace=False)
    chosen = rows.numbers[numpy.sort(drawn)]
    yield from type(rows)(rows.table, chosen).blocks(BLOCK)


def counted(counter: Counter, numbers: Any, block: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """The counts of a block; an error names the row that it is about."""
    try:
        return counter.lengths(block)
    except PromptError:
        for number, values in zip(numbers, block, strict=True):
            try:
                counter.lengths([values])
            except PromptError as error:
                raise PromptError(
                    f"Row {int(number) + 1} of the dataset: {error} {ADVICE}"
                ) from error
        raise


def summary(lengths: Any, lost: int, of: int, encoder: Encoder, seconds: float) -> LengthsMeasured:
    """What the lengths say."""
    import numpy

    training = encoder.training
    longest, size = training.max_length, training.per_device_train_batch_size
    used = costs.kept(lengths, training, splits=encoder.found.format == "text")
    cut = int((lengths > longest).sum())
    random = costs.padded(used, size, training.seed)
    together = costs.grouped(used, training)
    packs = costs.packed(used, longest) * longest
    edges, bins = costs.histogram(lengths)
    quantiles = numpy.percentile(lengths, costs.QUANTILES, method="inverted_cdf")
    return LengthsMeasured(
        rows=len(lengths),
        of=of,
        quantiles={
            str(name): int(value) for name, value in zip(costs.QUANTILES, quantiles, strict=True)
        },
        edges=edges,
        counts=bins,
        cut=cut,
        lost=lost,
        max_length=longest,
        tokens=int(used.sum()),
        padded=random,
        grouped=together,
        packed=packs,
        batch_size=size,
        suggestion=costs.suggestion(lengths, cut, training, (random, together, packs)),
        seconds=seconds,
    )
