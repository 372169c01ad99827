"""The strip of variants: every one by its number and name, with what it was measured at.

Knows nothing of widgets.
"""

from dataclasses import dataclass

import msgspec

from workbench.protocol import Figure
from workbench.session import Prompt
from workbench.text import one_line
from workbench.ui.widgets.lines import Line, cells

NAME = 24  # characters of a name in the strip


@dataclass(frozen=True)
class Known:
    """What a variant was measured at last, and the wording that was measured."""

    figure: Figure
    prompt: Prompt

    def same(self, prompt: Prompt) -> bool:
        """Whether it was the very text that the variant has now."""
        return msgspec.structs.replace(self.prompt, name=prompt.name) == prompt


def figure_words(figure: Figure) -> str:
    """A figure in short: 78.7 %, or 31.4 of a score."""
    if figure.unit == "share":
        return f"{figure.value * 100:.1f} %"
    return f"{figure.value:.3g}"


def interval_words(figure: Figure) -> str:
    """Its 95 % interval: 74.1 – 83.0."""
    if figure.unit == "share":
        return f"{figure.low * 100:.1f} – {figure.high * 100:.1f}"
    return f"{figure.low:.3g} – {figure.high:.3g}"


def strip_line(prompts: list[Prompt], active: int, known: dict[str, Known], width: int) -> Line:
    """As many variants as fit around the one in use; ‹ and › say that there are more."""
    items = [item(n, one, n == active, known.get(one.name)) for n, one in enumerate(prompts)]
    first, last = active, active
    used = cells(items[active])
    while True:
        room = width - 4
        if last + 1 < len(items) and used + 1 + cells(items[last + 1]) <= room:
            last += 1
            used += 1 + cells(items[last])
        elif first and used + 1 + cells(items[first - 1]) <= room:
            first -= 1
            used += 1 + cells(items[first])
        else:
            break
    line: Line = [("‹ ", "quiet")] if first else []
    for n in range(first, last + 1):
        line += [*([("│", "frame")] if n > first else []), *items[n]]
    return [*line, (" ›", "quiet")] if last + 1 < len(items) else line


def item(index: int, prompt: Prompt, active: bool, known: Known | None) -> Line:
    number = f"{index + 1} " if index < 9 else ""
    own = "*" if prompt.model is not None or prompt.generation is not None else ""
    name = f" {number}{one_line(prompt.name, NAME)}{own} "
    line: Line = [(name, "tab" if active else "text")]
    if known:
        words, same = figure_words(known.figure), known.same(prompt)
        gap = " " if active else ""
        line.append((f"{gap}{words} " if same else f"{gap}({words}) ", "good" if same else "quiet"))
    return line
