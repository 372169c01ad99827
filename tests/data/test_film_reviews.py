"""The film reviews: clean, apart, and each row's side and place fixed by its text."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from workbench import catalogue
from workbench.catalogue import SourceError
from workbench.data import film_reviews


def silent(*_: object) -> None:
    pass


def rows_of(name: str) -> list[dict[str, object]]:
    folder = catalogue.fetch("film-reviews", silent)
    text = (folder / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def test_there_are_thousands_of_rows_and_no_text_is_on_both_sides() -> None:
    train, evaluation = rows_of("train"), rows_of("evaluation")
    assert len(train) > 9000
    assert len(evaluation) > 1000
    texts = [row["text"] for row in train + evaluation]
    assert len(texts) == len(set(texts)) == 10603


def test_labels_follow_the_ratings_and_are_balanced_on_both_sides() -> None:
    for rows in (rows_of("train"), rows_of("evaluation")):
        for row in rows:
            assert row["label"] == ("positive" if float(str(row["rating"])) > 0 else "negative")
        positive = sum(row["label"] == "positive" for row in rows) / len(rows)
        assert 0.45 < positive < 0.55


def test_the_cache_says_where_the_reviews_come_from_and_under_what_licence() -> None:
    folder = catalogue.fetch("film-reviews", silent)
    assert "Hutto and E.E. Gilbert" in (folder / "README.md").read_text()
    assert "MIT" in (folder / "LICENSE").read_text()


def test_entities_and_doubled_quotes_are_undone_and_a_rating_of_zero_is_negative() -> None:
    rows = list(film_reviews.parse("7\t0.0\t''Die'' &amp; live   well \r\n\n8\t0.5\tTouché!\n"))
    assert rows == [
        {"id": 7, "text": '"Die" & live   well', "rating": 0.0, "label": "negative"},
        {"id": 8, "text": "Touché!", "rating": 0.5, "label": "positive"},
    ]


def test_more_rows_move_no_row_to_the_other_side_nor_past_another() -> None:
    some = [{"text": f"sentence {number}", "id": number} for number in range(400)]
    few, many = film_reviews.split(some[:200]), film_reviews.split(some)
    for side, rows in few.items():
        assert [row for row in many[side] if row["id"] < 200] == rows
    assert 10 < len(many["evaluation"]) < 80


def test_a_text_that_comes_twice_is_taken_once_the_first_time() -> None:
    sides = film_reviews.split([{"text": "same", "id": 1}, {"text": "same", "id": 2}])
    assert [row["id"] for rows in sides.values() for row in rows] == [1]


def test_an_archive_without_the_reviews_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "other.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        member = tarfile.TarInfo("../escape.txt")
        member.size = 1
        packed.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(SourceError, match=r"other\.tar\.gz does not hold the film reviews"):
        film_reviews.convert(archive, tmp_path / "out", silent)
    assert not (tmp_path.parent / "escape.txt").exists()
