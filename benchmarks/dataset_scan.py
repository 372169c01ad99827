"""How fast all rows of a large JSON Lines file are looked at, and what memory that takes.

    python -m benchmarks.dataset_scan [--gigabytes 5] [--file rows.jsonl] [--only filter search]

Makes a file of real text (as `dataset_open` does) in a temporary folder, reads its index, then
measures in a process of its own each: the summary of all columns, a filter, a search for a word
(to its first hit and to its end), sorting by a number and by a text, rows held out by content, and
looking for problems; and the same filter with pyarrow: its JSON reader, then pyarrow.compute. The
file is in the page cache: it was read a moment before.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.dataset_open import ROW_BYTES, peak, write

GOALS = {"rate": 300, "memory": 400}  # MB/s of the file, MB
WHERE = 'rating > 1 and label == "positive"'
SEARCH = "joyful"


def opened(path: str) -> Any:
    from workbench.data.sources import open_source
    from workbench.session import DatasetSettings

    source = open_source(DatasetSettings(source=path), Path(), lambda *_: None)
    source.table("train").index(lambda *_: None, threading.Event())
    return source


def viewed(path: str, **wish: Any) -> dict[str, Any]:
    """A view of the rows; `first` is the time to its first hit."""
    from workbench.data.views import View, find

    table = opened(path).table("train")
    asked = {"search": "", "where": "", "sort": "", "descending": False, "side": "all"} | wish
    view, first = View(), []
    begun = time.perf_counter()

    def tell(rows: int, _scanned: int, _total: int) -> None:
        if rows and not first:
            first.append(time.perf_counter() - begun)

    find(table, None, **asked, problem=None, view=view, stopped=threading.Event(), tell=tell)
    return {"seconds": time.perf_counter() - begun, "rows": view.count, "first": first[0]}


def summary(path: str) -> dict[str, Any]:
    from workbench.data.summary import summarise

    table = opened(path).table("train")
    begun = time.perf_counter()
    found = summarise(table, None, [], threading.Event(), lambda *_: None)
    return {"seconds": time.perf_counter() - begun, "rows": len(found)}


def index(path: str) -> dict[str, Any]:
    begun = time.perf_counter()
    table = opened(path).table("train")
    return {"seconds": time.perf_counter() - begun, "rows": table.count}


def held_out(path: str) -> dict[str, Any]:
    from workbench.data.splits import divide
    from workbench.session import DatasetSettings

    source = opened(path)
    begun = time.perf_counter()
    found = divide(source, DatasetSettings(source=path), threading.Event(), lambda *_: None)
    return {"seconds": time.perf_counter() - begun, "rows": len(found.evaluation)}


def problems(path: str) -> dict[str, Any]:
    from workbench.data.problems import as_recognised, find_problems
    from workbench.data.splits import divide
    from workbench.session import DatasetSettings

    source, stopped = opened(path), threading.Event()
    settings = DatasetSettings(source=path, evaluation_share=0)
    division = divide(source, settings, stopped, lambda *_: None)
    begun = time.perf_counter()
    found, _, _ = find_problems(
        source, division, as_recognised(division.table, settings), stopped, lambda *_: None
    )
    return {
        "seconds": time.perf_counter() - begun,
        "rows": sum(problem.rows for problem in found),
    }


def arrow(path: str) -> dict[str, Any]:
    """The filter with pyarrow: blocks of its JSON reader, so that memory is bounded there, too."""
    import pyarrow
    from pyarrow import compute
    from pyarrow import json as reader

    begun = time.perf_counter()
    rows = 0
    options = reader.ReadOptions(block_size=16 << 20)
    for batch in reader.open_json(path, read_options=options):
        wanted = compute.and_kleene(
            compute.greater(batch["rating"], pyarrow.scalar(1.0)),
            compute.equal(batch["label"], "positive"),
        )
        rows += compute.sum(wanted).as_py() or 0
    return {"seconds": time.perf_counter() - begun, "rows": rows}


PARTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "index": index,
    "summary": summary,
    "filter": lambda path: viewed(path, where=WHERE),
    "pyarrow": arrow,
    "search": lambda path: viewed(path, search=SEARCH),
    "sort": lambda path: viewed(path, sort="rating"),
    "sort-text": lambda path: viewed(path, sort="text", descending=True),
    "held-out": held_out,
    "problems": problems,
}
LABELS = {
    "index": "read its index",
    "summary": "summary of columns",
    "filter": f"filter: {WHERE}",
    "pyarrow": "the same filter with pyarrow",
    "search": f'search for "{SEARCH}"',
    "sort": "sort by a number",
    "sort-text": "sort by a text",
    "held-out": "hold out 1 row in 20",
    "problems": "problems, duplicates among them",
}


def alone(part: str, path: Path, cache: Path) -> dict[str, Any]:
    """Figures of one part, from a process of its own."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.dataset_scan", "--part", part, "--file", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WORKBENCH_CACHE": str(cache)},
        check=True,
    )
    found: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return found


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--gigabytes", type=float, default=5.0)
    reader.add_argument("--file", type=Path, help="an existing file of such rows instead")
    reader.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    reader.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    given = reader.parse_args()
    if given.part:
        print(json.dumps({**PARTS[given.part](str(given.file)), "memory": peak()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or Path(folder) / "rows.jsonl"
        if not given.file:
            write(path, int(given.gigabytes * 1.08e9 / ROW_BYTES))
        size = path.stat().st_size / 1e6
        print(f"{size / 1000:.1f} GB, on {os.cpu_count()} cores; goals: {GOALS['rate']} MB/s, "
              f"under {GOALS['memory']} MB")  # fmt: skip
        figures = {}
        for part in dict.fromkeys(["index", *given.only]):  # the others find it in the cache
            figures[part] = one = alone(part, path, Path(folder) / "cache")
            first = f", the first after {one['first']:.2f} s" if "first" in one else ""
            print(
                f"{LABELS[part]:44} {one['seconds']:6.1f} s {size / one['seconds']:6.0f} MB/s, "
                f"{one['memory']:4.0f} MB, {one['rows']:,} rows{first}",
                flush=True,
            )
        if "summary" in figures:
            both = figures["index"]["seconds"] + figures["summary"]["seconds"]
            print(f"{'index and summary together':44} {both:6.1f} s {size / both:6.0f} MB/s")


if __name__ == "__main__":
    main()
