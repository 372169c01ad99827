"""Tokens a second on a GPU, for many prompts that begin the same: what there is, side by side.

    python -m benchmarks.gpu_generation [--model NAME] [--rows 300] [--tokens 64] [--batch 64]
    python -m benchmarks.gpu_generation --made 1.5  # no model and no rows needed: random weights

batched: `generate` on left-padded batches of whole prompts. compiled: the same with a static cache,
whose decoding transformers compiles. continuous: `generate_batch` with blocks of the prompt shared;
one row goes ahead, so that there is something to share. ours: `LocalAnswerer.write`.

Each way runs twice; the second time counts, compiled code and all. Answers end where they end:
tokens are counted as they were made. Without a GPU there is nothing to measure; `--device cpu`
shows with few rows that every way runs.
"""

# ruff: noqa: E402 - the environment comes before the libraries

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.worker.environment import prepare_environment

prepare_environment()

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from benchmarks.film_prompts import Asked, film_prompts, made_prompts
from benchmarks.made import SIZES, make
from benchmarks.workspace import film_reviews
from workbench.inference.answering import Answer
from workbench.inference.device import describe
from workbench.inference.generation import configuration
from workbench.inference.states import pad_rows
from workbench.session import GenerationSettings

Ids = list[list[int]]  # of the answers


def batched(asked: Asked, batch: int, greedy: GenerationConfig) -> Ids:
    loaded, prompts = asked.loaded, [one.ids for one in asked.questions]
    made: Ids = []
    for start in range(0, len(prompts), batch):
        rows = prompts[start : start + batch]
        rows += rows[-1:] * (batch - len(rows))  # one shape, for what is compiled
        ids, mask = (one.to(loaded.device) for one in pad_rows(rows, loaded.pad_token))
        found = loaded.model.generate(input_ids=ids, attention_mask=mask, generation_config=greedy)
        made += found[: len(prompts) - start, ids.shape[1] :].tolist()
    return [ended(row, loaded.end_tokens) for row in made]


def continuous(asked: Asked, settings: GenerationSettings, batch: int) -> Ids:
    loaded, prompts = asked.loaded, [one.ids for one in asked.questions]
    sharing = ContinuousBatchingConfig(allow_block_sharing=True, max_requests_per_batch=batch)
    greedy = configuration(loaded, settings)
    found = {}
    with loaded.model.continuous_batching_context_manager(
        generation_config=greedy, continuous_batching_config=sharing, block=True, timeout=60
    ) as manager:
        for rows in (prompts[:1], prompts[1:]):  # what has ended is there to be shared
            manager.add_requests(rows, max_new_tokens=settings.max_new_tokens)
            waiting = len(rows)
            while waiting:
                result = manager.get_result(timeout=60)
                if result is None:
                    sys.exit("Continuous batching gave no answer within a minute.")
                if result.is_finished():
                    found[result.request_id] = list(result.generated_tokens)
                    waiting -= 1
    return [ended(row, loaded.end_tokens) for row in found.values()]


def ours(asked: Asked, settings: GenerationSettings, batch: int) -> int:
    """How many tokens."""
    found: dict[int, Answer] = {}
    answerer = asked.answerer
    answerer.most = batch
    answerer.write(asked.questions, settings, found.__setitem__, threading.Event())
    return sum(one.tokens for one in found.values())


def ended(row: list[int], ends: list[int]) -> list[int]:
    """Up to the token that ends it."""
    last = next((n for n, token in enumerate(row) if token in ends), len(row) - 1)
    return row[: last + 1]


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--model", default="smollm2-135m-instruct")
    reader.add_argument("--made", default="", choices=["", *SIZES])
    reader.add_argument("--rows", type=int, default=300)
    reader.add_argument("--tokens", type=int, default=64)
    reader.add_argument("--batch", type=int, default=64)
    reader.add_argument("--device", default="cuda")
    reader.add_argument("--dtype", default="auto")
    options = reader.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no GPU here; run this on a machine that has one.")
    if options.made:
        asked = made_prompts(options.rows, make(options.made, options.device, options.dtype))
    else:
        with tempfile.TemporaryDirectory() as name:
            session = film_reviews(Path(name))
            asked = film_prompts(
                session, options.rows, options.dtype, 0, model=options.model, device=options.device
            )
    loaded, settings = asked.loaded, GenerationSettings(max_new_tokens=options.tokens)
    static = configuration(loaded, settings)
    static.cache_implementation = "static"
    ways: dict[str, Callable[[], Any]] = {
        "batched": lambda: batched(asked, options.batch, configuration(loaded, settings)),
        "compiled": lambda: batched(asked, options.batch, static),
        "continuous": lambda: continuous(asked, settings, options.batch),
        "ours": lambda: ours(asked, settings, options.batch),
    }
    print(
        f"{len(asked.rows)} rows, {loaded.settings.name} in {loaded.dtype} on "
        f"{describe(loaded.device)}, {options.batch} at once"
    )
    for way, run in ways.items():
        try:
            with loaded.answering("base"):
                run()
                begun = time.perf_counter()
                made = run()
                if loaded.device.type == "cuda":
                    torch.cuda.synchronize()
            seconds = time.perf_counter() - begun
        except Exception as error:  # one way that fails does not hide the others
            print(f"{way}: failed: {type(error).__name__}: {str(error)[:200]}", flush=True)
            continue
        count = made if isinstance(made, int) else sum(map(len, made))
        print(f"{way}: {count / seconds:,.0f} tokens/s ({count:,} in {seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
