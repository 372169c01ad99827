"""Token lengths of a million short rows, beside the tokenizer's own batch encode of the same texts.

    python -m benchmarks.lengths [--rows 1000000] [--runs 3]

The rows are the sentences of the film-reviews starter again and again, each with a number of its
own, in a JSON Lines file. In turn: the workbench reads the file, fills the wording and the chat
template, and counts; and the tokenizers library encodes the final texts, which lie in memory ready
made (`encode_batch_fast`, in blocks, so that a million encodings need not be held). Three formats:
a wording with a system text, plain text, and conversations. The ratio is the median of those of the
pairs; that of the processor's time says the same where other work is on the machine.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from benchmarks.workspace import own_state
from workbench import catalogue
from workbench.data.counting import Counter
from workbench.data.examples import Encoder
from workbench.data.formats import recognise
from workbench.data.lengths import measure
from workbench.data.sources import open_dataset
from workbench.inference.tokenizer import load_tokenizer
from workbench.session import DatasetSettings, ModelSettings, Prompt, TrainingSettings

Made = TypeVar("Made")
NEVER = threading.Event()
GOAL = 2.0
BLOCK = 8192  # texts that the tokenizer encodes in one call
WORDING = Prompt(
    system="You label the sentiment of film reviews as positive or negative.",
    template="Review: {{ text }}\nSentiment:",
    completion="{{ label }}",
)


def nothing(*_: Any) -> None:
    pass


def sentences(count: int) -> list[dict[str, str]]:
    place = catalogue.fetch("film-reviews", nothing)
    lines = (place / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        {"text": f"{rows[n % len(rows)]['text']} {n}", "label": rows[n % len(rows)]["label"]}
        for n in range(count)
    ]


def chat(row: dict[str, str]) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": row["text"]},
            {"role": "assistant", "content": row["label"]},
        ]
    }


def own(tokenizer: Any, texts: list[str]) -> int:
    """The tokenizer's batch encode; the tokens."""
    tokens = 0
    for at in range(0, len(texts), BLOCK):
        made = tokenizer.backend_tokenizer.encode_batch_fast(
            texts[at : at + BLOCK], add_special_tokens=False
        )
        tokens += sum(map(len, made))
    return tokens


def final_text(counter: Counter, row: dict[str, Any]) -> str:
    """The text whose tokens the trainer gets."""
    said = counter.encoder.said(row)[0]
    end = counter.tokenizer.eos_token
    if said.text is not None:
        return said.text + end
    if said.answer is None:
        return counter.written(said, head=False)
    return counter.written(said, head=True) + said.answer + end


def timed(work: Callable[[], Made]) -> tuple[float, float, Made]:
    """Seconds on the wall, seconds of the processor in all threads, and what was made."""
    begun, busy = time.perf_counter(), time.process_time()
    made = work()
    return time.perf_counter() - begun, time.process_time() - busy, made


def compare(
    name: str, rows: list[dict[str, Any]], prompt: Prompt, folder: Path, runs: int
) -> float:
    """Print both for one kind of rows; the ratio of the medians."""
    path = folder / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    settings = DatasetSettings(source=path.name, evaluation_count=1)
    data = open_dataset(settings, folder, nothing)
    tokenizer = load_tokenizer(ModelSettings(), folder, nothing)
    table = data.train.table
    found = recognise(table.columns, rows[:200], settings, prompt)
    training = TrainingSettings()
    counter = Counter(Encoder(tokenizer, prompt, found, training))
    texts = [final_text(counter, row) for row in data.train]
    pairs, busy = [], []
    for _ in range(runs):
        seconds, work, result = timed(
            partial(measure, tokenizer, prompt, found, training, data.train, 0, NEVER, nothing)
        )
        own_seconds, own_work, tokens = timed(partial(own, tokenizer, texts))
        assert result.tokens == tokens
        pairs.append((seconds, own_seconds))
        busy.append(work / own_work)
    ratio = median(ours / theirs for ours, theirs in pairs)
    ours, theirs = (median(one) for one in zip(*pairs, strict=True))
    print(
        f"{name:9} {len(texts):,} rows, {result.tokens / len(texts):.1f} tokens a row: lengths "
        f"{ours:.1f} s, the tokenizer's batch encode {theirs:.1f} s; ratio {ratio:.2f}, of the "
        f"processor's time {median(busy):.2f}",
        flush=True,
    )
    return ratio


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--rows", type=int, default=1_000_000)
    reader.add_argument("--runs", type=int, default=3)
    reader.add_argument("--kinds", nargs="+", default=["wording", "text", "messages"])
    options = reader.parse_args()
    rows = sentences(options.rows)
    kinds: list[tuple[str, list[dict[str, Any]], Prompt]] = [
        ("wording", list(rows), WORDING),
        ("text", [{"text": row["text"]} for row in rows], Prompt()),
        ("messages", [chat(row) for row in rows], Prompt()),
    ]
    with tempfile.TemporaryDirectory() as name, own_state(Path(name)):
        worst = max(
            compare(kind, given, prompt, Path(name), options.runs)
            for kind, given, prompt in kinds
            if kind in options.kinds
        )
    print(f"worst ratio {worst:.2f} (goal: at most {GOAL}), {options.runs} runs each")


if __name__ == "__main__":
    main()
