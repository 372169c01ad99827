"""A card of the output pane in lines: answers, or a measurement, of base and tuned weights."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rich.cells import cell_len

from workbench.text import one_line
from workbench.ui.cards import Card, Part, Score, equal
from workbench.ui.units import count, duration, percent, plural, rate
from workbench.ui.widgets.lines import Line, beside, cells, clip, progress_bar, spread, wrap
from workbench.ui.widgets.probabilities import token_lines

STACKED = 52  # cells, below which base and tuned stand one above the other
REASONS = {"end": "end", "length": "length limit", "stopped": "stopped"}
Block = Callable[[int], list[Line]]  # lines of a width


@dataclass(frozen=True)
class Looks:
    """How an answer is shown: tokens coloured by probability, and where the cursor is in it."""

    colours: bool = False
    part: str = ""
    token: int = -1


ORDER = ("base", "tuned")


def card_lines(card: Card, width: int, looks: Looks = Looks()) -> list[Line]:
    lines = [head(card, width)]
    if card.branch:
        lines += wrap("↳ " + card.branch, width, "tuned")
    for blocks in answers(card, looks) if card.kind == "answer" else [scores(card)]:
        if len(blocks) == 2 and width >= STACKED:
            half = (width - 3) // 2
            lines += beside(blocks[0](half), blocks[1](half), half)
        else:
            for block in blocks:
                lines += block(width)
    if card.kind == "answer" and card.expected and (card.parts or card.under_way):
        expected = wrap(card.expected, width - 10, "quiet")
        for index, line in enumerate(expected[:4]):
            lines.append([("expected  " if not index else " " * 10, "quiet"), *line])
        if len(expected) > 4:
            lines.append([(" " * 10 + "…", "quiet")])
    if card.settings:
        lines.append(clip([(f"{one_line(card.model, 40)} · {card.settings}", "quiet")], width))
    if card.progress and card.under_way:
        lines += wrap(card.progress, width, "quiet")
        if card.share >= 0:
            lines.append(progress_bar(card.share, min(40, width), "accent"))
    if card.message:
        lines += wrap(card.message, width, "bad" if card.state == "failed" else "quiet")
    lines.append([])
    return lines


def head(card: Card, width: int) -> Line:
    what = "Measured" if card.kind == "measurement" else f"Row {count(card.row + 1)}"
    if card.kind == "answer" and card.row < 0:
        what = "Answer"
    line: Line = [(what, "title"), (f" · {one_line(card.prompt, 40)}", "quiet")]
    signs = {"waiting": ("○ waiting", "warn"), "running": ("● running", "accent")}
    signs |= {"failed": ("✗ failed", "bad"), "cancelled": ("■ stopped", "warn")}
    right: Line = [signs[card.state]] if card.state in signs else []
    clock = time.strftime("%H:%M", time.localtime(card.time))
    right.append((f" {clock}" if right else clock, "quiet"))
    steps = {part.step for part in card.parts.values()}
    steps |= {score.step for score in card.scores.values()}
    steps.discard(-1)
    if steps:
        where = "–".join(count(step) for step in sorted(steps))
        run = f" of {one_line(card.run, 40)}" if card.run else ""
        line.append((f" · step {where}{run}", "accent"))
    line = clip(line, max(8, width - cells(right) - 2))
    rule = "─" * (width - cells(line) - cells(right) - 2)
    return spread([*line, (f" {rule}", "frame")], right, width)


def answers(card: Card, looks: Looks) -> list[list[Block]]:
    """The answers, those that belong side by side together."""
    together: dict[int, list[Block]] = {}
    for name, part in sorted(card.parts.items(), key=lambda one: weights_of(*one)):
        together.setdefault(part.sample, []).append(partial(answer, card, name, looks))
    return [together[sample] for sample in sorted(together)]


def weights_of(name: str, part: Part) -> str:
    return part.weights or name


def answer(card: Card, name: str, looks: Looks, width: int) -> list[Line]:
    part = card.parts[name]
    both = len({weights_of(*one) for one in card.parts.items()}) > 1
    lines: list[Line] = []
    right = ""
    if part.reason in ("end", "length") and card.expected and not part.problem:
        same = equal(part.text, card.expected)
        right = "✓ as expected" if same else "✗ not as expected"
    weights = weights_of(name, part)
    several = any(one.sample for one in card.parts.values())
    line: Line = [(weights, weights)] if both or weights == "tuned" else []
    if several:
        words = f"sample {part.sample + 1} · seed {part.seed}"
        line.append((f" · {words}" if line else words, "quiet"))
    if line or right:
        ink = "good" if right.startswith("✓") else "bad"
        if cells(line) + 2 + len(right) > width:
            right = right[:1]  # the sign alone
        lines.append(spread(line, [(right, ink)], width) if line else [(right, ink)])
    here = looks.token if looks.part == name else -1
    if part.pieces and (here >= 0 or looks.colours or card.begun):
        begun = len(card.begun) if card.begun and part.whole else 0
        pieces = part.pieces if here >= 0 or not part.reason else part.seen
        lines += token_lines(pieces, width, here, looks.colours, begun)
    else:
        lines += text_lines(part, width)
    if part.problem:
        lines += wrap("✗ " + part.problem, width, "bad")
    for note in part.notes:
        lines += wrap("! " + note, width, "warn")
    return lines + joined(facts(part), width)


def text_lines(part: Part, width: int) -> list[Line]:
    """The answer; a blank end, which nobody sees, in words: it must not push the rest away."""
    if not part.text:
        return [[("…" if not part.reason else "(empty)", "quiet")]]
    seen = part.text.rstrip()
    blank = plural(len(part.text) - len(seen), "blank character")
    if not seen:
        return [clip([(f"({blank}, nothing else)", "quiet")], width)]
    if part.text.count("\n", len(seen)) < 2:
        return wrap(part.text, width)
    return [*wrap(seen, width), clip([(f"(and {blank})", "quiet")], width)]


def facts(part: Part) -> list[str]:
    found = [plural(part.tokens, "token")]
    if part.seconds_to_first >= 0:
        found.append(f"first after {duration(part.seconds_to_first)}")
    if part.tokens_per_second > 0:
        found.append(f"{rate(part.tokens_per_second)} tokens/s")
    if part.cached_tokens:
        found.append(f"{count(part.cached_tokens)} of {count(part.prompt_tokens)} cached")
    if part.reason:
        found.append(REASONS.get(part.reason, part.reason))
    return found


def joined(parts: list[str], width: int) -> list[Line]:
    """The parts on as few lines as they take, none of them broken."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1]) + 3 + cell_len(part) <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return [clip([(line, "quiet")], width) for line in lines]


