"""Starters that are made of what others ship: message catalogues, and Python's own reference."""

import json
import struct
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from tests.work import nobody_listens
from workbench.catalogue import STARTERS, SourceError
from workbench.data import interface_texts, python_topics
from workbench.data.fetch import fetch_into

HEAD = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n > 1);\n"
MESSAGES = {
    "": HEAD,
    "Save changes": "Enregistrer les\xa0modifications",
    "No": "Non",
    "Mon": "lun",
    "Image": "Image",
    "abbrev. month\x04April": "avr.",
    "%(count)s item\0%(count)s items": "%(count)s élément\0%(count)s éléments",
    "Delete %(name)s": "Supprimer %(nom)s",
    "See <a>this</a>": "Voir <a>ceci</a>",
    "Two\nlines": "Deux\nlignes",
    "save changes!": "enregistrer",
}


def write_catalogue(path: Path, messages: dict[str, str]) -> None:
    """A message catalogue of gettext: https://www.gnu.org/software/gettext/manual, MO Files."""
    keys = sorted(messages)
    texts = [one.encode() for key in keys for one in (key, messages[key])]
    start, places = 28 + 16 * len(keys), []
    for text in texts:
        places.append((len(text), start))
        start += len(text) + 1
    with path.open("wb") as file:
        file.write(struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, 0))
        for size, place in [*places[::2], *places[1::2]]:
            file.write(struct.pack("<2I", size, place))
        file.write(b"".join(text + b"\0" for text in texts))


def rows_in(folder: Path) -> dict[str, list[dict[str, str]]]:
    return {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "evaluation")
    }


def test_pairs_worth_learning_come_out_of_catalogues(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "1.mo", MESSAGES)
    write_catalogue(tmp_path / "2.mo", {"": HEAD, "Two\nlines": "Encore"})
    interface_texts.convert(tmp_path, nobody_listens)
    sides = rows_in(tmp_path)
    pairs = {row["en"]: row["fr"] for rows in sides.values() for row in rows}
    assert pairs == {
        "Save changes": "Enregistrer les modifications",
        "save changes!": "enregistrer",
        "No": "Non",
        "%(count)s item": "%(count)s élément",
        "Two lines": "Deux lignes",
    }
    both = [{row["en"].casefold().strip("!") for row in rows} for rows in sides.values()]
    assert not both[0] & both[1]
    assert not list(tmp_path.glob("*.mo"))


def test_a_broken_catalogue_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.mo").write_bytes(b"nothing of the kind")
    with pytest.raises(SourceError, match=r"1\.mo is no message catalogue"):
        interface_texts.convert(tmp_path, nobody_listens)


def test_pythons_reference_is_a_document_a_topic(tmp_path: Path) -> None:
    fetch_into(STARTERS["python-topics"], tmp_path, nobody_listens)
    sides = rows_in(tmp_path)
    assert {row["topic"]: row["text"] for rows in sides.values() for row in rows} == {
        name: text.strip() for name, text in topics.items()
    }
    assert 0.05 < len(sides["evaluation"]) / len(topics) < 0.25
    assert "Python Software Foundation" in (tmp_path / "README.md").read_text()


def test_a_python_without_its_reference_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydoc_data.topics", None)
    with pytest.raises(SourceError, match=r"without its language reference"):
        python_topics.convert(tmp_path, nobody_listens)


@pytest.mark.parametrize("name", ["ui-en-fr", "python-topics"])
def test_the_starters_are_whole(name: str) -> None:
    from workbench import catalogue

    folder = catalogue.fetch(name, nobody_listens)
    sides = rows_in(folder)
    total = sum(map(len, sides.values()))
    assert total >= (700 if name == "ui-en-fr" else 60)
    key = "en" if name == "ui-en-fr" else "topic"
    assert not {row[key] for row in sides["train"]} & {row[key] for row in sides["evaluation"]}
