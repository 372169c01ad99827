"""What lengths cost: tokens of batches that are padded or packed, and what to set.

Knows numbers of tokens; knows nothing of rows or tokenizers.
"""

from typing import TYPE_CHECKING, Any

from workbench.session import TrainingSettings

if TYPE_CHECKING:
    import numpy

    Numbers = numpy.ndarray[Any, Any]

MEGABATCH = 50  # batches that are sorted together, as transformers' `group_by_length` does
BINS = 40
QUANTILES = (0, 25, 50, 75, 90, 95, 99, 100)
FEW = 0.01  # share of rows that may be cut
WORTH = 0.1  # share of the work that is worth a sentence


def kept(lengths: "Numbers", training: TrainingSettings, splits: bool) -> "Numbers":
    """The lengths of the examples that the trainer gets: cut, dropped or split."""
    import numpy

    longest = training.max_length
    if training.overlong == "drop":
        return lengths[lengths <= longest]
    if training.overlong == "split" and splits:
        whole, rest = lengths // longest, lengths % longest
        full = numpy.full(int(whole.sum()), longest, dtype=lengths.dtype)
        return numpy.concatenate([full, rest[rest > 0]])
    return numpy.minimum(lengths, longest)


def padded(lengths: "Numbers", batch_size: int, seed: int, *, sort: int = 0) -> int:
    """Tokens of all batches, each padded to its longest row, in a random order; with `sort`, so
    many rows of it are put in order of length together."""
    import numpy

    order = numpy.random.default_rng(seed).permutation(lengths)
    if sort:
        order = numpy.concatenate(
            [-numpy.sort(-order[at : at + sort]) for at in range(0, len(order), sort)] or [order]
        )
    return int(
        sum(
            int(order[at : at + batch_size].max()) * len(order[at : at + batch_size])
            for at in range(0, len(order), batch_size)
        )
    )


def grouped(lengths: "Numbers", training: TrainingSettings) -> int:
    """The same with rows of like length together, as `training.sampler` orders them."""
    step = training.per_device_train_batch_size * training.gradient_accumulation_steps
    count = MEGABATCH if len(lengths) >= step * 4 * MEGABATCH else max(len(lengths) // step // 4, 1)
    return padded(lengths, training.per_device_train_batch_size, training.seed, sort=step * count)


def packed(lengths: "Numbers", capacity: int) -> int:
    """Packs of `capacity` tokens that hold all rows, by best fit in order of decreasing length: as
    many as TRL's `pack_dataset` makes with its strategy "bfd"."""
    import numpy

    counts = numpy.bincount(lengths[lengths > 0].astype(numpy.int64), minlength=capacity + 1)
    room = [0] * (capacity + 1)  # packs by what still fits
    packs = 0
    for length in range(capacity, 0, -1):
        waiting = int(counts[length])
        space = length
        while waiting:
            while space <= capacity and not room[space]:
                space += 1
            fresh = space > capacity
            here = capacity if fresh else space
            each = here // length  # the fullest pack that fits takes all it can
            number = -(-waiting // each) if fresh else min(room[space], -(-waiting // each))
            packs += number if fresh else 0
            if not fresh:
                room[space] -= number
            last = min(waiting - each * (number - 1), each)
            room[here - each * length] += number - 1
            room[here - last * length] += 1
            waiting -= each * (number - 1) + last
    return packs


def histogram(lengths: "Numbers") -> tuple[list[int], list[int]]:
    """Edges and counts of at most BINS bins of about equal width; the last edge is above all."""
    import numpy

    low, high = int(lengths.min()), int(lengths.max()) + 1
    bins = min(BINS, high - low)
    edges = numpy.unique(numpy.linspace(low, high, bins + 1).round().astype(int))
    counts = numpy.histogram(lengths, edges)[0]
    return edges.tolist(), counts.tolist()


def suggestion(
    lengths: "Numbers", cut: int, training: TrainingSettings, costs: tuple[int, int, int]
) -> str:
    """What to set, in one sentence; empty where all is well."""
    import numpy

    random, together, packs = costs
    if cut > FEW * len(lengths):
        enough = int(numpy.sort(lengths)[len(lengths) - 1 - int(FEW * len(lengths))])
        return f"max_length {enough:,} would cut at most 1 % of the rows."
    if training.train_sampling_strategy == "random" and together < (1 - WORTH) * random:
        saved = 1 - together / random
        return (
            f"Rows of like length together (train_sampling_strategy group_by_length) save "
            f"{saved:.0%} of the tokens of padded batches."
        )
    now = random if training.train_sampling_strategy == "random" else together
    if packs < (1 - WORTH) * now:
        return f"Packed, the rows would take {1 - packs / now:.0%} fewer tokens than padded."
    longest = int(lengths.max())
    if longest * 2 <= training.max_length:
        return f"The longest row has {longest:,} tokens: max_length could be {longest:,}."
    return ""
