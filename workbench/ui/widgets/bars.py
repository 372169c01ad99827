"""Histograms in characters: eighths of blocks, which every terminal has."""

from collections.abc import Sequence

EIGHTHS = " ▁▂▃▄▅▆▇█"
SIDEWAYS = " ▏▎▍▌▋▊▉█"


def merged(counts: Sequence[int], bins: int) -> list[int]:
    """The same counts in at most `bins` bins, neighbours put together."""
    if len(counts) <= bins:
        return list(counts)
    found = [0] * bins
    for index, number in enumerate(counts):
        found[index * bins // len(counts)] += number
    return found


def spark(counts: Sequence[int], width: int) -> str:
    """One line of blocks; what is not zero is seen, however small."""
    counts = merged(counts, width)
    most = max(counts, default=0)
    if not most:
        return ""
    return "".join(
        EIGHTHS[0 if not number else max(1, round(number / most * 8))] for number in counts
    )


def upright(counts: Sequence[int], width: int, height: int) -> list[str]:
    """Bars of `height` lines over all of `width` columns, from the top line down."""
    counts = merged(counts, width)
    most = max(counts, default=0)
    if not most:
        return []
    eighths = [0 if not one else max(1, round(one / most * height * 8)) for one in counts]
    over = [eighths[column * len(counts) // width] for column in range(width)]
    return [
        "".join(EIGHTHS[max(0, min(8, one - level * 8))] for one in over)
        for level in range(height - 1, -1, -1)
    ]


def sideways(share: float, width: int) -> str:
    """A bar that lies, `share` of `width` cells long, to an eighth of a cell."""
    eighths = max(0, min(width * 8, round(share * width * 8)))
    full, rest = divmod(eighths, 8)
    return "█" * full + (SIDEWAYS[rest] if rest else "")
