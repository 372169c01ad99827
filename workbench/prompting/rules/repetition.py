"""Rules about what is said twice."""

import re
from collections.abc import Iterator

from workbench.prompting.rules.reading import Reading, Text, advice, shown
from workbench.protocol import Advice

SENTENCE_WORDS = 5  # of a sentence that counts as said twice
RUN = 8  # words of a run that counts as said twice
MOST = 3  # places that are told
WHY = "It costs tokens at every answer and tells the model nothing new; say it once."
ANSWERED = re.compile(r"^[^\n:]{1,40}:[ \t]*[^\s:\x00][^\n\x00]*$", re.MULTILINE)


def look(reading: Reading) -> Iterator[Advice]:
    told = 0
    earlier: dict[str, tuple[Text, int]] = {}
    runs: dict[tuple[str, ...], tuple[Text, int]] = {}
    for text in reading.instructions:
        typed = [found.start() for found in ANSWERED.finditer(text.prose)]
        spans: list[tuple[int, int]] = []
        for start, length, before in [*sentences(text, earlier), *phrases(text, runs)]:
            if any(begin <= start < end for begin, end in spans) or told >= MOST:
                continue
            if before[0] is text and is_example(typed, before[1], start):
                continue
            spans.append((start, start + length))
            told += 1
            line = before[0].place(before[1])[0] + 1
            yield advice(
                text,
                (start, length),
                ("repeated", "note"),
                f"{shown(text.raw[start : start + length])} was said before "
                f"({before[0].where}, line {line}).",
                WHY,
            )


def is_example(typed: list[int], before: int, start: int) -> bool:
    """Whether an answered line stands between: examples repeat the question on purpose."""
    return any(before < one < start for one in typed)


def sentences(
    text: Text, earlier: dict[str, tuple[Text, int]]
) -> Iterator[tuple[int, int, tuple[Text, int]]]:
    for start, sentence in text.sentences():
        key = sentence.rstrip(".!?").lower()
        if key.count(" ") < SENTENCE_WORDS - 1:
            continue
        if (before := earlier.setdefault(" ".join(key.split()), (text, start))) != (text, start):
            yield start, len(sentence), before


def phrases(
    text: Text, runs: dict[tuple[str, ...], tuple[Text, int]]
) -> Iterator[tuple[int, int, tuple[Text, int]]]:
    """Runs of RUN words that came before, each as long as it goes on being the same."""
    words = text.words
    plain = [word for word, _, _ in words]
    place = 0
    while place + RUN <= len(words):
        mine = text, words[place][1]
        before = runs.setdefault(tuple(plain[place : place + RUN]), mine)
        if before is mine:
            place += 1
            continue
        last = place + RUN - 1
        while last + 1 < len(words) and tuple(plain[last - RUN + 2 : last + 2]) in runs:
            last += 1
        yield words[place][1], words[last][2] - words[place][1], before
        place = last + 1
