"""Numbers as people read them: thousands apart, units that fit, a fixed number of digits."""

import math


def count(number: int) -> str:
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def size(number: float) -> str:
    """Bytes, in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return (
                f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
            )
        number /= 1000
    return f"{number:.1f} TB"


def parameters(number: int) -> str:
    """A model's size: 135 M, 7.2 B."""
    if number < 1_000_000:
        return f"{number:,}"
    if number < 1_000_000_000:
        return f"{number / 1e6:.0f} M"
    return f"{number / 1e9:.1f} B"


def duration(seconds: float) -> str:
    """Seconds as 0.31 s, 12 s, 3 min 05 s, 2 h 04 min, 3 d 04 h."""
    if seconds < 0 or not math.isfinite(seconds):
        return "unknown"
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24:02} h"


def figure(number: float) -> str:
    """A loss or a norm: four significant digits where they say something."""
    if not math.isfinite(number):
        return str(number)
    if number == 0 or 0.01 <= abs(number) < 1000:
        return f"{number:.4f}" if abs(number) < 10 else f"{number:.2f}"
    if 1000 <= abs(number) < 1e6:
        return f"{number:,.0f}"
    return f"{number:.2e}"


def rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"
