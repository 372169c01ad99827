"""The rule about the room that the context leaves."""

from collections.abc import Iterator

from workbench.prompting.rules.reading import Reading, general
from workbench.protocol import Advice


def look(reading: Reading) -> Iterator[Advice]:
    limit, tokens, answer = reading.context_length, reading.prompt_tokens, reading.max_new_tokens
    if limit <= 0 or tokens <= 0 or tokens + answer <= limit:
        return
    many = len(reading.example_answers)
    where = "examples" if many else "template"
    how = f"show fewer than {many} examples" if many else "shorten the prompt"
    if tokens >= limit:
        yield general(
            where,
            ("too_long", "bad"),
            f"The prompt has {tokens:,} tokens and the model attends to {limit:,}: "
            f"{tokens - limit + 1:,} are too many.",
            f"Nothing is cut silently, so this row cannot be asked; {how}, or take a model with a "
            "longer context.",
        )
        return
    yield general(
        where,
        ("too_long", "warn"),
        f"The prompt's {tokens:,} tokens leave {limit - tokens:,} of the context's {limit:,} for "
        f"an answer of up to {answer:,}.",
        f"A longer answer is cut off there: up to {tokens + answer - limit:,} tokens of it; {how}, "
        "or lower generation.max_new_tokens.",
    )
