"""How soon a large JSON Lines file can be looked at, how fast it is indexed, and what that takes.

    python -m benchmarks.dataset_open [--gigabytes 5] [--pages 2000] [--without-datasets]

Makes a file of real text (the film reviews and Python's own help topics) in a temporary folder,
then measures in a process of its own each: from the request to the first rows, imports counted;
the index; the last rows and pages of 50 rows anywhere in the file, also while it is indexed; the
same file opened again; and `datasets.load_dataset` on it, which copies it into its cache first.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from workbench import catalogue

ROW_BYTES = 270  # so that 5.4 GB are 20 million rows
TEXTS = 200_000  # different texts
CHUNK = 50_000  # rows written at a time
PAGE = 50
GOALS = {"first": 0.5, "memory": 400, "row": 0.2, "page": 0.030, "rate": 300}


def write(path: Path, rows: int) -> None:
    """A file of so many rows, of real sentences in random order."""
    from pydoc_data.topics import topics

    folder = catalogue.fetch("film-reviews", lambda *_: None)
    reviews = [json.loads(line) for line in (folder / "train.jsonl").open(encoding="utf-8")]
    sentences = [
        line.strip() for text in topics.values() for line in text.splitlines() if len(line) > 40
    ]
    chance = random.Random(0)
    bodies = []
    for _ in range(TEXTS):
        review = chance.choice(reviews)
        text = review["text"]
        while len(text) < 180:
            text += " " + chance.choice(sentences)
        body = {"text": text[:206], "label": review["label"], "rating": review["rating"]}
        bodies.append(json.dumps(body, ensure_ascii=False)[1:])
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, rows, CHUNK):
            stop = min(start + CHUNK, rows)
            file.writelines(
                f'{{"id": {number}, {chance.choice(bodies)}\n' for number in range(start, stop)
            )


def peak() -> float:
    """Most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(path: str, pages: int) -> dict[str, Any]:
    """Figures of the workbench; called before anything of it was imported."""
    asked = time.perf_counter()
    from workbench.data.sources import open_source
    from workbench.session import DatasetSettings

    settings = DatasetSettings(source=path)
    table = open_source(settings, Path(), lambda *_: None).table("train")
    table.read(0, PAGE)
    result: dict[str, Any] = {"first": time.perf_counter() - asked}

    begun = time.perf_counter()
    indexing = threading.Thread(target=table.index, args=(lambda *_: None, threading.Event()))
    indexing.start()
    meanwhile = []
    while indexing.is_alive():
        meanwhile.append(page(table))
        time.sleep(0.1)  # a hand is not faster
    result["index"] = time.perf_counter() - begun
    result["rows"] = table.count
    begun = time.perf_counter()
    table.take([table.count - 10])
    result["row"] = time.perf_counter() - begun
    result["pages"] = [page(table) for _ in range(pages)]
    result["meanwhile"] = meanwhile
    begun = time.perf_counter()
    again = open_source(settings, Path(), lambda *_: None).table("train")
    again.read(again.count - PAGE, again.count)
    result["again"] = time.perf_counter() - begun
    result["memory"] = peak()
    return result


def page(table: Any) -> float:
    """Seconds for 50 rows anywhere in what is known by now."""
    start = random.randrange(max(1, table.count - PAGE))
    begun = time.perf_counter()
    table.read(start, start + PAGE)
    return time.perf_counter() - begun


def theirs(path: str, cache: str) -> dict[str, Any]:
    """The same file with `datasets`."""
    asked = time.perf_counter()
    import datasets

    datasets.disable_progress_bars()
    rows = datasets.load_dataset("json", data_files=path, split="train", cache_dir=cache)
    rows[:PAGE]
    result: dict[str, Any] = {"first": time.perf_counter() - asked, "rows": len(rows)}
    begun = time.perf_counter()
    rows[len(rows) - 10]
    result["row"] = time.perf_counter() - begun
    result["memory"] = peak()
    result["disk"] = sum(one.stat().st_size for one in Path(cache).rglob("*") if one.is_file())
    return result


def alone(*arguments: str, cache: Path) -> dict[str, Any]:
    """What this module prints when it runs in a process of its own."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.dataset_open", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WORKBENCH_CACHE": str(cache)},
        check=True,
    )
    found: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return found


def spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return (
        f"median {median(ordered) * 1000:.1f} ms, p99 {p99 * 1000:.1f}, "
        f"max {ordered[-1] * 1000:.1f} of {len(ordered)}"
    )


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--gigabytes", type=float, default=5.0)
    reader.add_argument("--pages", type=int, default=2000)
    reader.add_argument("--without-datasets", action="store_true")
    reader.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = reader.parse_args()
    if options.part:
        which, path, cache = options.part
        print(json.dumps(ours(path, options.pages) if which == "ours" else theirs(path, cache)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "rows.jsonl"
        write(path, int(options.gigabytes * 1e9 / ROW_BYTES))
        size = path.stat().st_size
        cache = folder / "cache"
        part = ["--pages", str(options.pages), "--part"]
        own = alone(*part, "ours", str(path), str(cache), cache=cache)
        rate = size / 1e6 / own["index"]
        print(f"a file of {size / 1e9:.2f} GB, {own['rows']:,} rows")
        print(f"first rows     {own['first']:.3f} s (goal: {GOALS['first']})")
        print(f"index          {own['index']:.1f} s, {rate:.0f} MB/s (goal: {GOALS['rate']})")
        print(f"page meanwhile {spread(own['meanwhile'])}")
        print(f"page           {spread(own['pages'])} (goal: {GOALS['page'] * 1000:.0f} ms)")
        print(
            f"row {own['rows'] - 10:,} {own['row'] * 1000:.1f} ms (goal: {GOALS['row'] * 1000:.0f})"
        )
        print(f"opened again   {own['again'] * 1000:.0f} ms, complete at once")
        print(f"memory         {own['memory']:.0f} MB at most (goal: {GOALS['memory']})")
        if not options.without_datasets:
            other = alone(*part, "theirs", str(path), str(folder / "theirs"), cache=cache)
            print(
                f"datasets.load_dataset: first rows {other['first']:.1f} s, row "
                f"{other['rows'] - 10:,} {other['row'] * 1000:.1f} ms, {other['memory']:.0f} MB, "
                f"{other['disk'] / 1e9:.2f} GB of cache"
            )


if __name__ == "__main__":
    main()
