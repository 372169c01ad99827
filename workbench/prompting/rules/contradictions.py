"""Rules about instructions that cannot both be followed. They are about English words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.prompting.rules.reading import Reading, Text, advice, shown
from workbench.protocol import Advice

REPLY = (
    r"(?:answers?|responses?|reply|replies|explanations?|summary|summaries|descriptions?|analysis)"
)
BRIEF = (
    r"\b(?:be (?:\w+ )?(?:brief|concise|short|succinct|terse)|briefly|concise(?:ly)?|"
    r"succinct(?:ly)?|"
    rf"keep (?:it|(?:your|the) {REPLY}) (?:\w+ )?(?:short|brief|concise)|(?:short|brief) {REPLY}|"
    r"in a few words|as short as possible)\b"
)
DETAILED = (
    r"\b(?:be (?:\w+ )?(?:detailed|thorough|comprehensive|exhaustive)|in (?:\w+ )?detail|at length|"
    rf"(?:detailed|in-depth|thorough|comprehensive|exhaustive|long) {REPLY}|thoroughly|"
    r"as (?:much detail|detailed|long) as possible)\b"
)
ONE_WORD = (
    r"\b(?:(?:one|a single|1|exactly one) word|nothing else|"
    r"only (?:with )?(?:the |a |one )?(?:label|answer|letter|number|name|word|category|class|json)|"
    r"just (?:the |a )?(?:label|answer|letter|number|name|word|category)|json only|only json)\b"
)
EXPLAIN = (
    r"\b(?:explain (?:why|how|your|the|it|each)|justify|give (?:a |your |the )?reasons?\b|"
    r"(?:show|include|describe) your (?:work|reasoning|thinking)|think (?:step by step|aloud)|"
    r"step[ -]by[ -]step|and (?:explain|say) why|with (?:an? )?(?:explanation|justification))\b"
)
SENTENCES = r"\b(?:full|complete|whole) sentences?\b|\bin (?:a|one|two|three|\d+) sentences?\b"
# Words before an instruction that turn it round.
NOT = re.compile(
    r"\b(?:not|n['’]t|no|never|without|avoid|instead of|rather than)(?:\s+\w+){0,2}\s*$"
)
# Words that put one after the other: to think first and then to answer in one word can be done.
AFTER = re.compile(r"\b(?:then|finally|last line|afterwards|at the end|end with|before)\b")


@dataclass(frozen=True)
class Pair:
    """Two instructions that exclude each other."""

    one: re.Pattern[str]
    other: re.Pattern[str]
    what: str  # in words
    keys: tuple[frozenset[str], frozenset[str]]  # words without which neither is there
    ordered: bool = False  # both can be followed one after the other


def pair(one: str, other: str, what: str, keys: tuple[str, str], ordered: bool = False) -> Pair:
    words = frozenset(keys[0].split()), frozenset(keys[1].split())
    return Pair(re.compile(one), re.compile(other), what, words, ordered)


BRIEF_WORDS = "brief briefly concise concisely short succinct succinctly terse few"
DETAILED_WORDS = (
    "detailed detail thorough thoroughly comprehensive exhaustive depth length long much"
)
WORD_WORDS = "word nothing only just"
EXPLAIN_WORDS = "explain justify reason reasons reasoning step why explanation justification work"
PAIRS = (
    pair(BRIEF, DETAILED, "brief and detailed", (BRIEF_WORDS, DETAILED_WORDS)),
    pair(
        ONE_WORD,
        EXPLAIN,
        "the bare answer and an explanation",
        (WORD_WORDS, EXPLAIN_WORDS),
        ordered=True,
    ),
    pair(
        r"\b(?:one|a single) word\b",
        SENTENCES,
        "one word and sentences",
        ("word", "sentence sentences"),
        ordered=True,
    ),
    pair(
        r"\bformal (?:tone|style|language)\b",
        r"\b(?:casual|informal) (?:tone|style|language)\b",
        "formal and casual",
        ("formal", "casual informal"),
    ),
    pair(
        r"\b(?:in )?lower ?case\b",
        r"\b(?:in )?(?:upper ?case|capital letters|all caps)\b",
        "small letters and capitals",
        ("lower lowercase", "upper uppercase capital caps"),
    ),
)
TONGUES = frozenset(
    re.findall(
        r"\w+",
        "english german french spanish italian portuguese dutch polish russian chinese japanese "
        "korean arabic hindi turkish ukrainian",
    )
)
TONGUE = re.compile(
    r"\b(?:answer|respond|reply|write)\b[^.\n]{0,40}?\bin (" + "|".join(sorted(TONGUES)) + r")\b"
)


def look(reading: Reading) -> Iterator[Advice]:
    if not reading.english:
        return
    for one in PAIRS:
        if all(keys & reading.vocabulary for keys in one.keys):
            yield from both(reading, one)
    if "in" in reading.vocabulary and len(TONGUES & reading.vocabulary) > 1:
        yield from tongues(reading)


def both(reading: Reading, wanted: Pair) -> Iterator[Advice]:
    first = next(said(reading, wanted.one), None)
    if first is None:
        return
    second = next(said(reading, wanted.other), None)
    if second is None:
        return
    if wanted.ordered and any(AFTER.search(text.lower) for text in reading.instructions):
        return
    (text, found), (other, match) = first, second
    yield advice(
        other,
        (match.start(), len(match[0])),
        ("contradiction", "warn"),
        f"The prompt asks for {wanted.what}: {shown(found[0])} ({place(text, found)}) and "
        f"{shown(match[0])} ({place(other, match)}).",
        "The model follows one of them, now this and now that; keep the one that you need.",
    )


def said(reading: Reading, pattern: re.Pattern[str]) -> Iterator[tuple[Text, re.Match[str]]]:
    """Where an instruction stands that is not turned round by a word before it."""
    for text in reading.instructions:
        for found in pattern.finditer(text.lower):
            if not NOT.search(text.lower[max(0, found.start() - 40) : found.start()]):
                yield text, found


def place(text: Text, found: re.Match[str]) -> str:
    return f"{text.where}, line {text.place(found.start())[0] + 1}"


def tongues(reading: Reading) -> Iterator[Advice]:
    """Two languages to answer in."""
    first: str | None = None
    for text, found in said(reading, TONGUE):
        if first is not None and found[1] != first:
            yield advice(
                text,
                (found.start(1), len(found[1])),
                ("contradiction", "warn"),
                f"The prompt asks for answers in {first.title()} and in {found[1].title()}.",
                "The model takes one of them, now this and now that; keep the one that you need.",
            )
            return
        first = found[1]
