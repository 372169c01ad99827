"""What the plan says that a run takes, beside what it takes: memory, and tokens a second.

    python -m benchmarks.memory [NAME ...] [--json]

Each run is a process of its own: a few steps over the longest rows of a starter, planned first in
another. What it takes is the most resident memory from the moment before the model is loaded
(`VmHWM`, so Linux alone), less what was resident then, libraries included. Names are those of the
table; without any, all of them, which takes a quarter of an hour on one core.
"""

# ruff: noqa: E402 - the environment comes before the libraries

import argparse
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from workbench.worker.environment import prepare_environment

prepare_environment()

import msgspec
import torch
from msgspec.structs import replace

from workbench import journal, runs
from workbench import session as sessions
from workbench.data.sources import open_dataset
from workbench.session import Session

ROOT = Path(__file__).parents[1]
STEPS = 3
LIBRARIES = (
    "datasets",
    "peft",
    "transformers.trainer",
    "trl.trainer.dpo_trainer",
    "trl.trainer.grpo_trainer",
    "workbench.training.loop",
    "workbench.training.plan",
)
REWARD = "def score(answer, row):\n    return len(answer) % 7\n"


@dataclass(frozen=True)
class Case:
    """A starter's session with some of its settings changed."""

    starter: str
    training: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    rows: int = 0  # characters of a row: rows are joined until they are so long; 0: as they are


BERT: dict[str, Any] = {"per_device_train_batch_size": 16}
FLAT: dict[str, Any] = {"per_device_train_batch_size": 4}
PADDED: dict[str, Any] = {**FLAT, "packing": "off"}
FULL: dict[str, Any] = {"method": "full"}
ANEW: dict[str, Any] = {"activation_checkpointing": True}
PAIRS: dict[str, Any] = {"per_device_train_batch_size": 4}
FEW: dict[str, Any] = {"per_device_train_batch_size": 2}
DRAWN = {
    "task": "grpo",
    "per_device_train_batch_size": 4,
    "reinforcement": {"reward": "reward.py:score", "num_generations": 4},
}
CASES: dict[str, Case] = {
    "classification, MiniLM, full": Case("film-reviews-bert", BERT),
    "classification, MiniLM, LoRA": Case("film-reviews-bert", {**BERT, "method": "lora"}),
    "masked_lm, MiniLM, full": Case("film-reviews-bert", {**BERT, "task": "masked_lm"}),
    "masked_lm, MiniLM, LoRA": Case(
        "film-reviews-bert", {**BERT, "task": "masked_lm", "method": "lora"}
    ),
    "sft, SmolLM2, LoRA, flat": Case("film-reviews", FLAT),
    "sft, SmolLM2, LoRA, padded": Case("film-reviews", PADDED),
    "sft, SmolLM2, LoRA, flat, activations anew": Case("film-reviews", {**FLAT, **ANEW}),
    "sft, SmolLM2, LoRA, padded, activations anew": Case("film-reviews", {**PADDED, **ANEW}),
    "sft, SmolLM2, LoRA, flat, bfloat16": Case("film-reviews", FLAT, {"dtype": "bfloat16"}),
    "sft, SmolLM2, LoRA, flat, 500 tokens": Case("film-reviews", FEW, rows=2000),
    "sft, SmolLM2, full, flat": Case("film-reviews", {**FLAT, **FULL}),
    "sft, SmolLM2, full, padded": Case("film-reviews", {**PADDED, **FULL}),
    "sft, SmolLM2, full, flat, activations anew": Case("film-reviews", {**FLAT, **FULL, **ANEW}),
    "sft, SmolLM2, full, flat, 2 batches a step": Case(
        "film-reviews", {**FEW, **FULL, "gradient_accumulation_steps": 2}
    ),
    "sft, SmolLM2, prompt tuning": Case("film-reviews", {**FLAT, "method": "prompt_tuning"}),
    "dpo, SmolLM2, LoRA": Case("preferences", PAIRS),
    "dpo, SmolLM2, full": Case("preferences", {**PAIRS, **FULL}),
    "kto, SmolLM2, LoRA": Case("preferences", {**PAIRS, "task": "kto"}),
    "orpo, SmolLM2, LoRA": Case("preferences", {**PAIRS, "task": "orpo"}),
    "reward, SmolLM2, LoRA": Case("preferences", {**PAIRS, "task": "reward"}),
    "grpo, SmolLM2, LoRA": Case("film-reviews", DRAWN),
    "seq2seq, T5 of 69 M, full": Case("film-reviews", {**FLAT, **FULL}, {"name": "t5"}),
    "seq2seq, T5 of 69 M, LoRA": Case("film-reviews", FLAT, {"name": "t5"}),
}


def nothing(*_: Any) -> None:
    pass


# --- the session -----------------------------------------------------------------------------


def prepared(case: Case, folder: Path) -> Session:
    """The session of a case, whose rows and model are in `folder`."""
    made = sessions.load(ROOT / "sessions" / f"{case.starter}.toml")
    training = {
        "evaluation_rows": 0,
        "pinned_count": 0,
        "metric_rows": 0,
        "eval_steps": 0,
        "save_steps": 0,
        "logging_steps": 1,
        "max_steps": STEPS,
        "rows": 0,
        "metric_for_best_model": "eval_loss",
        **case.training,
    }
    kinds = msgspec.to_builtins(made.training) | training
    made = replace(
        made,
        training=msgspec.convert(kinds, type(made.training)),
        model=replace(made.model, **case.model),
    )
    data = open_dataset(made.dataset, folder, nothing)
    every = [data.train[number] for number in range(len(data.train))]
    long = max(every[0], key=lambda column: len(str(every[0][column])))
    every.sort(key=lambda row: -sum(len(str(value)) for value in row.values()))
    settings = made.training
    wanted = STEPS * settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    if case.rows:
        text = " ".join(str(row[long]) for row in every)
        every = [
            {**row, long: text[number * case.rows : (number + 1) * case.rows]}
            for number, row in enumerate(every[:wanted])
        ]
    chosen = every[:wanted]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in chosen), encoding="utf-8")
    (folder / "reward.py").write_text(REWARD, encoding="utf-8")
    if made.model.name == "t5":
        make_t5(folder / "t5")
    dataset = replace(made.dataset, source=str(path), evaluation_split="")
    return replace(made, dataset=dataset)


