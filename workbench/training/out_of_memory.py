"""A step that does not fit into memory is taken in smaller batches: the same rows to a step.

Knows errors, sizes and caches; knows nothing of steps or of what is in a batch.
"""

import gc

import torch
from accelerate.utils.memory import should_reduce_batch_size
from msgspec.structs import replace

from workbench.session import TrainingSettings

WORDS = (
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    return should_reduce_batch_size(error) or any(word in str(error) for word in WORDS)


def smaller(settings: TrainingSettings, fewest: int = 1) -> TrainingSettings | None:
    """Batches of half the rows, or of the largest part below it that makes the same rows a step,
    and as many more of them; None where that would be fewer rows than `fewest`."""
    size = settings.per_device_train_batch_size
    parts = (one for one in range(size // 2, fewest - 1, -1) if size % one == 0)
    part = next(parts, 0)
    if not part:
        return None
    return replace(
        settings,
        per_device_train_batch_size=part,
        gradient_accumulation_steps=settings.gradient_accumulation_steps * (size // part),
    )


def in_words(before: TrainingSettings, after: TrainingSettings, step: int) -> str:
    """What is said of it."""
    size, part = before.per_device_train_batch_size, after.per_device_train_batch_size
    odd = "" if 2 * part == size else f" ({size} rows have no half that keeps the rows of a step)"
    count = after.gradient_accumulation_steps
    rows = f"{part} row{'s' if part > 1 else ''}"
    return (
        f"There was not enough memory for batches of {size} rows after step {step}: from here on a "
        f"step is {count} batches of {rows}, the same rows as before{odd}."
    )


def give_back(device: torch.device) -> None:
    """Return what nobody holds any more to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
