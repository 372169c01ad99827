"""Any value of a row as a value of JSON's types: what all that reads rows can count on."""

import datetime
import math
from typing import Any


def plain_values(row: dict[str, Any]) -> dict[str, Any]:
    """A row as values of JSON's types: times as ISO text, bytes and media by their size."""
    return {str(name): plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, dict) and set(value) != {"bytes", "path"}:
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):  # numpy and torch
        return plain(value.tolist())
    return named(value)


def named(value: Any) -> str:
    """What a value is, where it cannot be shown or has a text of its own."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if type(value).__module__ in ("decimal", "uuid", "datetime"):
        return str(value)
    if isinstance(value, dict):  # an undecoded image or sound
        size = len(value["bytes"] or b"")
        return f"<file {value['path'] or 'without a name'}, {size:,} bytes>"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value):,} bytes>"
    if hasattr(value, "size") and hasattr(value, "mode"):  # a Pillow image
        return f"<image, {value.size[0]} × {value.size[1]}>"
    return f"<{type(value).__name__}>"
