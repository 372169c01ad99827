"""Rules about few-shot examples: their answers, and whether they look like the question."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from workbench.prompting.rules.reading import Reading, Text, advice, general, shown
from workbench.protocol import Advice

FEW = 4  # examples from which their balance counts
UNEVEN = 0.75  # share of one answer that is uneven
LAST = 3  # of the same answer at the end
# "Review: …" at the beginning of a line.
KEY = re.compile(r"^[ \t]*([^\W\d_][^\n:\x00]{0,30}?)[ \t]*:(?!//)(.*)$", re.MULTILINE)


def look(reading: Reading) -> Iterator[Advice]:
    blocks = typed_blocks(reading.template)
    written = answers_in(blocks)
    typed = [*written, *reading.typed_answers]
    where = "template" if written else "turns.1" if reading.typed_answers else "examples"
    if reading.example_answers:
        where = "examples"
    answers = [*typed, *reading.example_answers]
    yield from foreign(reading, typed, "template" if written else "turns.1")
    yield from foreign(reading, list(reading.example_answers), "examples")
    yield from balance(reading, answers, where)
    yield from unlike_turns(reading)
    yield from unlike_blocks(reading.template, blocks)


def foreign(reading: Reading, answers: Sequence[str], where: str) -> Iterator[Advice]:
    """Answers of examples that are none of the labels."""
    if not reading.labels:
        return
    others = [one for one in dict.fromkeys(answers) if one and one not in reading.labels]
    if others:
        labels = ", ".join(reading.labels[:6]) + (", …" if len(reading.labels) > 6 else "")
        yield general(
            where,
            ("example_label", "bad"),
            f"An example is answered {shown(others[0])}, which is none of the labels.",
            f"The model learns an answer that always counts as wrong; the labels are: {labels}.",
        )


def balance(reading: Reading, answers: Sequence[str], where: str) -> Iterator[Advice]:
    kinds = Counter(answers)
    known = list(reading.labels)
    if not known and not (1 < len(kinds) <= len(answers) // 2):
        return  # free text
    if len(answers) >= 2 and known and len(known) <= len(answers):
        missing = [label for label in known if label not in kinds]
        if missing and not set(answers) - set(known):
            yield general(
                where,
                ("example_missing", "warn"),
                f"No example is answered {shown(missing[0])}.",
                "The model prefers answers that it has seen; show one of each label.",
            )
    if len(answers) < FEW:
        return
    common, count = kinds.most_common(1)[0]
    if count > UNEVEN * len(answers) and len(set(known) | set(kinds)) > 1:
        yield general(
            where,
            ("example_balance", "warn"),
            f"{count} of {len(answers)} examples are answered {shown(common)}.",
            "The model leans to the answer that it saw the most; show as many of each (balanced).",
        )
    elif len(set(answers[-LAST:])) == 1 and len(kinds) > 1 and 2 * len(kinds) <= len(answers):
        run = next(n for n, one in enumerate([*answers[::-1], ""]) if one != answers[-1])
        yield general(
            where,
            ("example_order", "note"),
            f"The last {run} examples are all answered {shown(answers[-1])}.",
            "The model leans to the answers that it saw last; take another seed or order.",
        )


def unlike_turns(reading: Reading) -> Iterator[Advice]:
    """Typed turns that name their parts otherwise than the template."""
    users = [turn for turn in reading.prompt.turns if turn.role == "user"]
    if not users:
        return
    mine = keys(reading.template.prose)
    for place, turn in enumerate(reading.prompt.turns):
        text = Text(f"turns.{place}", turn.role, turn.content)
        if turn.role != "user" or not mine:
            continue
        theirs = keys(text.prose)
        if theirs and not {key.casefold() for key in theirs} & {key.casefold() for key in mine}:
            yield unlike(text, text.prose.find(theirs[0]), theirs[0], mine[0])
            return


def unlike(text: Text, start: int, theirs: str, mine: str) -> Advice:
    return advice(
        text,
        (max(0, start), len(theirs)),
        ("example_format", "warn"),
        f"The examples say {shown(theirs + ':')} and the template {shown(mine + ':')}.",
        "The model goes by the pattern of the examples; name the parts alike in both.",
    )


def keys(text: str) -> list[str]:
    return [found[1].strip() for found in KEY.finditer(text)]


Block = list[tuple[str, str, int]]  # of each keyed line: the key, what follows it, where it is


def typed_blocks(text: Text) -> list[Block]:
    """The parts of a template between empty lines that hold keyed lines; the last is the row's."""
    blocks: list[Block] = []
    start = 0
    for part in re.split(r"(\n[ \t]*\n)", text.prose):
        lines = [
            (one[1].strip(), one[2].strip(), start + one.start(1)) for one in KEY.finditer(part)
        ]
        if lines:
            blocks.append(lines)
        start += len(part)
    last = blocks[-1] if blocks else []
    asks = any("\x00" in value for _, value, _ in last) or (bool(last) and not last[-1][1])
    return blocks if len(blocks) > 1 and asks else []


def answers_in(blocks: list[Block]) -> list[str]:
    """Answers of examples that are typed into the template: after the key at which it ends."""
    if not blocks or blocks[-1][-1][1]:
        return []
    last = blocks[-1][-1][0]
    answers = [value for block in blocks[:-1] for key, value, _ in block if key == last]
    return [value for value in answers if value and "\x00" not in value]


def unlike_blocks(text: Text, blocks: list[Block]) -> Iterator[Advice]:
    """Examples in the template that name their parts otherwise than its last block."""
    if not blocks or blocks[-1][-1][1]:
        return
    mine = [key for key, _, _ in blocks[-1]]
    for block in blocks[:-1]:
        theirs = [key for key, _, _ in block]
        if len(theirs) != len(mine) or len(mine) < 2 or theirs == mine:
            continue
        if not set(theirs) & set(mine):
            continue  # not an example at all
        other, own = next((a, b) for a, b in zip(theirs, mine, strict=True) if a != b)
        place = next(start for key, _, start in block if key == other)
        yield unlike(text, place, other, own)
        return
