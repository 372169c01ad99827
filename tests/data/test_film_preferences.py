"""The starter of preferences: made of the film reviews, the same each time."""

import io
import json
import tarfile
from pathlib import Path

from workbench.data.film_preferences import convert, preference
from workbench.data.film_reviews import MEMBER

REVIEWS = [(n, (-1) ** n * (0.4 + n / 50), f"Review number {n} of a film.") for n in range(90)]


def written(folder: Path) -> dict[str, list[dict[str, str]]]:
    folder.mkdir()
    text = "".join(f"{n}\t{rating}\t{text}\n" for n, rating, text in REVIEWS).encode()
    with tarfile.open(folder / "source.tar.gz", "w:gz") as packed:
        member = tarfile.TarInfo(MEMBER)
        member.size = len(text)
        packed.addfile(member, io.BytesIO(text))
    convert(folder / "source.tar.gz", folder, lambda *_: None)
    return {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "evaluation")
    }


def test_preferences_follow_from_the_reviews_alone(tmp_path: Path) -> None:
    once, again = written(tmp_path / "a"), written(tmp_path / "b")
    assert once == again
    rows = [*once["train"], *once["evaluation"]]
    assert len(rows) == 85  # five reviews are neither good nor bad
    assert not {row["prompt"] for row in once["train"]} & {
        row["prompt"] for row in once["evaluation"]
    }
    assert {row["fault"] for row in rows} == {"wrong", "roundabout"}


def test_the_better_answer_is_right_and_the_worse_one_wrong_or_long() -> None:
    for number, rating, text in REVIEWS:
        label = "positive" if rating > 0 else "negative"
        made = preference({"text": text, "label": label, "id": number, "rating": rating})
        right = "Yes" if label == "positive" else "No"
        assert made["chosen"].startswith(right)
        assert text in made["prompt"]
        if made["fault"] == "wrong":
            assert not made["rejected"].startswith(right)
        else:
            assert right in made["rejected"]
            assert len(made["rejected"]) > 2 * len(made["chosen"])
