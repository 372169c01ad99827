"""What prompts cost: a beginning that is read once, beside the usual ways; each pair in one run.

    python -m benchmarks.prompting [--rows 300] [--dtype float32] [--parts labels text edit]

labels: a prompt with 16 examples over rows of film reviews, choosing among two labels; beside the
left-padded batch of whole prompts, 16 at once. Rows with another prediction are listed with the
distance of their labels, and the step between two numbers of that size in bfloat16.
text: the same prompts, answered with 32 tokens; beside batched `generate` on whole prompts; and the
tokens beside those of an unbatched `generate` of the first `--check` rows, in float32.
edit: the first token after the last line of a prompt of 2,000 tokens was edited; beside a fresh
`generate`; and 16 tokens of both.
"""

# ruff: noqa: E402 - the environment comes before the libraries

import argparse
import math
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from workbench.worker.environment import prepare_environment

prepare_environment()

import torch

from benchmarks.film_prompts import LABELS, Asked, film_prompts
from benchmarks.workspace import film_reviews
from workbench.inference.answering import Answer, Question
from workbench.inference.generation import configuration
from workbench.inference.states import pad_rows
from workbench.session import GenerationSettings

BATCH = 16
LONG = 2_000
NEVER = threading.Event()


def labels(asked: Asked) -> None:
    questions, loaded = asked.questions, asked.loaded
    ids = [loaded.tokenizer(label, add_special_tokens=False)["input_ids"] for label in LABELS]
    assert all(len(one) == 1 for one in ids)
    first = [one[0] for one in ids]
    found: dict[int, list[float]] = {}
    begun = time.perf_counter()
    asked.answerer.choose(questions, LABELS, found.__setitem__, NEVER)
    ours = time.perf_counter() - begun
    print(f"labels, a beginning that is read once: {ours:.1f} s", flush=True)
    usual: list[list[float]] = []
    begun = time.perf_counter()
    with loaded.answering("base"):
        for start in range(0, len(questions), BATCH):
            batch = [one.ids for one in questions[start : start + BATCH]]
            rows, mask = pad_rows(batch, loaded.pad_token)
            positions = (mask.cumsum(1) - 1).clamp_min(0)
            logits = loaded.model(
                rows, attention_mask=mask, position_ids=positions, logits_to_keep=1
            ).logits
            usual += logits[:, -1].float().log_softmax(-1)[:, first].tolist()
    padded = time.perf_counter() - begun
    print(f"labels, padded batches of whole prompts: {padded:.1f} s")
    mine = [max(range(2), key=found[n].__getitem__) for n in range(len(questions))]
    others = [max(range(2), key=one.__getitem__) for one in usual]
    for row in (n for n in range(len(mine)) if mine[n] != others[n]):
        print(f"  row {row}: {step(asked, questions[row])}")
        for name, scores in (("once", found[row]), ("whole", usual[row])):
            print(f"    read {name}: {LABELS[0]} is ahead by {scores[0] - scores[1]:+.4f}")
    differ = sum(a != b for a, b in zip(mine, others, strict=True))
    print(
        f"labels: {padded / ours:.1f} times as fast (goal: 8); accuracy "
        f"{asked.accuracy(mine):.1%} and {asked.accuracy(others):.1%}; {differ} of {len(mine)} "
        f"predictions differ ({differ / len(mine):.2%}; goal: at most 0.5 %, all of them ties)",
        flush=True,
    )


def step(asked: Asked, question: Question) -> str:
    """How far apart two numbers of the size of this prompt's logits are in bfloat16."""
    with asked.loaded.answering("base"):
        logits = asked.loaded.model(torch.tensor([question.ids]), logits_to_keep=1).logits[0, -1]
    top = float(logits.float().max())
    apart = 2.0 ** (math.floor(math.log2(abs(top))) - 7)
    return f"logits up to {top:.2f}, where bfloat16 has steps of {apart:g}"


