"""What was made of a source, kept in the workbench's cache until the source changes.

Knows files and folders; not what is in them.
"""

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from workbench.catalogue import SourceError, cache_folder

SAMPLE = 1 << 16  # bytes looked at in the beginning, middle and end of a large file
WHOLE = 64 << 20  # sources up to this size are looked at whole
STALE_SECONDS = 24 * 3600.0
SPARE = 256 << 20  # bytes that a conversion leaves free on the disk


class Room:
    """The folder in the cache for one state of some files.

    `fingerprint` is that of what they hold, wherever they lie, and of `manner`, how their rows are
    made where that can be done in more than one.
    """

    def __init__(self, files: Sequence[Path], manner: str = "") -> None:
        content, written, place = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        content.update(manner.encode())
        about = [os.stat(path) for path in files]
        whole = sum(one.st_size for one in about) <= WHOLE
        for path, one in zip(files, about, strict=True):
            content.update(sample(path, one.st_size, whole))
            written.update(f"{path.absolute()} {one.st_size} {one.st_mtime_ns} ".encode())
            place.update(f"{path.absolute()}\n".encode("utf-8", "surrogateescape"))
        self.fingerprint = content.hexdigest()[:32]
        self.source = cache_folder() / "tables" / place.hexdigest()[:16]
        self.folder = self.source / (content.hexdigest()[:16] + written.hexdigest()[:16])

    def keep(self, name: str, about: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Keep what is quick to read again; without room for it one does without."""
        import numpy

        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.forget_older()
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                try:
                    text = numpy.frombuffer(json.dumps(about).encode(), numpy.uint8)
                    numpy.savez(file, about=text, **arrays)
                    os.replace(file.name, self.folder / f"{name}.npz")
                except BaseException:
                    os.unlink(file.name)
                    raise

    def kept(self, name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What was kept under that name, or None."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        import numpy

        try:
            with numpy.load(path, allow_pickle=False) as found:
                arrays = {key: found[key] for key in found.files}
            about = json.loads(arrays.pop("about").tobytes())
        except Exception:  # of another version, or damaged: it is made anew
            return None
        with suppress(OSError):
            os.utime(self.folder)
        return about, arrays

    @contextmanager
    def written(self, name: str) -> Iterator[BinaryIO]:
        """A file that is there once it was written to its end.

        Raises:
            SourceError: where the disk refuses.
        """
        path = self.folder / name
        part = Path(f"{path}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.forget_older()
            with part.open("wb", buffering=1 << 20) as file:
                yield file
            part.replace(path)
        except OSError as error:
            raise SourceError(
                f"What is made of the source cannot be kept in {self.folder}: "
                f"{error.strerror or error}. Make room, or set WORKBENCH_CACHE to a folder that "
                "has some."
            ) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def forget_older(self) -> None:
        """Remove what was made of the files before; young ones may be in use."""
        with suppress(OSError):
            for old in os.scandir(self.source):
                if (
                    old.name != self.folder.name
                    and time.time() - old.stat().st_mtime > STALE_SECONDS
                ):
                    shutil.rmtree(old.path, ignore_errors=True)

    def check_space(self, needed: float, what: str) -> None:
        """
        Raises:
            SourceError: where the disk has not so many bytes to spare.
        """
        place = self.folder
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if free < needed + SPARE:
            raise SourceError(
                f"To show all of {what} it is converted once, which takes about "
                f"{(needed + SPARE) / 1e9:.1f} GB in {cache_folder()}, and {free / 1e9:.1f} GB are "
                "free; make room, or set WORKBENCH_CACHE to a folder that has some."
            )


def sample(path: Path, size: int, whole: bool) -> bytes:
    """A digest of a file's size and content, or of its beginning, middle and end."""
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if whole:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        else:
            for start in (0, size // 2, max(0, size - SAMPLE)):
                file.seek(start)
                digest.update(file.read(SAMPLE))
    return digest.digest()


def stamp(path: Path) -> tuple[int, int, int, int] | None:
    """What changes when a file does; None where it is gone."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