def scores(card: Card) -> list[Block]:
    return [partial(score_lines, name, card.scores[name]) for name in ORDER if name in card.scores]


def score_lines(name: str, score: Score, width: int) -> list[Line]:
    value: Line = [(one_line(score.metric, 30) + " ", "text"), (percent(score.value), "strong")]
    interval: Line = [(f"{score.low * 100:.1f} – {score.high * 100:.1f} %", "quiet")]
    beside_it = cells(value) + 2 + cells(interval) <= width
    lines: list[Line] = [
        [(name, name)],
        *([[*value, ("  ", "text"), *interval]] if beside_it else [value, interval]),
        *wrap(f"{plural(score.rows, 'row')} in {duration(score.seconds)}", width, "quiet"),
    ]
    if score.left_out:
        words = f"{plural(score.left_out, 'row')} left out: too long"
        lines += wrap(words, width, "warn")
    lines += confusion(score.labels, score.confusion, width)
    return [clip(line, width) for line in lines]


def confusion(names: list[str], matrix: list[list[int]], width: int) -> list[Line]:
    """Expected down, chosen across."""
    labels = [one_line(label, 14) for label in names]
    if not labels or len(labels) > 8 or len(matrix) != len(labels):
        return []
    left = max(8, *(len(label) for label in labels))
    cell = max(7, *(len(label) for label in labels)) + 1
    if left + cell * len(labels) > width:
        cell = max(5, (width - left) // len(labels))
    head: Line = [("chosen →".rjust(left), "quiet")]
    head += [(clip_text(label, cell - 1).rjust(cell), "quiet") for label in labels]
    lines = [head]
    for index, row in enumerate(matrix):
        line: Line = [(labels[index].rjust(left), "quiet")]
        for column, value in enumerate(row):
            ink = "good" if column == index else "bad" if value else "quiet"
            line.append((count(value).rjust(cell), ink))
        lines.append(line)
    return lines


def clip_text(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
