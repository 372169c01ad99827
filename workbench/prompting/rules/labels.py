"""Rules about the labels' tokens, of which a choice among them is made."""

from collections.abc import Iterator

from workbench.data.prompting import encode_answer
from workbench.prompting.rules.reading import Reading, general, shown
from workbench.protocol import Advice

MOST = 50  # labels that are looked at


def look(reading: Reading) -> Iterator[Advice]:
    labels = list(dict.fromkeys(one for one in reading.labels if one))[:MOST]
    if reading.tokenizer is None or len(labels) < 2:
        return
    tokens = {
        label: tuple(encode_answer(reading.tokenizer, reading.prompt, label)) for label in labels
    }
    if same := sharing(tokens):
        piece = reading.tokenizer.decode([tokens[same[0]][0]])
        yield general(
            "labels",
            ("label_prefix", "warn"),
            f"The labels {in_words(same)} begin with the same token {shown(piece)}.",
            "What tells them apart comes later, where the model is already bound; labels that "
            "differ from their first token on are chosen better.",
        )
    several = [label for label in labels if len(tokens[label]) > 1]
    if several:
        most = max(several, key=lambda label: len(tokens[label]))
        yield general(
            "labels",
            ("label_tokens", "note"),
            f"{len(several)} of {len(labels)} labels are several tokens: {shown(most)} is "
            f"{len(tokens[most])}.",
            "A longer label has a lower probability by its length alone; labels of one token each "
            "compare best.",
        )


def sharing(tokens: dict[str, tuple[int, ...]]) -> list[str]:
    """Labels that share their first token; the largest such group."""
    groups: dict[int, list[str]] = {}
    for label, ids in tokens.items():
        if ids:
            groups.setdefault(ids[0], []).append(label)
    largest = max(groups.values(), key=len, default=[])
    return largest if len(largest) > 1 else []


def in_words(labels: list[str]) -> str:
    named = [shown(label) for label in labels[:4]]
    more = f" and {len(labels) - 4} more" if len(labels) > 4 else ""
    return f"{', '.join(named)}{more}" if more else f"{', '.join(named[:-1])} and {named[-1]}"
