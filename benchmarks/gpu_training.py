"""Fine-tuning on a GPU: tokens a second, memory and the share of the chip's peak, and what helps.

    python -m benchmarks.gpu_training [--sizes 0.1 0.5 1.5 3 8] [--switches 1.5] [--tokens 16384]

Models are made from a configuration, with random weights. Rows are random tokens of 64 to 1,024,
with a loss on the second half of each. Forward, loss and backward are the product's own
(`workbench/training`): the same collator, attention, loss and methods as in a run.

The first table switches one thing at a time off, or on: flat batches instead of padded ones, the
head and its loss a part at a time, compiled layers, activations computed anew, the fused optimiser.
The second is all sizes, LoRA and full, with what is on by itself; a size that does not fit is
computed with activations anew, and where that does not fit it says so.

The share of the peak counts what has to be computed: 2 operations a weight and token forward, 2
backward towards the activations, and 2 towards the weights that move; the head where there is a
loss; attention within rows; nothing twice, and no padding. Without a GPU, `--device cpu --sizes
tiny --switches tiny --tokens 256` shows that every way runs.
"""

# ruff: noqa: E402 - the environment comes before the libraries

import argparse
import gc
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from workbench.worker.environment import prepare_environment

prepare_environment()

import torch

from benchmarks.made import SIZES, make
from workbench.inference.device import describe
from workbench.inference.model import LoadedModel
from workbench.session import Session, TrainingSettings
from workbench.training import losses
from workbench.training.arranged import arranged
from workbench.training.completion import attention_for, collator_for, learnt, loss_of
from workbench.training.methods import lay
from workbench.training.out_of_memory import is_out_of_memory

# Dense bfloat16, in TFLOP/s, as the makers say.
PEAKS = {"H100 PCIe": 756, "H100": 989, "H200": 989, "B200": 2250, "A100": 312, "L40S": 362}
PEAKS |= {"L4": 121, "A10": 125, "4090": 165, "3090": 71}
WARM_UP, STEPS = 3, 8

Row = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """How to train; what is not said is as the product chooses."""

    method: str = "lora"
    settings: dict[str, Any] = field(default_factory=dict)
    large: int | None = None  # logits from which on they are computed a part at a time
    fused_optimiser: bool = True


@dataclass(frozen=True)
class Measured:
    tokens: float  # a second
    share: float  # of the peak; 0 where that is not known
    memory: float  # bytes at most
    loss: float


