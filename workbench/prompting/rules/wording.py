"""Rules about single words: vague amounts, what not to do, what was left to be filled, shouting."""

import itertools
import re
from collections.abc import Iterator

from workbench.prompting.rules.reading import Reading, Text, advice, shown
from workbench.protocol import Advice

NUMBER = (
    r"(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|fifty|hundred)"
)
UNITS = (
    r"(?:words?|sentences?|paragraphs?|lines?|characters?|tokens?|bullets?|points?|items?|pages?)"
)
MEASURED = re.compile(
    rf"\b{NUMBER}(?:[\s-]+(?:to|or|and|-|–)[\s-]+{NUMBER})?[\s-]+(?:\w+\s+)?{UNITS}\b"
)
COUNTABLE = (
    r"(?:words|sentences|examples|points|lines|paragraphs|ideas|reasons|keywords|bullets|items|tags"
    r"|questions|suggestions|titles|steps|facts|tips|options|names|topics|phrases)"
)
VAGUE_COUNT = re.compile(
    r"\b(?:some|a few|several|a couple of|many|various|multiple|a number of|a lot of)"
    rf"\s+(?:\w+\s+)?{COUNTABLE}\b"
)
VAGUE_LENGTH = re.compile(
    r"\b(?:very\s+|fairly\s+|rather\s+)?(?:short|brief|long|quick|small|lengthy)\s+(?:\w+\s+)?"
    r"(?:story|answer|summary|paragraph|text|description|response|reply|poem|essay|e?-?mail"
    r"|explanation|message|article|list|review|overview|introduction|report|comment)\b"
)
LOOSE = re.compile(r"\b(?:etc\b\.?|and so on\b|and so forth\b|as needed\b|if appropriate\b)")
NEGATION = re.compile(
    r"\b(?:do not|don['’]t|never|avoid|you must not|you should not|you shouldn['’]t|should not)\b"
)
POSITIVE = re.compile(r"\b(?:instead|only|but|just|rather|unless|if|always|exactly)\b|[;:,–—]")
PLACEHOLDER = re.compile(
    r"\b(?:TODO|FIXME|TBD|XXX)\b|(?i:\blorem ipsum\b|"
    r"\[\s*(?:insert|your|enter|fill in|add)\b[^\]\n]*\]"
    r"|<\s*(?:insert|your|enter)\b[^>\n]*>)|\?\?\?+"
)
SHOUTED = re.compile(r"[A-Z]{2,}\b[ ,]+[A-Z]{2,}\b[ ,]+[A-Z]{2,}\b(?:[ ,]+[A-Z]{2,}\b)*|!!+")
COUNT_WORDS = frozenset(["some", "few", "several", "couple", "many", "various", "multiple", "of"])
LENGTH_WORDS = frozenset(["short", "brief", "long", "quick", "small", "lengthy"])
LOOSE_WORDS = frozenset(["etc", "so", "needed", "appropriate"])
NOT_WORDS = frozenset(["not", "don", "never", "avoid", "shouldn"])
LEFT = frozenset(["todo", "fixme", "tbd", "xxx", "lorem", "insert", "your", "enter", "fill", "add"])
MOST_VAGUE = 5  # places that are told
FEW_NEGATIONS = 2  # from so many on it is worth a word


def look(reading: Reading) -> Iterator[Advice]:
    for text in reading.texts:
        yield from placeholders(text)
    for text in reading.instructions:
        yield from shouting(text)
        if reading.english:
            yield from vague(text)
    if reading.english:
        yield from negations(reading)


def vague(text: Text) -> Iterator[Advice]:
    """An amount that each answer takes otherwise, unless the text says a measure somewhere."""
    for pattern, keys, say in (
        (VAGUE_COUNT, COUNT_WORDS, "a number"),
        (VAGUE_LENGTH, LENGTH_WORDS, "a number of words or sentences"),
        (LOOSE, LOOSE_WORDS, "all that you mean"),
    ):
        if not keys & text.vocabulary:
            continue
        found = list(itertools.islice(pattern.finditer(text.lower), MOST_VAGUE))
        if pattern is VAGUE_LENGTH and found and MEASURED.search(text.lower):
            continue
        for one in found:
            yield advice(
                text,
                (one.start(), len(one[0])),
                ("vague", "note"),
                f"{shown(one[0])} in line {text.place(one.start())[0] + 1} is vague.",
                f"Each answer takes it in its own way, so answers differ; say {say}.",
            )


def negations(reading: Reading) -> Iterator[Advice]:
    """What the answer must not be, where nothing in the sentence says what it should be."""
    places: list[tuple[Text, int, str]] = []
    for text in reading.instructions:
        if not NOT_WORDS & text.vocabulary:
            continue
        for start, sentence in text.sentences():
            found = NEGATION.search(sentence.lower())
            if found and not POSITIVE.search(sentence.lower().replace(found[0], "", 1)):
                places.append((text, start + found.start(), found[0]))
    if len(places) < FEW_NEGATIONS:
        return
    text, start, word = places[0]
    yield advice(
        text,
        (start, len(word)),
        ("negation", "note"),
        f"{len(places)} sentences say what not to do, first in line {text.place(start)[0] + 1}.",
        "Small models follow what is named, even after “not”; say what to do instead.",
    )


def placeholders(text: Text) -> Iterator[Advice]:
    if not LEFT & text.vocabulary and "???" not in text.prose:
        return
    for found in PLACEHOLDER.finditer(text.prose):
        yield advice(
            text,
            (found.start(), len(found[0])),
            ("placeholder", "warn"),
            f"{shown(found[0])} in line {text.place(found.start())[0] + 1} was left to be filled.",
            "The model takes it as part of the task; write what belongs there or take it out.",
        )


def shouting(text: Text) -> Iterator[Advice]:
    if text.prose == text.lower and "!!" not in text.prose:
        return
    for found in SHOUTED.finditer(text.prose):
        yield advice(
            text,
            (found.start(), len(found[0])),
            ("shouting", "note"),
            f"{shown(found[0])} in line {text.place(found.start())[0] + 1} is shouted.",
            "Capitals cost more tokens and emphasise little; say it once, in plain words.",
        )
        return
