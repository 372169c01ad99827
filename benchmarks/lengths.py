"""Token lengths of a million short rows, beside the tokenizer's own batch encode of the same texts.

    python -m benchmarks.lengths [--rows 1000000] [--runs 3]

The rows are the sentences of the film-reviews starter again and again, each with a number of its
own, in a JSON Lines file. In turn: the workbench reads the file, fills the wording and the chat
template, and counts; and the tokenizers library encodes the final texts, which lie in memory ready
made (`encode_batch_fast`, in blocks, so that a million encodings need not be held). Three formats:
a wording with a system text, plain text, and conversations.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.workspace import own_state
from workbench import catalogue
from workbench.data.examples import Encoder
from workbench.data.formats import recognise
from workbench.data.lengths import measure
from workbench.data.sources import open_dataset
from workbench.inference.tokenizer import load_tokenizer
from workbench.protocol import LengthsMeasured
from workbench.session import DatasetSettings, ModelSettings, Prompt, TrainingSettings

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


def own(tokenizer: Any, texts: list[str]) -> tuple[float, int]:
    """Seconds of the tokenizer's batch encode, and the tokens."""
    begun, tokens = time.perf_counter(), 0
    for at in range(0, len(texts), BLOCK):
        made = tokenizer.backend_tokenizer.encode_batch_fast(
            texts[at : at + BLOCK], add_special_tokens=False
        )
        tokens += sum(map(len, made))
    return time.perf_counter() - begun, tokens


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
    encoder = Encoder(tokenizer, prompt, found, training)
    texts = [
        tokenizer.decode(encoder.whole(encoder.said(rows[int(number)])[0]).input_ids)
        for number in data.train.numbers
    ]
    ours, theirs = [], []
    result: LengthsMeasured | None = None
    for _ in range(runs):
        begun = time.perf_counter()
        result = measure(
            tokenizer, prompt, found, training, data.train, 0, threading.Event(), nothing
        )
        ours.append(time.perf_counter() - begun)
        seconds, tokens = own(tokenizer, texts)
        theirs.append(seconds)
    assert result is not None
    ratio = median(ours) / median(theirs)
    print(
        f"{name:9} {len(texts):,} rows, {result.tokens / len(texts):.1f} tokens a row: lengths "
        f"{median(ours):.1f} s, the tokenizer's batch encode {median(theirs):.1f} s "
        f"({tokens / len(texts):.1f} tokens a row), ratio {ratio:.2f}",
        flush=True,
    )
    return ratio


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--rows", type=int, default=1_000_000)
    reader.add_argument("--runs", type=int, default=3)
    options = reader.parse_args()
    rows = sentences(options.rows)
    kinds: list[tuple[str, list[dict[str, Any]], Prompt]] = [
        ("wording", list(rows), WORDING),
        ("text", [{"text": row["text"]} for row in rows], Prompt()),
        ("messages", [chat(row) for row in rows], Prompt()),
    ]
    with tempfile.TemporaryDirectory() as name, own_state(Path(name)):
        worst = max(compare(kind, given, p, Path(name), options.runs) for kind, given, p in kinds)
    print(f"worst ratio {worst:.2f} (goal: at most {GOAL}), {options.runs} runs each")


if __name__ == "__main__":
    main()
