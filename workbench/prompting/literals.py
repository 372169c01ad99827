"""Values as Python's source, whatever is in them: it can be read, and evaluates to the same."""

import math
import textwrap
from typing import Any

WIDTH = 88  # of a line; a text without line ends is broken there


def literal(value: Any, indent: int = 0) -> str:
    """The expression for a value of JSON's types. Texts of several lines get as many.

    Only what `repr` makes of a text stands between quotes, so no text can end them.
    """
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f'float("{value!r}")'
    if isinstance(value, dict):
        return block(
            "{",
            [f"{quoted(str(k))}: {literal(v, indent + 4)}" for k, v in value.items()],
            "}",
            indent,
        )
    if isinstance(value, list | tuple):
        return block("[", [literal(one, indent + 4) for one in value], "]", indent)
    return text_literal(str(value), indent)


def quoted(text: str) -> str:
    """`repr` in double quotes, where the text holds no quotes of either kind."""
    written = repr(text)
    return f'"{written[1:-1]}"' if written[0] == "'" and '"' not in text else written


def block(opening: str, parts: list[str], closing: str, indent: int) -> str:
    """Parts on a line each, or on one where they are short."""
    line = opening + ", ".join(parts) + closing
    if "\n" not in line and len(line) + indent <= WIDTH:
        return line
    pad = " " * (indent + 4)
    if all(part.isdigit() for part in parts):  # token ids: as many on a line as it holds
        filled = textwrap.fill(", ".join(parts), WIDTH, initial_indent=pad, subsequent_indent=pad)
        return f"{opening}\n{filled},\n{' ' * indent}{closing}"
    return f"{opening}\n" + "".join(f"{pad}{part},\n" for part in parts) + " " * indent + closing


def text_literal(text: str, indent: int) -> str:
    pieces = [
        line[start : start + WIDTH - 8]
        for line in text.splitlines(keepends=True)
        for start in range(0, len(line), WIDTH - 8)
    ]
    if len(pieces) <= 1:
        return quoted(text)
    pad = " " * (indent + 4)
    return "(\n" + "".join(f"{pad}{quoted(piece)}\n" for piece in pieces) + " " * indent + ")"
