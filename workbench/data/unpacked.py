"""Packed files of a format that is read by jumping about in it: unpacked once, into the cache.

Knows nothing of the format.
"""

from collections.abc import Sequence
from pathlib import Path

from workbench.catalogue import SourceError
from workbench.data.kept import Room
from workbench.data.streams import Stream

GROWTH = 4.0  # bytes unpacked for a packed one, about


def unpacked(paths: Sequence[Path], room: Room) -> list[Path]:
    """Copies of the files as they were before they were packed.

    Raises:
        SourceError: where one is damaged, or the disk has no room.
    """
    made = []
    for number, path in enumerate(paths):
        name = f"unpacked-{number}"
        made.append(room.folder / name)
        if made[-1].exists():
            continue
        room.check_space(path.stat().st_size * GROWTH, path.name)
        stream = Stream(path)
        with room.written(name) as file:
            for piece in stream.unpacked():
                file.write(piece)
        if stream.damage:
            made[-1].unlink()
            raise SourceError(f"{path}: {stream.damage}; fetch or write it anew.")
    return made