def batches(loaded: LoadedModel, tokens: int, count: int, longest: int) -> list[list[Row]]:
    """Rows of random tokens, about `tokens` of them in a batch."""
    drawn = random.Random(0)
    words = loaded.model.config.vocab_size
    made = []
    for _ in range(count):
        rows: list[Row] = []
        while (room := tokens - sum(len(row["input_ids"]) for row in rows)) > 2:
            length = min(room, int(longest ** drawn.uniform(0.6, 1.0)))
            ids = [drawn.randrange(words) for _ in range(length)]
            rows.append({"input_ids": ids, "trained": [length // 2, length]})
        made.append(rows)
    return made


def operations(loaded: LoadedModel, rows: list[Row]) -> float:
    """Floating-point operations that a step over the rows takes at least."""
    config = loaded.base.config
    head = loaded.base.get_output_embeddings().weight
    words = loaded.base.get_input_embeddings().weight
    inside = [
        one for one in loaded.model.parameters() if one is not head and one is not words
    ]  # all but embeddings multiply each token
    moving = sum(one.numel() for one in inside if one.requires_grad)
    weights = sum(one.numel() for one in inside)
    tokens = sum(len(row["input_ids"]) for row in rows)
    predicting = sum(row["trained"][1] - row["trained"][0] for row in rows)
    towards = 6 if head.requires_grad else 4
    seen = sum(len(row["input_ids"]) * (len(row["input_ids"]) + 1) / 2 for row in rows)
    size = config.num_attention_heads * config.hidden_size // config.num_attention_heads
    attention = 12 * config.num_hidden_layers * size * seen  # two products, three times
    return (4 * weights + 2 * moving) * tokens + towards * head.numel() * predicting + attention


def peak(device: torch.device) -> float:
    """Operations a second that the chip does at most; 0 where it is not known."""
    if device.type != "cuda":
        return 0.0
    name = torch.cuda.get_device_name(device)
    return next((value * 1e12 for known, value in PEAKS.items() if known in name), 0.0)


@contextmanager
def logits_at_once(most: int | None) -> Iterator[None]:
    before = losses.LARGE
    losses.LARGE = before if most is None else most
    try:
        yield
    finally:
        losses.LARGE = before


def measure(size: str, way: Way, options: argparse.Namespace) -> Measured:
    """Train a few steps; the median step counts, and the most memory of any."""
    settings = TrainingSettings(
        method=way.method,
        keep_base=False,
        lora_r=16,
        **{"packing": "on", "torch_compile": "off", **way.settings},
    )
    loaded = make(size, options.device, options.dtype)
    lay(loaded, settings, Session())
    device = loaded.device
    model = loaded.model.train()
    moving = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(moving, lr=1e-5, fused=way.fused_optimiser or None)
    rows = batches(loaded, options.tokens, WARM_UP + STEPS, options.longest)
    collator = collator_for(loaded, settings, options.longest)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds, loss = [], 0.0
    with arranged(loaded, settings), logits_at_once(way.large):
        for number, batch_rows in enumerate(rows):
            begun = time.perf_counter()
            batch = collator(batch_rows)
            batch.pop("tokens")
            count = learnt(batch)
            batch = {
                name: one.to(device) if isinstance(one, torch.Tensor) else one
                for name, one in batch.items()
            }
            with attention_for(loaded, batch):
                found = loss_of(model, batch, loaded) / count
                found.backward()
            torch.nn.utils.clip_grad_norm_(moving, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss = float(found.detach())
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - begun)
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    best = peak(device)
    work = median(
        operations(loaded, one) / took for one, took in zip(rows[WARM_UP:], seconds, strict=True)
    )
    text = median(
        sum(len(row["input_ids"]) for row in one) / took
        for one, took in zip(rows[WARM_UP:], seconds, strict=True)
    )
    return Measured(text, work / best if best else 0.0, memory, loss)


def attempt(size: str, way: Way, options: argparse.Namespace) -> Measured | str:
    """What was measured, or why it was not."""
    try:
        return measure(size, way, options)
    except Exception as error:  # one way that fails does not hide the others
        if is_out_of_memory(error):
            return "does not fit"
        return f"failed: {type(error).__name__}: {str(error)[:300]}"
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def line(name: str, found: Measured | str) -> None:
    if isinstance(found, str):
        print(f"| {name} | {found} | | | |", flush=True)
        return
    share = f"{found.share:.1%}" if found.share else "unknown"
    print(
        f"| {name} | {found.tokens:,.0f} | {found.memory / 1e9:.1f} GB | {share} "
        f"| {found.loss:.3f} |",
        flush=True,
    )


def heading(title: str) -> None:
    print(f"\n| {title} | tokens/s | memory at most | share of the peak | last loss |")
    print("|---|---|---|---|---|")


def switches(method: str) -> dict[str, Way]:
    """One thing at a time, beside what is on by itself."""
    never = 1 << 60
    return {
        "as it is": Way(method),
        "padded instead of flat": Way(method, {"packing": "off"}),
        "all logits at once": Way(method, large=never),
        "activations computed anew": Way(method, {"activation_checkpointing": True}),
        "optimiser not fused": Way(method, fused_optimiser=False),
        "compiled": Way(method, {"torch_compile": "on"}),
    }


def main() -> None:
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("--sizes", nargs="*", default=["0.1", "0.5", "1.5", "3", "8"])
    reader.add_argument("--switches", nargs="*", default=["1.5"], choices=list(SIZES))
    reader.add_argument("--methods", nargs="*", default=["lora", "full"])
    reader.add_argument("--tokens", type=int, default=16384, help="a step")
    reader.add_argument("--longest", type=int, default=1024)
    reader.add_argument("--compiled", action="store_true", help="all sizes compiled, too")
    reader.add_argument("--device", default="cuda")
    reader.add_argument("--dtype", default="auto")
    options = reader.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no GPU here; run this on a machine that has one, or with --device cpu.")
    print(f"{describe(torch.device(options.device))}, torch {torch.__version__}, "
          f"{options.tokens:,} tokens a step")  # fmt: skip
    for size in options.switches:
        for method in options.methods:
            heading(f"{size} billion, {method}")
            for name, way in switches(method).items():
                line(name, attempt(size, way, options))
    if options.sizes:
        heading("all sizes")
    for size in options.sizes:
        for method in options.methods:
            for kind, settings in kinds(options.compiled).items():
                found = attempt(size, Way(method, settings), options)
                name = f"{size} billion, {method}{kind}"
                if found == "does not fit":
                    name += ", activations anew"
                    anew = {**settings, "activation_checkpointing": True}
                    found = attempt(size, Way(method, anew), options)
                line(name, found)


def kinds(compiled: bool) -> dict[str, dict[str, Any]]:
    return {"": {}, **({", compiled": {"torch_compile": "on"}} if compiled else {})}


if __name__ == "__main__":
    main()
