"""Rules about the answer's form: that it is asked for, and that the right answers have it."""

import json
import re
from collections.abc import Iterator

from workbench.prompting.rules.reading import Reading, Text, advice, general, shown
from workbench.prompting.rules.wording import VAGUE_LENGTH
from workbench.protocol import Advice

# Words of which one is there wherever a form is asked for.
FORM = frozenset(
    re.findall(
        r"\w+",
        "json xml yaml csv html markdown latex sql regex format word words sentence sentences "
        "paragraph paragraphs line lines bullet bullets list table number digit letter only "
        "exactly either label category class classify translate translation rewrite paraphrase "
        "code function title headline star stars score scale percent date name true false yes no",
    )
)
FORMS = re.compile(
    r"\b(?:nothing else|one of|(?:answer|respond|reply) (?:with|in)|summari[sz]e in|\w+ or \w+\?)"
)
MIN_WORDS = 4  # of instructions that ask for something
ONE_WORD = re.compile(
    r"\b(?:answer|respond|reply)\b[^.\n]{0,30}\b(?:one|a single|exactly one|1) word\b|"
    r"\bin (?:one|a single) word\b"
)
YES_NO = re.compile(
    r"\b(?:yes or no|yes/no|['\"“]yes['\"”] or ['\"“]no['\"”])\b|[\"“]yes[\"”] or [\"“]no"
)
JSON = re.compile(
    r"\b(?:in|as|a|only|valid|with|output|return)\s+(?:\w+\s+)?json\b|\bjson (?:object|array|only)"
)


def look(reading: Reading) -> Iterator[Advice]:
    if reading.labels:
        yield from labels(reading)
    else:
        yield from unasked(reading)
    yield from mismatch(reading)
    yield from begun_twice(reading)


def labels(reading: Reading) -> Iterator[Advice]:
    """Answers to choose among that the prompt does not name, or names otherwise."""
    said = "\n".join(text.raw for text in reading.texts)
    said = "\n".join([said, *reading.example_answers])
    low = said.casefold()
    missing = [label for label in reading.labels if not named(label.casefold(), low)]
    if missing:
        which = ", ".join(shown(label) for label in missing[:5])
        all_of = len(missing) == len(reading.labels)
        yield general(
            "template",
            ("labels_missing", "warn"),
            f"The prompt names {'none of the labels' if all_of else 'not all labels'}: "
            f"{which}{' …' if len(missing) > 5 else ''} {'are' if len(missing) > 1 else 'is'} not "
            "in it.",
            "The model has to guess what the answers are called; name them, or show an example of "
            "each.",
        )
    for text in reading.instructions:
        for label in reading.labels:
            if label in missing or named(label, said) or label.casefold() == label.upper():
                continue
            found = word(label.casefold()).search(text.prose.casefold())
            if found and len(text.prose.casefold()) == len(text.prose):
                there = text.prose[found.start() : found.end()]
                yield advice(
                    text,
                    (found.start(), len(there)),
                    ("label_case", "note"),
                    f"The label {shown(label)} is spelt {shown(there)} here.",
                    "The model spells as the prompt does, and the label's tokens are others; spell "
                    "it as the label.",
                )
                return


def named(label: str, text: str) -> bool:
    return label in text and word(label).search(text) is not None


def word(label: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(label)}(?!\w)")


def unasked(reading: Reading) -> Iterator[Advice]:
    """Instructions in English that say nothing of the answer's form, and show none."""
    prompt = reading.prompt
    if (
        not reading.english
        or prompt.turns
        or reading.example_answers
        or prompt.answer_start.strip()
    ):
        return
    if prompt.template.rstrip()[-1:] in (":", "=", "|", ">"):  # the answer goes on in a line
        return
    texts = reading.instructions
    if sum(len(text.words) for text in texts) < MIN_WORDS or FORM & reading.vocabulary:
        return
    if any(FORMS.search(text.lower) or VAGUE_LENGTH.search(text.lower) for text in texts):
        return
    yield general(
        "template",
        ("no_format", "warn" if prompt.completion.strip() else "note"),
        "Nothing says what the answer should look like.",
        "Each answer has a form of its own, which no metric can compare; say its form and length, "
        "such as: Answer with one word.",
    )


def mismatch(reading: Reading) -> Iterator[Advice]:
    """The right answer of this row has another form than the one that is asked for."""
    answer = reading.expected
    answers = reading.labels or ([answer] if answer else [])
    if not answers or not reading.english:
        return
    for text in reading.instructions:
        if not text.vocabulary & {"word", "yes", "json"}:
            continue
        if (found := ONE_WORD.search(text.lower)) and (
            long := next((one for one in answers if len(one.split()) > 1), "")
        ):
            yield differs(text, found, "one word", long)
        if (found := YES_NO.search(text.lower)) and (
            other := next((one for one in answers if one.casefold() not in ("yes", "no")), "")
        ):
            yield differs(text, found, "yes or no", other)
        found = JSON.search(text.lower)
        if found and answer and not is_json(answer):
            yield differs(text, found, "JSON", answer)


def differs(text: Text, found: re.Match[str], what: str, answer: str) -> Advice:
    return advice(
        text,
        (found.start(), len(found[0])),
        ("format_mismatch", "warn"),
        f"The prompt asks for {what}, and a right answer is {shown(answer)}.",
        "An answer as asked for counts as wrong; ask for what the completion says, or change it.",
    )


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def begun_twice(reading: Reading) -> Iterator[Advice]:
    """The right answer says again what it begins with."""
    begun = reading.prompt.answer_start.strip()
    if len(begun) > 1 and reading.expected.startswith(begun):
        text = Text("answer_start", "start", reading.prompt.answer_start)
        yield advice(
            text,
            (0, len(text.raw)),
            ("begun_twice", "warn"),
            f"The right answer begins with {shown(begun)}, too.",
            "It would stand there twice; take it out of answer_start or of the completion.",
        )
