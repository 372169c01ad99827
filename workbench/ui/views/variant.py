"""One variant as a column: what it is made of, and what it was measured at.

Knows nothing of widgets.
"""

from dataclasses import dataclass

import msgspec

from workbench.protocol import Figure, Version
from workbench.session import Prompt, Session
from workbench.text import one_line
from workbench.ui import parts
from workbench.ui.setting import shown
from workbench.ui.units import count, plural
from workbench.ui.views.variants import figure_words, interval_words
from workbench.ui.widgets.lines import Line, cells, clip, wrap

FIGURES = 3  # that are shown of a variant


@dataclass(frozen=True)
class Shown:
    """A variant, and how it stands among the others."""

    prompt: Prompt
    number: int  # from 1
    active: bool
    chosen: bool  # under the sheet's cursor
    marked: bool  # to be compared with
    versions: list[Version]  # of it, the newest first


def column_lines(one: Shown, session: Session, width: int) -> list[Line]:
    name = f" {one.number} {one_line(one.prompt.name, 60)} "
    ink = "cursor" if one.chosen else "tab" if one.active else "strong"
    state = [
        word
        for word, there in (
            ("in use", one.active),
            ("baseline", one.number == 1),
            ("marked", one.marked),
        )
        if there
    ]
    head = clip([(name, ink), (" " + ", ".join(state), "accent" if one.marked else "quiet")], width)
    return [
        head,
        *figure_lines(one, width),
        *setting_lines(one.prompt, session, width),
        [],
        *text_lines(one.prompt, width),
    ]


def figure_lines(one: Shown, width: int) -> list[Line]:
    """The newest figures of the very text, else of an earlier one."""
    same = [
        figure
        for version in one.versions
        if msgspec.structs.replace(version.prompt, name=one.prompt.name) == one.prompt
        for figure in version.figures
    ]
    earlier = [figure for version in one.versions for figure in version.figures]
    found = sorted(same or earlier, key=lambda figure: -figure.time)[:FIGURES]
    if not found:
        return [clip([("not measured yet", "quiet")], width)]
    lines: list[Line] = [] if same else [clip([("with an earlier text:", "quiet")], width)]
    ink = "good" if same else "quiet"
    return [*lines, *(line for figure in found for line in measured_lines(figure, width, ink))]


def measured_lines(figure: Figure, width: int, ink: str = "good") -> list[Line]:
    """78.7 % accuracy (74.1 – 83.0) 300 rows, base; on two lines where one is too short."""
    value: Line = [
        (figure_words(figure), ink),
        (f" {figure.metric.replace('_', ' ')} ", "text"),
        (f"({interval_words(figure)}) ", "quiet"),
    ]
    of: Line = [(f"{plural(figure.rows, 'row')}, {figure.weights}", "quiet")]
    if cells(value) + cells(of) <= width:
        return [[*value, *of]]
    return [clip(value, width), clip([("  ", "quiet"), *of], width)]


def setting_lines(prompt: Prompt, session: Session, width: int) -> list[Line]:
    """Model, sampling and examples; what is its own is told apart from what is the session's."""
    model, generation = session.model_of(prompt), session.generation_of(prompt)
    name = model.name + (f" at {model.url}" if model.url else "")
    ways = [f"{count(generation.max_new_tokens)} tokens"]
    if generation.do_sample:
        ways.append(f"temperature {shown(generation.temperature)}, top_p {shown(generation.top_p)}")
    else:
        ways.append("greedy")
    if generation.constraint != "none":
        ways.append(f"only {generation.constraint.replace('_', ' ')}")
    own = (prompt.model is not None, prompt.generation is not None, True)
    rows = zip(
        ("model", "answers", "examples"),
        (name, ", ".join(ways), parts.example_words(prompt)),
        own,
        strict=True,
    )
    lines: list[Line] = []
    for label, words, its in rows:
        body = wrap(words, max(1, width - 10), "text" if its else "quiet")
        lines += [
            [(f"{label if not n else '':<10}", "quiet"), *line] for n, line in enumerate(body)
        ]
    return lines


def text_lines(prompt: Prompt, width: int) -> list[Line]:
    """Its texts, each under its name; those that are empty are left out."""
    lines: list[Line] = []
    for name in parts.names(prompt):
        if text := parts.text_of(prompt, name):
            lines += [clip([(parts.label(prompt, name), "title")], width), *wrap(text, width), []]
    return lines
