"""Supervised fine-tuning of SmolLM2-135M with LoRA on film reviews, beside TRL and LLaMA-Factory.

    python -m benchmarks.sft [--llamafactory PYTHON] [--steps 24] [--pairs 3] [--threads 0]
        [--ways trl-default llamafactory-default trl-best trl-float32 trl-packed llamafactory-best]

The same rows in the starter's wording, the same rank, layers, learning rate, rows a step and steps,
and the same number of processor threads (`--threads`; 0: each tool's own choice). Ours is
`workbench train` with its defaults. PYTHON is that of an environment with `llamafactory`.

default: as the tool's documentation begins (TRL: `SFTTrainer` with a `SFTConfig`; LLaMA-Factory:
its example of LoRA), in the tool's own order of rows. best: activations kept, rows of about one
length in a batch, in our order, so that losses can be compared step by step; packed: TRL's packing
into as many tokens as a step of ours has.

All in bfloat16, which each of the three chooses where the processor has a unit for it, but for
trl-float32. Without such a unit (or with `--precision float32`) all in float32, the defaults of TRL
and LLaMA-Factory, too: they ask for bfloat16 whatever the processor, and emulated it is some
seventy times as slow, which would compare nothing.

TRL gets the rows as token ids, so that it learns the very same tokens; LLaMA-Factory as texts, by
its template of this model, which has one token more to learn: the line break behind the answer. It
costs no loss, so LLaMA-Factory's losses are set beside ours by the row, not by the token.

Counted are tokens of text, from the second step's beginning to the last's, by the clock on the wall
and by processor time, which says more where the machine is not quiet.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from msgspec.structs import replace

from benchmarks.workspace import ROOT, film_reviews, own_state
from workbench import catalogue
from workbench import session as sessions
from workbench.data.prompting import answer, messages
from workbench.data.sources import open_dataset
from workbench.processor import bfloat16_unit
from workbench.session import Session
from workbench.training.examples import choose_rows, prepare_examples
from workbench.training.sampler import EpochSampler

GOALS = {"default": 2.0}  # of all others 1.0
WAYS = [
    "trl-default",
    "llamafactory-default",
    "trl-best",
    "trl-float32",
    "trl-packed",
    "llamafactory-best",
]


def nothing(*_: Any) -> None:
    pass


def rows_of(session: Session, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """The rows in the order in which ours learns them, as texts and as tokens; and a step's tokens
    on average."""
    from workbench.inference.tokenizer import load_tokenizer
    from workbench.training.sft import encoder_for

    settings, prompt = session.training, session.prompt()
    data = open_dataset(session.dataset, folder, nothing)
    chosen = choose_rows(len(data.train), settings.rows, settings.seed)

    class Loaded:  # an encoder wants no more of a model
        tokenizer = load_tokenizer(session.model, folder, nothing)

    encoder = encoder_for(Loaded, data, session, settings.max_length)  # type: ignore[arg-type]
    examples = prepare_examples(data.train, chosen, encoder, pause=nothing)
    lengths = examples.lengths
    size = settings.per_device_train_batch_size
    order = list(EpochSampler(len(lengths), size, settings.seed, lengths))
    made = []
    for number in order:
        system, user, *_ = messages(prompt, data.train[chosen[number]])
        completion = answer(prompt, data.train[chosen[number]])
        ids, (start, stop) = list(examples.input_ids[number]), examples.trained[number]
        made.append(
            {
                "system": system["content"],
                "prompt": user["content"],
                "completion": completion,
                "input_ids": ids,
                "completion_mask": [int(start <= one < stop) for one in range(len(ids))],
            }
        )
    return made, round(size * sum(lengths) / len(lengths))


def specification(way: str, session: Session, folder: Path, rows: Any, tokens: int) -> Any:
    """What `sft_run.py` is told."""
    tool, _, kind = way.partition("-")
    settings, default = session.training, kind == "default"
    usual = {
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": settings.per_device_train_batch_size,
        "gradient_accumulation_steps": 1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.lr_scheduler_type,
        "warmup_steps": settings.warmup_steps,
        "num_train_epochs": 1.0,
        "max_steps": len(rows) // settings.per_device_train_batch_size,
        "max_grad_norm": settings.max_grad_norm,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 0,
    }
    model = str(catalogue.cache_folder() / "starters" / session.model.name)
    made = {
        "tool": tool,
        "model": model,
        "rows": rows,
        "rank": settings.lora_r,
        "alpha": settings.lora_alpha,
        "in_order": not default and kind != "packed",
        "folder": str(folder),
    }
    of_tool = trl_arguments if tool == "trl" else llamafactory_arguments
    return {**made, "arguments": {**usual, **of_tool(kind, session, model, folder, tokens)}}


def trl_arguments(
    kind: str, session: Session, _model: str, _folder: Path, tokens: int
) -> dict[str, Any]:
    """Of a `SFTConfig`, beside the usual ones."""
    precision, default = session.model.dtype, kind == "default"
    more: dict[str, Any] = {"completion_only_loss": True}  # its choice for rows as texts
    dtype = "float32" if kind == "float32" else precision
    if not default:
        more["activation_checkpointing"] = False
    if not default or precision == "float32":
        more |= {"model_init_kwargs": {"dtype": dtype}, "bf16": dtype == "bfloat16"}
    if kind == "packed":
        more |= {"packing": True, "max_length": tokens, "per_device_train_batch_size": 1}
    return more


def llamafactory_arguments(
    kind: str, session: Session, model: str, folder: Path, _tokens: int
) -> dict[str, Any]:
    """Of its configuration file, beside the usual ones."""
    settings, precision = session.training, session.model.dtype
    more = {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": model if precision == "bfloat16" else as_float32(model, folder),
        "finetuning_type": "lora",
        "lora_rank": settings.lora_r,
        "lora_alpha": settings.lora_alpha,
        "lora_target": "all",
        "dataset": "reviews",
        "dataset_dir": str(folder),
        "template": "smollm2",
        "cutoff_len": 2048,
        "overwrite_cache": True,
        "preprocessing_num_workers": 1,
        "bf16": precision == "bfloat16",
        "trust_remote_code": False,
    }
    if kind != "default":
        more |= {"disable_shuffling": True, "disable_gradient_checkpointing": True}
    return more


def as_float32(model: str, folder: Path) -> str:
    """The model's folder with another number format in its configuration: LLaMA-Factory loads in
    that one, and has no setting for it."""
    made = folder / "model"
    shutil.copytree(model, made, dirs_exist_ok=True)
    path = made / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    path.write_text(json.dumps({**config, "dtype": "float32"}), encoding="utf-8")
    return str(made)


def run(python: str, specification: Any, folder: Path, threads: int) -> dict[str, Any]:
    """What `sft_run.py` noted; raises with its last lines where it failed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spec.json"
    path.write_text(json.dumps(specification), encoding="utf-8")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment.pop("OMP_NUM_THREADS", None)
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    if specification["tool"] == "ours":
        environment["PYTHONPATH"] = str(ROOT)
    elif specification["tool"] == "llamafactory":
        environment |= {"CUDA_VISIBLE_DEVICES": "", "FORCE_TORCHRUN": "0"}
    done = subprocess.run(
        [python, str(ROOT / "benchmarks" / "sft_run.py"), str(path)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    if done.returncode or not done.stdout.strip():
        raise RuntimeError("\n".join(done.stderr.strip().splitlines()[-6:]))
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def rate(found: dict[str, Any], clock: str) -> float:
    """Tokens of text a second, the first step left out."""
    times = found[clock]
    return float(sum(found["tokens"][1 : len(times) - 1]) / (times[-1] - times[1]))


def compared(ours: list[float], theirs: list[float], in_order: bool) -> str:
    """How far the losses are apart."""
    if in_order:
        apart = [abs(a - b) for a, b in zip(ours, theirs, strict=False)]
        return (
            f"step by step {max(apart):.3f} at most, {sum(apart) / len(apart):.3f} on average "
            f"(from {ours[0]:.3f} to {ours[-1]:.3f})"
        )
    half = len(ours) // 2
    means = [
        [sum(part) / len(part) for part in (one[:half], one[half:])]
        for one in (ours, theirs[: len(ours)])
    ]
    return " and ".join(
        f"{a:.3f} beside {b:.3f} in the {name} half"
        for a, b, name in zip(*means, ("first", "second"), strict=True)
    )


def main() -> None:
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("--llamafactory", metavar="PYTHON", default="")
    reader.add_argument("--steps", type=int, default=24)
    reader.add_argument("--pairs", type=int, default=3)
    reader.add_argument("--threads", type=int, default=0)
    reader.add_argument(
        "--precision",
        choices=["bfloat16", "float32"],
        default="bfloat16" if bfloat16_unit() else "float32",
    )
    reader.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS)
    options = reader.parse_args()
    with tempfile.TemporaryDirectory() as name, own_state(Path(name)):
        folder = Path(name)
        path = film_reviews(folder)
        size = sessions.load(path).training.per_device_train_batch_size
        path = film_reviews(
            folder, rows=size * options.steps, evaluation_rows=0, eval_steps=0, save_steps=0,
            pinned_count=0, metric_rows=0,
        )  # fmt: skip
        session = sessions.load(path)
        session = replace(session, model=replace(session.model, dtype=options.precision))
        sessions.save(session, path)
        rows, tokens = rows_of(session, folder)
        print(
            f"{len(rows)} rows, {size} a step, {tokens} tokens of text a step; load of the machine "
            f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {options.precision}"
        )
        beside = [one for one in options.ways if options.llamafactory or one.startswith("trl")]
        for way in beside:
            pairs = []
            for number in range(options.pairs):
                made = {"tool": "ours", "session": str(path)}
                ours = run(sys.executable, made, folder / f"ours-{way}-{number}", options.threads)
                python = options.llamafactory if way.startswith("llama") else sys.executable
                place = folder / f"{way}-{number}"
                place.mkdir(parents=True, exist_ok=True)
                other = specification(way, session, place, rows, tokens)
                try:
                    theirs = run(python, other, place, options.threads)
                except RuntimeError as error:
                    print(f"{way}: failed: {error}", flush=True)
                    break
                pairs.append((ours, theirs))
            if pairs:
                learnt = sum(sum(row["completion_mask"]) for row in rows) / len(rows)
                told(way, pairs, 1 + 1 / learnt if way.startswith("llama") else 1.0)


def told(way: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]], times: float) -> None:
    """Print the medians of the pairs; `times` makes their losses comparable."""
    goal = GOALS.get(way.partition("-")[2], 1.0)
    ours, theirs = pairs[-1]
    print(f"{way} ({theirs['threads']} threads, ours {ours['threads']})")
    for clock, words in (("clock", "by the clock"), ("cpu", "by processor time")):
        rates = [(rate(one, clock), rate(other, clock)) for one, other in pairs]
        ratios = [a / b for a, b in rates]
        print(
            f"  {words}: ours {median(a for a, _ in rates):.0f}, {way} "
            f"{median(b for _, b in rates):.0f} tokens/s, ratio {median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}; goal {goal})"
        )
    in_order = way.partition("-")[2] not in ("default", "packed")
    losses = [one * times for one in theirs["losses"]]
    print(f"  losses: {compared(ours['losses'], losses, in_order)}", flush=True)


if __name__ == "__main__":
    main()
