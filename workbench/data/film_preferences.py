"""Makes preferences of the film reviews: to each review a better and a worse answer.

Knows what a good answer is here: the right opinion, in one short sentence. Of the worse answers one
in three has the wrong opinion, the others the right one in a roundabout way.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

from workbench.catalogue import Report, SourceError
from workbench.data.film_reviews import MEMBER, content_hash, parse, split

LEAST = 0.5  # of the rating: nearer to 0 the raters do not agree
PROMPT = 'Film review: "{text}" Is the film recommended?'
SHORT = {
    "positive": ("Yes, the reviewer liked it.", "Yes, it is praised.", "Yes, it is a good film."),
    "negative": ("No, the reviewer disliked it.", "No, it is panned.", "No, it is a bad film."),
}
ROUNDABOUT = (
    "That is hard to tell, as tastes differ, but if I had to guess: {answer}",
    "Thank you for this question! There are many ways to look at a film. {answer}",
    "As far as one can say, and without having seen it myself: {answer}",
)
OTHER = {"positive": "negative", "negative": "positive"}
README = """# Film preferences

Sentences of film reviews, each in a question (`prompt`), with a better answer (`chosen`) and a
worse one (`rejected`). The better one is short and right. The worse one is short and wrong, or
right and roundabout: `fault` says which (`wrong`, `roundabout`). Reviews that the raters found
neither good nor bad are left out. `train.jsonl` and `evaluation.jsonl` have no review in common.

The answers are made of the label by a program, the reviews are those of the starter film-reviews:
the movie review snippets of the ICWSM 2014 data of C.J. Hutto and E.E. Gilbert, as shipped in the
source archive of the Python package vaderSentiment 0.5. Licence: MIT, see LICENSE.
"""


def convert(archive: Path, folder: Path, report: Report) -> None:
    """Write train.jsonl, evaluation.jsonl and README.md into `folder`.

    Raises:
        SourceError: when the archive is another than is expected.
    """
    report("preparing film-preferences", 0, 0, "rows")
    try:
        with tarfile.open(archive) as packed:
            member = packed.extractfile(MEMBER)
            text = member.read().decode("utf-8") if member else ""
    except (KeyError, tarfile.TarError, UnicodeDecodeError, EOFError) as error:
        raise SourceError(f"{archive.name} does not hold the film reviews: {error}.") from error
    total = 0
    for name, rows in split(parse(text)).items():
        made = [preference(row) for row in rows if abs(row["rating"]) >= LEAST]
        total += len(made)
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
    (folder / "README.md").write_text(README, encoding="utf-8")
    report("preparing film-preferences", total, total, "rows")


def preference(review: dict[str, Any]) -> dict[str, str]:
    """The preference that is made of a review; it follows from the review's text alone."""
    code = content_hash(review["text"]) >> 32  # the bits that decide on the side are others
    code, third = divmod(code, 3)
    wrong = third == 0
    code, first = divmod(code, 3)
    code, second = divmod(code, 3)
    chosen = SHORT[review["label"]][first]
    rejected = SHORT[OTHER[review["label"]]][second]
    if not wrong:
        rejected = ROUNDABOUT[code % 3].format(answer=SHORT[review["label"]][second])
    return {
        "prompt": PROMPT.format(text=review["text"]),
        "chosen": chosen,
        "rejected": rejected,
        "fault": "wrong" if wrong else "roundabout",
    }
