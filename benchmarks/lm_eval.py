"""The same task in lm-evaluation-harness: its `hf` model beside ours, same rows and prompts.

    python -m benchmarks.lm_eval [--rows 300] [--dtype float32]

lm-eval is installed into an environment of its own in a temporary folder, which sees this one's
torch and transformers. Both get the same text for each row, 16 examples and the review, and choose
between two labels; each is timed from the prompts as text to the last score, models loaded before.
"""

# ruff: noqa: E402 - the environment comes before the libraries

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import venv
from pathlib import Path
from typing import Any

from workbench.worker.environment import prepare_environment

prepare_environment()

import torch

from benchmarks.film_prompts import LABELS, Asked, film_prompts
from benchmarks.workspace import film_reviews

VERSION = "0.4.13"
TASK = """
task: film_reviews_chosen
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{rows}"}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{prompt}}}}"
doc_to_choice: {labels}
doc_to_target: "{{{{label}}}}"
target_delimiter: ""
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
# Runs in the other environment.
SCRIPT = """
import json, sys, time
import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

about = json.loads(sys.argv[1])
torch.set_num_threads(about["threads"])
model = HFLM(pretrained=about["model"], dtype=about["dtype"], device="cpu", batch_size=16)
manager = TaskManager(include_path=about["folder"])
begun = time.perf_counter()
found = simple_evaluate(
    model=model, tasks=["film_reviews_chosen"], task_manager=manager, bootstrap_iters=0,
    log_samples=True,
)
seconds = time.perf_counter() - begun
samples = sorted(found["samples"]["film_reviews_chosen"], key=lambda one: one["doc_id"])
scores = [[float(pair[0]) for pair in one["filtered_resps"]] for one in samples]
accuracy = found["results"]["film_reviews_chosen"]["acc,none"]
print(json.dumps({"seconds": seconds, "accuracy": accuracy, "scores": scores}))
"""


def environment(folder: Path) -> Path:
    """An interpreter that has lm-eval, and what is installed here."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    place = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    (place / "here.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [str(python), "-m", "pip", "install", "--quiet", f"lm-eval=={VERSION}"]
    subprocess.run(install, check=True)
    return python


def harness(python: Path, folder: Path, asked: Asked, dtype: str) -> dict[str, Any]:
    """What lm-eval finds and how long it takes."""
    rows = folder / "rows.jsonl"
    with rows.open("w", encoding="utf-8") as file:
        for prompt, row in zip(asked.texts, asked.rows, strict=True):
            file.write(json.dumps({"prompt": prompt, "label": row["label"]}) + "\n")
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "film.yaml").write_text(TASK.format(rows=rows, labels=json.dumps(LABELS)))
    about = {
        "model": asked.loaded.model.config._name_or_path,
        "dtype": dtype,
        "folder": str(tasks),
        "threads": torch.get_num_threads(),
    }
    done = subprocess.run(
        [str(python), "-c", SCRIPT, json.dumps(about)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "HF_DATASETS_CACHE": str(folder / "datasets")},
    )
    if done.returncode:
        sys.exit(f"lm-eval failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def ours(asked: Asked) -> tuple[float, dict[int, list[float]]]:
    found: dict[int, list[float]] = {}
    begun = time.perf_counter()
    asked.answerer.choose(asked.questions, LABELS, found.__setitem__, threading.Event())
    return time.perf_counter() - begun, found


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--rows", type=int, default=300)
    reader.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    reader.add_argument("--seed", type=int, default=0, help="draws the 16 examples")
    options = reader.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = film_prompts(film_reviews(folder), options.rows, options.dtype, options.seed)
        python = environment(folder / "environment")
        seconds, scores = ours(asked)
        theirs = harness(python, folder, asked, options.dtype)
    chosen = [scores[n].index(max(scores[n])) for n in range(len(asked.rows))]
    others = [one.index(max(one)) for one in theirs["scores"]]
    apart = max(
        abs((a[0] - a[1]) - (b[0] - b[1]))
        for a, b in zip((scores[n] for n in range(len(others))), theirs["scores"], strict=True)
    )
    print(f"ours {seconds:.1f} s, accuracy {asked.accuracy(chosen):.2%}")
    print(f"lm-eval {VERSION} {theirs['seconds']:.1f} s, accuracy {theirs['accuracy']:.2%}")
    differ = sum(a != b for a, b in zip(chosen, others, strict=True))
    print(
        f"{theirs['seconds'] / seconds:.1f} times as fast (goal: 2); {differ} of {len(chosen)} "
        f"predictions differ; the labels' distances differ by {apart:.1e} at most"
    )


if __name__ == "__main__":
    main()
