"""Makes the film-reviews dataset from the ICWSM 2014 data of Hutto and Gilbert.

Knows the layout of that archive; not where it comes from nor where the result is kept.
"""

import hashlib
import html
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from workbench.catalogue import Report, SourceError

MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
EVALUATION_SHARE = 0.1
README = """# Film reviews

Sentences of film reviews: `text`, `rating` (mean of 20 human raters, -4 to 4) and `label`
(`positive` where the rating is above 0, else `negative`); `id` is the row's number at its origin.
`train.jsonl` and `evaluation.jsonl` have no text in common; a row's side follows from its text.

Origin: the movie review snippets of the ICWSM 2014 data of C.J. Hutto and E.E. Gilbert ("VADER: A
Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", Eighth International
Conference on Weblogs and Social Media, Ann Arbor, MI, June 2014), as shipped in the source archive
of the Python package vaderSentiment 0.5. Licence: MIT, see LICENSE.
"""


def convert(archive: Path, folder: Path, report: Report) -> None:
    """Write train.jsonl, evaluation.jsonl and README.md into the folder.

    Raises:
        SourceError: when the archive does not hold the reviews.
    """
    report("preparing film-reviews", 0, 0, "rows")
    try:
        with tarfile.open(archive) as packed:
            member = packed.extractfile(MEMBER)
            text = member.read().decode("utf-8") if member else ""
    except (KeyError, tarfile.TarError, UnicodeDecodeError, EOFError) as error:
        raise SourceError(f"{archive.name} does not hold the film reviews: {error}.") from error
    sides = split(parse(text))
    for name, rows in sides.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "README.md").write_text(README, encoding="utf-8")
    total = sum(map(len, sides.values()))
    report("preparing film-reviews", total, total, "rows")


def parse(text: str) -> Iterator[dict[str, Any]]:
    """Rows from lines of id, rating and text; HTML entities and doubled quotes are undone."""
    for line in text.split("\n"):
        if line.strip():
            number, rating, sentence = line.rstrip("\r").split("\t")
            yield {
                "id": int(number),
                "text": html.unescape(sentence).replace("''", '"').strip(),
                "rating": round(float(rating), 3),
                "label": "positive" if float(rating) > 0 else "negative",
            }


def split(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by side, each in the order of a hash of its text: shuffled, the same everywhere.

    A text is taken once, and its side depends on nothing but itself.
    """
    sides: dict[str, list[dict[str, Any]]] = {"train": [], "evaluation": []}
    once = {content_hash(row["text"]): row for row in reversed(list(rows))}  # the first of each
    for code, row in sorted(once.items()):
        share = (code % 2**32) / 2**32  # the low bits: the high ones give the order
        sides["evaluation" if share < EVALUATION_SHARE else "train"].append(row)
    return sides


def content_hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
