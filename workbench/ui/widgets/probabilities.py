"""How likely the tokens of an answer were: in its text, and for one token beside its alternatives.

Knows nothing of widgets.
"""

import math
from itertools import groupby

from rich.cells import cell_len

from workbench.protocol import Option, Token
from workbench.text import literal
from workbench.ui.units import count
from workbench.ui.widgets.bars import sideways
from workbench.ui.widgets.lines import Line, cells, clip, wrap

# A probability of at least → ink, words
BANDS = (
    (0.9, "token-sure", "≥ 90 %"),
    (0.5, "token-likely", "≥ 50 %"),
    (0.2, "token-unsure", "≥ 20 %"),
    (0.0, "token-doubtful", "below"),
)
# What ↑ ↓, enter and tab do, where there is room and where there is little.
KEY_WORDS = (("alternative", "goes on from it", "answer"), ("other", "goes on", "next"))


def probability(logprob: float) -> float:
    return math.exp(min(0.0, logprob))


def ink_of(token: Token) -> str:
    share = probability(token.logprob)
    return next(ink for least, ink, _ in BANDS if share >= least or least == 0.0)


def legend() -> Line:
    line: Line = [("probability ", "quiet")]
    for _, ink, words in BANDS:
        line += [(words, ink), ("  ", "quiet")]
    return line


def shown_token(text: str, most: int = 30) -> str:
    """A token with its spaces and line ends made visible."""
    words = literal(text).replace(" ", "·").replace("\n", "⏎") or "(nothing)"
    return words if len(words) <= most else words[: most - 1] + "…"


def percent_words(share: float) -> str:
    return "<0.1 %" if 0 < share < 0.001 else f"{share * 100:.1f} %"


def token_lines(
    pieces: list[Token], width: int, here: int = -1, colours: bool = True, begun: int = 0
) -> list[Line]:
    """The answer's text, broken as `wrap` breaks it, each token in its ink.

    `here`: the token with the cursor; `begun`: so many tokens were given, not chosen.
    """
    texts = [literal(one.text) for one in pieces]
    if 0 <= here < len(texts):
        blank = texts[here].replace("\n", "⏎\n")
        texts[here] = blank if blank.strip(" ") else "·" * max(1, len(blank))
    inks = []
    for index, one in enumerate(pieces):
        ink = ink_of(one) if colours else "text"
        ink = "begun" if index < begun else ink
        inks.append("token-here" if index == here else ink)
    text = "".join(texts)
    of = [index for index, piece in enumerate(texts) for _ in piece]  # character → token
    lines: list[Line] = []
    at = 0
    for line in wrap(text, width):
        said = line[0][0]
        tokens = []
        for letter in said:
            while at < len(text) and text[at] != letter:
                at += 1  # the space or the line end at which it was broken
            tokens.append(of[at] if at < len(of) else -1)
            at += 1
        spans: Line = []
        for index, run in groupby(zip(tokens, said, strict=True), key=lambda one: one[0]):
            spans.append(("".join(letter for _, letter in run), inks[index] if index >= 0 else ""))
        lines.append([(words, ink or "quiet") for words, ink in spans])
    return lines


def options_of(token: Token) -> list[Option]:
    """What might have come, the token itself included, the likeliest first."""
    options = list(token.options)
    if all(one.text != token.text or one.id != token.id for one in options):
        options.append(Option(token.id, token.text, token.logprob))
    return sorted(options, key=lambda one: -one.logprob)


def first_other(token: Token) -> int:
    """The place of the likeliest alternative."""
    options = options_of(token)
    return next((i for i, one in enumerate(options) if one.id != token.id), 0)


def panel_lines(pieces: list[Token], here: int, chosen: int, width: int, height: int) -> list[Line]:
    """One token and its alternatives with bars; `chosen` is the one to go on from."""
    token = pieces[here]
    options = options_of(token)
    rank = next(i for i, one in enumerate(options) if one.id == token.id) + 1
    lines: list[Line] = [
        clip(
            [
                (f"token {count(here + 1)} of {count(len(pieces))} ", "quiet"),
                (shown_token(token.text), "strong"),
                (f" {percent_words(probability(token.logprob))}", "strong"),
                (f" · {rank}{ordinal(rank)} likeliest" if token.options else "", "quiet"),
                (f" · id {token.id}" if token.id >= 0 else "", "quiet"),
            ],
            width,
        )
    ]
    if not token.options:
        words = "Its alternatives were not kept; r asks again and tells them."
        return [*lines, *wrap(words, width, "quiet"), keys(width, False)]
    room = max(1, height - 2)
    first = max(0, min(chosen - room // 2, len(options) - room))
    name = max(6, min(24, max(cell_len(shown_token(one.text, 24)) for one in options)))
    wide = max(4, min(40, width - name - 22))
    most = probability(options[0].logprob) or 1.0
    for index, one in enumerate(options[first : first + room], first):
        share = probability(one.logprob)
        came = one.id == token.id and one.text == token.text
        words = shown_token(one.text, 24)
        bar = sideways(share / max(most, 0.001), wide)
        line: Line = [
            ("▸ " if index == chosen else "  ", "key"),
            (words + " " * (name - cell_len(words)) + " ", "strong" if index == chosen else "text"),
            (f"{percent_words(share):>8} ", "strong" if index == chosen else "quiet"),
            (bar + " " * (wide - len(bar)), "good" if came else "accent"),
            (" came" if came else "", "good"),
        ]
        lines.append(clip(line, width))
    return [*lines, keys(width, True)]


def keys(width: int, options: bool) -> Line:
    """The keys in full, or in as few words as there is room for."""
    line: Line = []
    for other, onward, answer in KEY_WORDS:
        line = [("← → ", "key"), ("token  ", "quiet")]
        if options:
            line += [("↑ ↓ ", "key"), (other + "  ", "quiet")]
            line += [("enter ", "key"), (onward + "  ", "quiet")]
        line += [("tab ", "key"), (answer + "  ", "quiet"), ("esc ", "key"), ("back", "quiet")]
        if cells(line) <= width:
            break
    return clip(line, width)


def ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
