"""Fine-tuning an encoder to tell labels apart: rows a second beside transformers' Trainer alone.

    python -m benchmarks.classification [--pairs 3] [--rows 2000] [--batch 8] [--threads 1]

In turn, each in a process of its own: a run of the starter session film-reviews-bert in this
program's loop; and a plain script with `Trainer` and its defaults (rows in random order, padded to
the batch's longest, float32). Both train all weights of MiniLM on the same rows for one epoch with
the same batch size, learning rate and seed, and are timed from the end of the first step to the end
of the last. The accuracy of both is on the same rows that neither saw, 2,000 unless --held says
otherwise; their difference is given with its interval at 95 % (paired, by bootstrap).

    python -m benchmarks.classification --one ours|plain   what one process does; prints JSON
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from workbench.worker.environment import prepare_environment

GOAL = 1.5
LABELS = ("negative", "positive")


def nothing(*_: Any) -> None:
    pass


def session(options: argparse.Namespace) -> Any:
    """The starter session, with the benchmark's rows, batch size and seed."""
    from msgspec.structs import replace

    from workbench import session as sessions

    path = Path(__file__).parents[1] / "sessions" / "film-reviews-bert.toml"
    made = sessions.load(path)
    training = replace(
        made.training,
        rows=options.rows,
        per_device_train_batch_size=options.batch,
        seed=options.seed,
        evaluation_rows=0,
        pinned_count=0,
        eval_steps=0,
        save_steps=0,
        logging_steps=50,
        threads=options.threads,
    )
    return replace(made, training=training)


def held_out(data: Any, count: int) -> list[dict[str, Any]]:
    rows = data.evaluation
    return list(rows.rows(rows.numbers[:count]))


def right(model: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> list[int]:
    """For each row whether the model names its label: float32, padded, the same for both."""
    import torch

    order = sorted(range(len(rows)), key=lambda n: len(rows[n]["text"]))
    found = [0] * len(rows)
    model.eval()
    with torch.no_grad():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            given = tokenizer(
                [rows[n]["text"] for n in batch],
                padding=True,
                truncation=True,
                max_length=128,
                return_tensors="pt",
            )
            for n, one in zip(batch, model(**given).logits.argmax(-1).tolist(), strict=True):
                found[n] = int(LABELS[one] == rows[n]["label"])
    return found


def ours(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from workbench import runs
    from workbench.data.sources import open_dataset
    from workbench.inference.model import load_model, model_config
    from workbench.training.labels import settle
    from workbench.training.loop import train
    from workbench.training.tasks import head_of

    class Clock:
        times: list[float] = []
        last = 0

        def between_steps(self, step: int) -> None:
            if step > self.last:
                self.last = step
                self.times.append(time.perf_counter())

        def stop_requested(self) -> bool:
            return False

        def advanced(self, *_: Any) -> None:
            pass

    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        folder, made = Path(name), session(options)
        data = open_dataset(made.dataset, folder, nothing)
        config = model_config(made.model, folder, nothing)
        made, _ = settle(made, data, config)
        head = head_of("classification", config, made.training)
        loaded = load_model(made.model, folder, nothing, head)
        run = runs.Run.create(folder, "run", made, {})
        train(made, loaded, data, run, clock, None)
        run.close()
        rows = held_out(data, options.held)
        steps = len(clock.times)
        trained = min(len(data.train), options.rows or len(data.train))
        with loaded.answering("tuned"):
            answered = right(loaded.model, loaded.tokenizer, rows)
    return {
        "rows_per_second": rate(clock.times, trained, options.batch),
        "right": answered,
        "steps": steps,
        "threads": torch.get_num_threads(),
    }


def rate(times: list[float], rows: int, batch: int) -> float:
    """Rows a second from the end of the first step to the end of the last."""
    return (rows - batch) / (times[-1] - times[0])


def plain(options: argparse.Namespace) -> dict[str, Any]:
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    from workbench.catalogue import fetch
    from workbench.data.sources import open_dataset
    from workbench.training.examples import choose_rows

    class Clock(TrainerCallback):
        times: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.times.append(time.perf_counter())

    made = session(options)
    settings, clock = made.training, Clock()
    with tempfile.TemporaryDirectory() as output:
        data = open_dataset(made.dataset, Path(output), nothing)
        chosen = choose_rows(len(data.train), settings.rows, settings.seed)
        place = fetch(made.model.name, nothing)
        tokenizer = AutoTokenizer.from_pretrained(place)
        set_seed(settings.seed)
        model = AutoModelForSequenceClassification.from_pretrained(place, num_labels=2)
        train = []
        for row in (data.train[n] for n in chosen):
            ids = tokenizer(row["text"], truncation=True, max_length=128)["input_ids"]
            train.append({"input_ids": ids, "label": LABELS.index(row["label"])})
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=output,
                learning_rate=settings.learning_rate,
                num_train_epochs=1,
                per_device_train_batch_size=options.batch,
                warmup_steps=settings.warmup_steps,
                seed=settings.seed,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            processing_class=tokenizer,
            train_dataset=train,
            callbacks=[clock],
        )
        trainer.train()
        answered = right(model.cpu(), tokenizer, held_out(data, options.held))
    return {
        "rows_per_second": rate(clock.times, len(train), options.batch),
        "right": answered,
        "steps": len(clock.times),
        "threads": torch.get_num_threads(),
    }


def one(which: str, options: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own finds."""
    command = [sys.executable, "-m", "benchmarks.classification", "--one", which]
    for name in ("rows", "batch", "held", "seed", "threads"):
        command += [f"--{name}", str(getattr(options, name))]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def interval(one: list[int], other: list[int]) -> tuple[float, float]:
    """Of the difference of two accuracies on the same rows, at 95 %."""
    import numpy

    differences = numpy.array(one, float) - numpy.array(other, float)
    random = numpy.random.default_rng(0)
    drawn = random.choice(differences, (2000, len(differences))).mean(1)
    low, high = numpy.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--pairs", type=int, default=3)
    reader.add_argument("--rows", type=int, default=2000, help="0: all 8,605")
    reader.add_argument("--batch", type=int, default=8)
    reader.add_argument("--held", type=int, default=2000)
    reader.add_argument("--seed", type=int, default=0)
    reader.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    reader.add_argument("--one", choices=("ours", "plain"))
    options = reader.parse_args()
    if options.one:
        prepare_environment()
        print(json.dumps({"ours": ours, "plain": plain}[options.one](options)))
        return
    ratios = []
    for _ in range(options.pairs):
        mine, theirs = one("ours", options), one("plain", options)
        ratios.append(mine["rows_per_second"] / theirs["rows_per_second"])
        count = len(mine["right"])
        low, high = interval(mine["right"], theirs["right"])
        accuracies = [sum(found["right"]) / count for found in (mine, theirs)]
        print(
            f"workbench {mine['rows_per_second']:.1f} rows/s, Trainer "
            f"{theirs['rows_per_second']:.1f} ({mine['threads']} threads each); accuracy on "
            f"{count:,} rows {accuracies[0]:.1%} and {accuracies[1]:.1%}, difference "
            f"{accuracies[0] - accuracies[1]:+.1%} ({low:+.1%} to {high:+.1%})",
            flush=True,
        )
    print(
        f"ratio {median(ratios):.2f} (median of {len(ratios)} pairs, {min(ratios):.2f} to "
        f"{max(ratios):.2f}; goal: at least {GOAL})"
    )


if __name__ == "__main__":
    main()
