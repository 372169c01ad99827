"""A chat template's own text, found once, so that the rows' texts are only put in between.

Knows how to tell whether a template does no more than that; whoever uses it checks some rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.data.prompting import PromptError

Render = Callable[[Sequence[str]], str]  # the contents of all turns → the template's text
MOST_TURNS = 64  # of a conversation that is worth a skeleton
# Contents that templates are known to treat in their own way.
PROBES = (
    "x",
    " x ",
    "\nx\n\n",
    "x\ny",
    "",
    " ",
    "<think>\nx\n</think>\n\ny",
    "x</think>y",
    "[INST] x [/INST]",
    "<tool_call>\n{}\n</tool_call>",
    "{{ x }} {% x %}",
    '"x" \\n é 漢',
)


@dataclass(frozen=True)
class Skeleton:
    """What a template writes before, between and after the contents of `len(pieces) - 1` turns."""

    pieces: tuple[str, ...]
    strips: bool  # the template takes the spaces around a content

    def fill(self, contents: Sequence[str]) -> str:
        """The template's text for these contents."""
        made = [self.pieces[0]]
        for content, piece in zip(contents, self.pieces[1:], strict=True):
            made += (content.strip() if self.strips else content, piece)
        return "".join(made)


def find(render: Render, turns: int) -> Skeleton | None:
    """The skeleton of a template for so many turns; None where it is no such template."""
    if not 0 < turns <= MOST_TURNS:
        return None
    marks = [f"␞{number}␞" for number in range(turns)]
    try:
        rest, pieces = render(marks), []
        for mark in marks:
            piece, found, rest = rest.partition(mark)
            if not found:
                return None
            pieces.append(piece)
        skeletons = [Skeleton((*pieces, rest), strips) for strips in (False, True)]
        for place in range(turns):
            for probe in PROBES:
                contents = ["x"] * turns
                contents[place] = probe
                text = render(contents)
                skeletons = [one for one in skeletons if one.fill(contents) == text]
                if not skeletons:
                    return None
    except PromptError:
        return None
    return skeletons[0]
