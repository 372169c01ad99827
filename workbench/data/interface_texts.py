"""Makes the ui-en-fr dataset from the French message catalogues of Django.

Knows catalogues of gettext; not where they come from nor where the result is kept.
"""

import gettext
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.catalogue import Report, SourceError
from workbench.data.film_reviews import content_hash

EVALUATION_SHARE = 0.15
CONTEXT = "\x04"  # stands between a message's context and its text
PLACE = re.compile(r"%\([a-z_0-9]+\)[a-z]|%[a-z]|\{[a-z_0-9]*\}", re.IGNORECASE)
LONGEST = 300  # characters
README = """# User-interface strings in English and French

Messages of the web framework Django: `en` as its programmers wrote them, `fr` as its translators
did. `train.jsonl` and `evaluation.jsonl` have no English text in common, whatever its case and
punctuation; a pair's side follows from its English text. Left out are markup, abbreviations of
months and days, texts that are the same in both languages, and pairs whose placeholders differ;
no-break spaces are plain ones, and of plural forms only the singular is here.

Origin: the message catalogues (`locale/fr/LC_MESSAGES/*.mo`) of the Python package Django 5.2.8,
Copyright (c) Django Software Foundation and individual contributors. Licence: BSD-3-Clause, see
LICENSE.
"""


def convert(folder: Path, report: Report) -> None:
    """Make train.jsonl, evaluation.jsonl and README.md of the catalogues in the folder.

    Raises:
        SourceError: when a catalogue cannot be read.
    """
    report("preparing ui-en-fr", 0, 0, "rows")
    catalogues = sorted(folder.glob("*.mo"))
    sides = split(pairs(catalogues))
    for name, rows in sides.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(
                json.dumps({"en": en, "fr": fr}, ensure_ascii=False) + "\n" for en, fr in rows
            )
    (folder / "README.md").write_text(README, encoding="utf-8")
    for path in catalogues:
        path.unlink()
    total = sum(map(len, sides.values()))
    report("preparing ui-en-fr", total, total, "rows")


def pairs(catalogues: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """English and French texts worth learning from, each English text once.

    Raises:
        SourceError: when a catalogue cannot be read.
    """
    seen: set[str] = set()
    for path in catalogues:
        for en, fr in messages(path):
            english, french = plain(en), plain(fr)
            if english not in seen and worth_learning(english, french):
                seen.add(english)
                yield english, french


def messages(path: Path) -> Iterator[tuple[str, str]]:
    """What a catalogue holds: message and translation, of plural forms the singular."""
    try:
        with path.open("rb") as file:
            # Python's class looks messages up and lists none; this is what it looks in.
            held = vars(gettext.GNUTranslations(file))["_catalog"]
    except (OSError, ValueError, KeyError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name} is no message catalogue: {error}.") from error
    for key, translation in held.items():
        message, form = key if isinstance(key, tuple) else (key, 0)
        if message and form == 0 and CONTEXT not in message:
            yield message, translation


def plain(text: str) -> str:
    """A text in one line, with plain spaces."""
    return " ".join(text.split())


def worth_learning(en: str, fr: str) -> bool:
    """Whether a pair is a translation of words."""
    if en == fr or max(len(en), len(fr)) > LONGEST or "<" in en + fr or "`" in en + fr:
        return False
    if sorted(PLACE.findall(en)) != sorted(PLACE.findall(fr)):
        return False
    letters = re.sub(r"[\W\d_]", "", PLACE.sub("", en))
    short = len(letters) < 4 and en.casefold() not in WORDS  # jan, Mon, AM
    return bool(letters) and not short


WORDS = ("no", "yes", "add", "all", "and", "go", "now", "one", "or", "two")


def split(found: Iterable[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Pairs by side, each in the order of a hash of its English words: shuffled, the same
    everywhere."""
    sides: dict[str, list[tuple[str, str]]] = {"train": [], "evaluation": []}
    coded = [(content_hash(re.sub(r"[\W_]", "", en.casefold())), (en, fr)) for en, fr in found]
    for code, pair in sorted(coded):
        share = (code % 2**32) / 2**32  # the low bits: the high ones give the order
        sides["evaluation" if share < EVALUATION_SHARE else "train"].append(pair)
    return sides
