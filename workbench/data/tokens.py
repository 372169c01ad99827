"""What the trainer gets from one row, token by token, and what is wrong with it.

Knows examples and tokenizers; knows nothing of the screen. What is shown is made by the `Encoder`
that the trainer uses.
"""

from typing import Any

from workbench.data import badges, pairing
from workbench.data.examples import Encoder, Example, Said
from workbench.data.pairing import Pair, Pairing
from workbench.data.prompting import IGNORED, RefusedTurnsError, added_special
from workbench.data.reading import Reading
from workbench.protocol import Badge, TokenRole, TokenSequence, TokensInspected

SHOWN = 20_000  # tokens of one sequence that are shown


def inspect(tokenizer: Any, encoder: Encoder, values: dict[str, Any]) -> TokensInspected:
    """Every token of the row's examples with its role, and badges that say what is amiss.

    Where the chat template refuses the row there are no sequences, and a badge says why.

    Raises:
        PromptError: when the row cannot be filled.
    """
    said = encoder.said(values)
    sequences: list[TokenSequence] = []
    found: list[Badge] = []
    try:
        for one in said:
            whole = encoder.whole(one)
            if isinstance(encoder, Pairing) and isinstance(whole, Pair):
                found += pairing.badges(encoder, whole)
            else:
                found += badges.of_example(encoder, one, whole, values)
            sequences += [sequence(tokenizer, *part) for part in parts(encoder, whole)]
    except RefusedTurnsError as error:
        sequences, found = [], [badges.refused(encoder, said[0], str(error))]
    found = list({badge.kind + badge.words: badge for badge in found}.values())
    order = ("bad", "warn", "note")
    return TokensInspected(
        sequences=sequences,
        badges=sorted(found, key=lambda badge: order.index(badge.severity)),
        format=encoder.found.format,
        max_length=encoder.training.max_length,
        how=how(encoder, said[0]),
    )


def parts(encoder: Encoder, whole: Example) -> list[tuple[Example, int]]:
    """Tokens to show, and how many of them the trainer gets: of a row that is cut, all; of a text
    that is split, each part's."""
    kept = encoder.fit(whole)
    if isinstance(whole, Pair):
        longest = encoder.training.max_length if kept else 0
        return [(side, min(len(side.input_ids), longest)) for side in whole.sides()]
    if len(kept) > 1:
        return [(part, len(part.input_ids)) for part in kept]
    return [(whole, len(kept[0].input_ids) if kept else 0)]


def sequence(tokenizer: Any, example: Example, kept: int) -> TokenSequence:
    """An example's tokens, the first SHOWN of them."""
    ids = example.input_ids[:SHOWN]
    special = {*tokenizer.all_special_ids, *added_special(tokenizer)}
    roles = [
        role(label != IGNORED, number in special, index < kept)
        for index, (number, label) in enumerate(zip(ids, example.labels, strict=False))
    ]
    return TokenSequence(
        name=example.name,
        ids=ids,
        pieces=[tokenizer.decode([one], skip_special_tokens=False) for one in ids],
        roles=roles,
        trained=sum(label != IGNORED for label in example.labels[:kept]),
        kept=kept,
    )


def role(trained: bool, special: bool, kept: bool) -> TokenRole:
    if not kept:
        return "truncated"
    if special:
        return "special_trained" if trained else "special"
    return "trained" if trained else "context"


def how(encoder: Encoder, said: Said) -> str:
    """How a row becomes tokens, in a sentence."""
    if isinstance(encoder, Reading | Pairing):
        return encoder.how
    chat = encoder.conversation.has_template
    if said.text is not None:
        return "The text's tokens and the end token, with a loss on all of them but the first."
    if said.answer is not None:
        before = (
            "The turns as the model's chat template writes them for an answer"
            if chat
            else "The turns as plain text, for the model has no chat template"
        )
        return f"{before}; then the answer and the token that ends it, with a loss on these alone."
    if not chat:
        return (
            "The turns as plain text, for the model has no chat template; with a loss on the "
            "assistant's and on the end token after each."
        )
    if not said.after and (marked := encoder.conversation.marked):
        own = marked == encoder.tokenizer.get_chat_template()
        whose = "the model's chat template" if own else "TRL's variant of the model's chat template"
        return (
            f"The conversation as {whose} writes it, with a loss on what it marks as said by the "
            "assistant."
        )
    return (
        "The conversation as the model's chat template writes it, with a loss on the assistant's "
        f"turns{' of the answer' if said.after else ''}, each up to the token that ends it."
    )
