"""Text from outside, made safe to show: literally, with nothing that a terminal would obey."""

import re

# C0 but tab and newline, DEL, C1, and what reorders or hides text (bidirectional controls, zero
# width, line and paragraph separators, byte order mark).
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # ␛ for ESC
    return "␡" if code == 0x7F else f"<{code:X}>"


def literal(text: str) -> str:
    """The text with each control character replaced by a visible sign for it."""
    return UNSAFE.sub(visible, text.replace("\r\n", "\n")).expandtabs(4)


def one_line(text: str, limit: int = 0) -> str:
    """The text, safe and on one line: line ends as ⏎; cut to `limit` characters if it is given."""
    if limit:
        text = text[: limit + 1]
    line = literal(text).replace("\n", "⏎")
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"