def text(asked: Asked, check: int) -> None:
    questions, loaded = asked.questions, asked.loaded
    settings = GenerationSettings(max_new_tokens=32)
    found: dict[int, Answer] = {}
    begun = time.perf_counter()
    asked.answerer.write(questions, settings, found.__setitem__, NEVER)
    ours = time.perf_counter() - begun
    print(f"text, a beginning that is read once: {ours:.1f} s", flush=True)
    begun = time.perf_counter()
    with loaded.answering("base"):
        for start in range(0, len(questions), BATCH):
            ids, mask = pad_rows(
                [one.ids for one in questions[start : start + BATCH]], loaded.pad_token
            )
            loaded.model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=configuration(loaded, settings),
            )
    batched = time.perf_counter() - begun
    print(
        f"text, generate on padded whole prompts: {batched:.1f} s; {batched / ours:.1f} times as "
        "fast (goal: 3)",
        flush=True,
    )
    if loaded.dtype != torch.float32:
        print("text: the tokens are compared in float32 only")
        return
    checked = min(check, len(questions))
    same = sum(plain(asked, questions[n], 32)[0] == found[n].text for n in range(checked))
    print(
        f"text: {same} of {checked} answers are those of an unbatched float32 generate", flush=True
    )


def plain(asked: Asked, question: Question, count: int) -> tuple[str, float]:
    """A fresh `generate`: its text, and how long it took."""
    loaded, ids = asked.loaded, torch.tensor([question.ids])
    begun = time.perf_counter()
    with loaded.answering("base"):
        made = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=configuration(loaded, GenerationSettings(max_new_tokens=count)),
        )[0, ids.shape[1] :]
    taken = time.perf_counter() - begun
    return loaded.tokenizer.decode(made, skip_special_tokens=True), taken


def edit(asked: Asked, times: int) -> None:
    answerer = asked.answerer
    story = [f"{row['text']}\n" for row in asked.rows] * 40
    story = story[: next(n for n in range(len(story)) if tokens(asked, story[:n]) >= LONG)]

    def question(line: str) -> Question:
        return answerer.question([{"role": "user", "content": "".join([*story, line])}])

    answerer.stream(question("What do they say?"), GenerationSettings(), unheard, NEVER)
    ratios, same = [], 0
    for number in range(times):
        edited = question(f"In {number + 2} words, what do these reviews have in common?")
        begun = time.perf_counter()
        first: list[float] = []
        settings = GenerationSettings(max_new_tokens=16)

        def heard(*_: Any, begun: float = begun, first: list[float] = first) -> None:
            first.append(time.perf_counter() - begun)

        made = answerer.stream(edited, settings, heard, NEVER)
        _, taken = plain(asked, edited, 1)
        same += plain(asked, edited, 16)[0] == made.text
        ratios.append(taken / first[0])
        print(
            f"edit: {len(edited.ids):,} tokens, the first token after {first[0] * 1000:.0f} ms, "
            f"fresh generate {taken * 1000:.0f} ms",
            flush=True,
        )
    print(
        f"edit: {median(ratios):.1f} times sooner (median of {times}; goal: 8); {same} of {times} "
        "answers of 16 tokens are the same"
    )


def tokens(asked: Asked, lines: list[str]) -> int:
    return len(asked.loaded.tokenizer("".join(lines))["input_ids"])


def unheard(*_: Any) -> None:
    pass


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--rows", type=int, default=300)
    reader.add_argument("--dtype", default="float32", help="float32, bfloat16 or auto")
    reader.add_argument("--seed", type=int, default=0, help="draws the 16 examples")
    reader.add_argument("--check", type=int, default=300, help="rows of an unbatched generate")
    reader.add_argument("--edits", type=int, default=3)
    reader.add_argument("--parts", nargs="+", default=["labels", "text", "edit"])
    options = reader.parse_args()
    with tempfile.TemporaryDirectory() as name:
        asked = film_prompts(film_reviews(Path(name)), options.rows, options.dtype, options.seed)
    print(
        f"{len(asked.rows)} rows in {asked.loaded.dtype} on {torch.get_num_threads()} threads, "
        f"{sum(len(one.ids) for one in asked.questions) / len(asked.rows):.0f} tokens each"
    )
    if "labels" in options.parts:
        labels(asked)
    if "text" in options.parts:
        text(asked, options.check)
    if "edit" in options.parts:
        edit(asked, options.edits)


if __name__ == "__main__":
    main()
