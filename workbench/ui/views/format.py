"""What the rows are taken for, in one line. Knows nothing of widgets."""

from workbench.protocol import FormatFound
from workbench.session import Prompt
from workbench.text import one_line
from workbench.ui.widgets.lines import Line, cells, clip


def format_line(found: FormatFound, prompt: Prompt, width: int) -> Line:
    """What it is and which column is what; why, where there is room for the whole of it."""
    if found.format == "wording":
        if prompt.template.strip():
            name = one_line(prompt.name, 30)
            first: Line = [("wording", "strong"), (f' "{name}" makes the examples', "text")]
        else:
            first = [
                ("no format", "warn"),
                (" · F3 writes a template, m says what is what", "text"),
            ]
        looks = found.recognised.replace("_", "/")
        rest = [f"the rows look like {looks}"] if found.recognised != "wording" else []
    else:
        name = found.format.replace("_", "/")
        roles = ", ".join(
            role if role == column else f"{role} ← {one_line(column, 60)}"
            for role, column in found.mapping.items()
        )
        first = [(name, "strong"), (f": {roles}" if roles not in ("", name) else "", "text")]
        rest = [reason(found.why)]
    line = clip([("m ", "key"), *first], width)
    for words in rest:
        part = (f" · {words}", "quiet")
        if cells([*line, part]) <= width:
            line = [*line, part]
    return line


def reason(why: str) -> str:
    """The sentence without what stands before it already: "It is …: "."""
    before, colon, after = one_line(why, 300).rstrip(".").partition(": ")
    return after if colon and before.startswith("It is ") else before + colon + after