def make_t5(folder: Path) -> None:
    """A T5 of the shape of t5-small, with random weights and the words of SmolLM2."""
    from transformers import T5Config, T5ForConditionalGeneration

    from workbench.inference.tokenizer import load_tokenizer
    from workbench.session import ModelSettings

    tokenizer = load_tokenizer(ModelSettings(name="smollm2-135m-instruct"), folder.parent, nothing)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=512,
        d_kv=64,
        d_ff=2048,
        num_layers=6,
        num_heads=8,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)


# --- in a process of its own -----------------------------------------------------------------


def resident(name: str = "VmRSS") -> int:
    """Bytes in memory now; with VmHWM at most since it was last asked for anew."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) << 10


def plan(made: Session, folder: Path) -> dict[str, Any]:
    from workbench.training.batches import Batches
    from workbench.training.plan import Making

    data = open_dataset(made.dataset, folder, nothing)
    making = Making(Batches(data, folder, nothing), made, threading.Event())
    found = making.plan()
    assert making.pace is not None
    return {
        "plan": found.memory_total,
        "parts": {one.name: [one.bytes, one.formula] for one in found.memory},
        "a_token": making.pace.operations,
    }


class Alone:
    """Hooks of a run that nobody looks at; notes memory and processor time after each step."""

    steering = None

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.most: list[int] = []

    def between_steps(self, step: int) -> None:
        if step == len(self.seconds):
            self.seconds.append(time.process_time())
            self.most.append(resident("VmHWM"))

    def stop_requested(self) -> bool:
        return False

    def advanced(self, step: int, total_steps: int, what: str) -> None:
        pass


def run(made: Session, folder: Path) -> dict[str, Any]:
    from workbench.inference.model import load_model
    from workbench.training.facts import settled
    from workbench.training.loop import train

    data = open_dataset(made.dataset, folder, nothing)
    found = settled(made, data, folder, nothing)
    warm()
    before = resident()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM begins anew
    loaded = load_model(found.session.model, folder, nothing, found.head)
    loading = resident("VmHWM") - before
    now, hooks = runs.Run.create(folder, "run", found.session, {}), Alone()
    try:
        train(found.session, loaded, data, now, hooks, None)
    finally:
        now.close()
    counts = [line["tokens"] for line in journal.read(now.folder / "metrics.jsonl")]
    tokens, seconds = counts[-1] - counts[0], hooks.seconds[-1] - hooks.seconds[1]
    return {
        "peak": resident("VmHWM") - before,
        "loading": loading,
        "by_step": [one - before for one in hooks.most],
        "tokens_per_second": tokens / seconds,
        "operations": operations(loaded.device, loaded.dtype),
    }


def warm() -> None:
    """Have what products and their gradients need beside their numbers."""
    for dtype in (torch.float32, torch.bfloat16):
        one = torch.ones(64, 64, dtype=dtype, requires_grad=True)
        (one @ one).sum().backward()


def operations(device: torch.device, dtype: torch.dtype) -> float:
    """Of matrix products, in a second of processor time."""
    from workbench.training.pace import flops

    begun, clock = time.process_time(), time.perf_counter()
    found = flops(device, dtype)
    return found * (time.perf_counter() - clock) / (time.process_time() - begun)


def alone(work: Callable[[Session, Path], dict[str, Any]], made: Session, folder: Path) -> Any:
    """What it gives, done in a process of its own, in which the libraries are imported already.

    Raises:
        RuntimeError: where it fails.
    """
    process = multiprocessing.get_context("fork")
    ours, theirs = process.Pipe(False)

    def go() -> None:
        try:
            theirs.send(work(made, folder))
        except BaseException as error:
            theirs.send(f"{type(error).__name__}: {error}")

    child = process.Process(target=go)
    child.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        found = "it was ended by the system"
    child.join()
    if isinstance(found, str):
        raise RuntimeError(found)
    return found


def measure(case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = prepared(case, folder)
        found = {**alone(plan, made, folder), **alone(run, made, folder)}
    reached = found["tokens_per_second"] * found["a_token"]
    return {**found, "share": reached / found["operations"]}


def main() -> None:
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("names", nargs="*", metavar="NAME")
    reader.add_argument("--json", action="store_true", help="a line of JSON a run, parts and all")
    options = reader.parse_args()
    unknown = [name for name in options.names if name not in CASES]
    if unknown:
        sys.exit(f"{unknown[0]} is none of: {'; '.join(CASES)}.")
    for name in LIBRARIES:
        import_module(name)
    if not options.json:
        print("| run | plan | measured | plan / measured | of what products reach |")
        print("|---|---|---|---|---|")
    for name in options.names or CASES:
        try:
            found = measure(CASES[name])
        except RuntimeError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            continue
        if options.json:
            print(json.dumps({"name": name, **found}), flush=True)
            continue
        said, peak = found["plan"], found["peak"]
        print(
            f"| {name} | {said / 1e6:,.0f} MB | {peak / 1e6:,.0f} MB | {said / peak:.2f} "
            f"| {found['share']:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
