"""Rules about who says what: roles in the wrong turn, tokens of the chat template, loose ends."""

import re
from collections.abc import Iterator

from workbench.data.prompting import added_special
from workbench.prompting.rules.reading import Reading, Text, advice, general, shown
from workbench.protocol import Advice

# Of common chat templates; of the model's own one asks its tokenizer.
MARKUP = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|end_header_id|begin_of_text|"
    r"user|assistant|system|end)\|>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>"
)
IDENTITY = re.compile(r"\s*(?:you are|you're|act as|du bist|sie sind|tu es|vous êtes|eres)\s", re.I)
ASKED_HERE = re.compile(r"\s*you are (?:given|shown|provided|presented|asked|about)\b", re.I)
SYSTEM = re.compile(r"\s*(?:system(?: prompt)?|instructions? for the system)[ \t]*:", re.I)
LAST_ROLE = re.compile(r"(?:^|\n)[ \t]*((?:assistant|ai|bot|model|chatgpt)[ \t]*:)\s*$", re.I)


def look(reading: Reading) -> Iterator[Advice]:
    for text in reading.texts:
        yield from special_tokens(text, reading)
    yield from roles(reading)
    yield from order(reading)
    yield from loose_end(reading)


def special_tokens(text: Text, reading: Reading) -> Iterator[Advice]:
    """Tokens that a chat template writes itself."""
    if "<" not in text.prose and "[" not in text.prose:
        return
    own = special_words(reading.tokenizer) if reading.tokenizer is not None else set()
    if reading.chat is False:
        return  # of a model without a chat template the person writes them
    found = {match.start(): match[0] for match in MARKUP.finditer(text.prose)}
    for word in own:
        for match in re.finditer(re.escape(word), text.prose):
            found[match.start()] = word
    for start, word in sorted(found.items()):
        real = word in own
        yield advice(
            text,
            (start, len(word)),
            ("special_token", "bad" if real else "warn"),
            f"{shown(word)} in line {text.place(start)[0] + 1} belongs to a chat template.",
            "It ends or begins a turn in the middle of this one; write turns as turns."
            if real
            else "This model knows it only as text; write turns as turns, and take it out.",
        )


def special_words(tokenizer: object) -> set[str]:
    """The special tokens that look like markup."""
    ids = [*getattr(tokenizer, "all_special_ids", []), *added_special(tokenizer)]
    words = {str(tokenizer.convert_ids_to_tokens(one)) for one in ids}  # type: ignore[attr-defined]
    return {word for word in words if len(word) > 2 and word[0] in "<[" and word[-1] in ">]"}


def roles(reading: Reading) -> Iterator[Advice]:
    """The system's or the assistant's text in the user's turn."""
    text, empty = reading.template, not reading.prompt.system.strip()
    if reading.chat is False:
        return
    if found := SYSTEM.match(text.prose):
        yield advice(
            text,
            (len(found[0]) - len(found[0].lstrip()), len(found[0].strip())),
            ("role_text", "warn"),
            f"{shown(found[0])} stands in the user's turn.",
            "To the model it is what a user says; put the text after it into the system text.",
        )
    elif empty and (found := IDENTITY.match(text.prose)) and not ASKED_HERE.match(text.prose):
        start = len(found[0]) - len(found[0].lstrip())
        yield advice(
            text,
            (start, len(found[0].strip())),
            ("role_text", "note"),
            "Who the model is stands in the user's turn, and the system text is empty.",
            "Many chat models follow it better as the system text; try both and measure.",
        )
    if last := LAST_ROLE.search(text.prose):
        yield advice(
            text,
            (last.start(1), len(last[1])),
            ("role_text", "warn"),
            f"The template ends in {shown(last[1])}, which the chat template writes itself.",
            "The answer's turn begins after it anyway; take it out, or put it into answer_start.",
        )


def order(reading: Reading) -> Iterator[Advice]:
    """Turns that do not alternate."""
    said = [turn.role for turn in reading.prompt.turns]
    for place, role in enumerate([*said, "user"]):
        if role == ("user", "assistant")[place % 2]:
            continue
        where = f"turns.{place}" if place < len(said) else f"turns.{place - 1}"
        what = "Two turns of the user" if role == "user" else "A turn of the assistant with nothing"
        what += " follow each other" if role == "user" else " before it to answer stands"
        yield general(
            where,
            ("turn_order", "warn"),
            f"{what} {'here' if place < len(said) else 'at the end of the typed turns'}.",
            "Many chat templates refuse it, and no model was trained on it; let user and "
            "assistant take turns, beginning with the user.",
        )
        return


def loose_end(reading: Reading) -> Iterator[Advice]:
    """A space before the answer, whose first token would have it."""
    begun = reading.prompt.answer_start
    if begun and begun != begun.rstrip(" \t"):
        text = Text("answer_start", "start", begun)
    elif (
        not begun
        and not reading.chat
        and reading.template.raw != reading.template.raw.rstrip(" \t")
    ):
        text = reading.template
    else:
        return
    start = len(text.raw.rstrip(" \t"))
    yield advice(
        text,
        (start, len(text.raw) - start),
        ("trailing_space", "warn" if begun or reading.chat is False else "note"),
        "A space stands before the answer.",
        "Most tokenizers put the space into the answer's first word, which the model now cannot "
        "say as it learnt it; take the space away.",
    )
