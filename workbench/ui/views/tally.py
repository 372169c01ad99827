"""What the prompt comes to for the selected row: tokens, what each part takes, the room left.

Knows nothing of widgets.
"""

from typing import TYPE_CHECKING

from workbench.protocol import PromptRendered
from workbench.session import Session
from workbench.text import one_line
from workbench.ui.units import count, plural
from workbench.ui.widgets.lines import Line, clip, spread, wrap

if TYPE_CHECKING:
    from workbench.ui.panes.prompt import PromptPane


def tally_lines(pane: "PromptPane", width: int, height: int) -> list[Line]:
    """At most `height` lines: the count of tokens, what is wrong, what is worth knowing."""
    if pane.problem:
        return problem_lines(pane.problem, width, height)
    rendered = pane.rendered
    if not rendered:
        return [clip([("Tokens are counted once the model is ready.", "quiet")], width)]
    lines = [first_line(rendered, pane.session, pane.milliseconds, width)]
    if height > 2 and rendered.parts:
        lines.append(parts_line(rendered, width))
    elif height > 2 and rendered.notes:  # of a server, which counts by itself: room for its note
        return [*lines, *problem_lines(" ".join(rendered.notes), width, height - 1, "!", "warn")]
    return [*lines, last_line(pane, rendered, width)]


def problem_lines(
    problem: str, width: int, height: int, sign: str = "✗", ink: str = "bad"
) -> list[Line]:
    lines = wrap(problem, width - 2, ink)
    if len(lines) > height:
        rest = " ".join(text for line in lines[height - 1 :] for text, _ in line)
        lines = [*lines[: height - 1], clip([(rest, ink)], width - 2)]
    return [[(f"{sign} " if not i else "  ", ink), *line] for i, line in enumerate(lines)]


def first_line(rendered: PromptRendered, session: Session, milliseconds: float, width: int) -> Line:
    """812 tokens · 10 % of 8,192 · 7,380 left for an answer of 128."""
    advice = f"advice: {len(rendered.advice)}" if rendered.advice else ""
    worst = rendered.advice[0].severity if rendered.advice else "note"
    right: Line = [("F9 exact text", "quiet")]
    if advice:
        ink = {"bad": "bad", "warn": "warn"}.get(worst, "accent")
        right = [(f"! {advice}", ink), (" alt+a", "quiet")]
    if rendered.token_count < 0:
        return spread([("The server counts the tokens.", "quiet")], right, width)
    context = rendered.context_length
    left: Line = [(plural(rendered.token_count, "token"), "strong")]
    if context:
        share = rendered.token_count / context
        wanted = session.generation_of(session.prompt()).max_new_tokens
        room = context - rendered.token_count
        ink = "bad" if share > 1 else "warn" if room < wanted else "quiet"
        if share > 1:
            left = [(plural(rendered.token_count, "token"), "bad")]
        left.append((f" · {share * 100:.1f} % of {count(context)}", ink))
        if room >= 0 and width > 60:
            left.append((f" · {count(room)} left to answer", ink))
    if width > 84:
        left.append((f" · {milliseconds:.0f} ms", "quiet"))
    return spread(left, right, width)


def parts_line(rendered: PromptRendered, width: int) -> Line:
    """What each part takes: system 14 · examples 310 · template 42."""
    line: Line = []
    for name, tokens in rendered.parts.items():
        if tokens:
            line += [
                (" · " if line else "", "frame"),
                (one_line(name.replace("_", " "), 30) + " ", "quiet"),
            ]
            line.append((count(tokens), "text"))
    return clip(line, width)


def last_line(pane: "PromptPane", rendered: PromptRendered, width: int) -> Line:
    """What is wrong first, else what to know, else the answer expected for the row."""
    over = rendered.token_count - rendered.context_length
    session = pane.session
    wanted = session.generation_of(session.prompt()).max_new_tokens
    if rendered.context_length and over > 0:
        words = f"{plural(over, 'token')} more than the model takes: shorten it; F9 shows which."
        return clip([(words, "bad")], width)
    if rendered.notes:
        return clip([("! " + one_line(" ".join(rendered.notes), 400), "warn")], width)
    if rendered.context_length and -over < wanted:
        words = f"Room for {plural(-over, 'token')} of the {count(wanted)} that an answer may have."
        return clip([(words, "warn")], width)
    if rendered.answer:
        answer = one_line(rendered.answer, 400)
        return clip([("answer for this row: ", "quiet"), (answer, "good")], width)
    if pane.native and not pane.prompt.template.strip():
        words = f"no template: the row itself is the prompt ({pane.native})"
        return clip([(words, "quiet")], width)
    return []
