"""Conversations as they are shown: who says what. What a model gets of them is made elsewhere."""

from typing import Any

BRIEF = 16  # characters of a system text in one line: rows mostly share it


def turns_of(value: Any) -> list[tuple[str, str]]:
    """Role and text of each turn, where every item is a turn and nothing else; else nothing."""
    if not isinstance(value, list):
        return []
    turns: list[tuple[str, str]] = []
    for one in value:
        if not isinstance(one, dict) or len(one) != 2:
            return []
        role, text = one.get("role", one.get("from")), one.get("content", one.get("value"))
        if not isinstance(role, str) or not isinstance(text, str):
            return []
        turns.append((role, text))
    return turns


def in_one_line(turns: list[tuple[str, str]], limit: int) -> str:
    """The turns in a row, about `limit` characters of them, the system's text in brief."""
    words, length = [], 0
    for role, text in turns:
        most = BRIEF if role == "system" else limit
        words.append(f"{role}: {text if len(text) <= most else text[: most - 1] + '…'}")
        length += len(words[-1])
        if length > limit:
            break
    return "  ".join(words)
