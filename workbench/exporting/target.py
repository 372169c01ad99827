"""The folder that an export is put in: whole, or not at all.

Knows folders and room on disks; knows nothing of models.
"""

import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from workbench.exporting.errors import ExportError

SPARE = 64 << 20  # bytes beside the weights: tokenizer, card, and room to breathe
OLD = ".old"  # ends the name of what was in an export's place, until the new one is
# What an export is made of: only a folder of these is ever replaced.
OURS = (
    "*.safetensors",
    "*.json",
    "*.jinja",
    "*.gguf",
    "*.txt",
    "*.model",
    "*.spm",
    "*.py",
    "README.md",
    "LICENSE",
    "Modelfile",
    ".gitattributes",
)


def check(path: Path, overwrite: bool, needed: int) -> Path:
    """The folder to make, as the system knows it; before the long part.

    Args:
        needed: bytes that will be written.

    Raises:
        ExportError: where no export can be there.
    """
    try:
        target = path.expanduser().resolve()
        if target.exists() and not target.is_dir():
            raise ExportError(f"{path} is a file; name a folder.")
        if target.is_dir() and any(target.iterdir()):
            replaceable(target, path, overwrite)
        ancestor = target
        while not ancestor.exists():
            ancestor = ancestor.parent
        if not os.access(ancestor, os.W_OK):
            raise ExportError(f"{ancestor} cannot be written; choose another folder.")
        free = shutil.disk_usage(ancestor).free
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, links in a ring
        why = getattr(error, "strerror", None) or error
        raise ExportError(f"{str(path)[:80]!r} cannot be the name of a folder: {why}.") from error
    if free < needed + SPARE:
        raise ExportError(
            f"The export needs {(needed + SPARE) / 1e9:.1f} GB and {free / 1e9:.1f} GB are free "
            f"on the disk of {ancestor}; make room or choose another folder."
        )
    return target


def replaceable(target: Path, path: Path, overwrite: bool) -> None:
    """Raise ExportError where a folder that has something in it must stay."""
    if not overwrite:
        raise ExportError(f"{path} is there already; choose another folder, or overwrite it.")
    for one in target.iterdir():
        if one.is_dir() or not any(one.match(pattern) for pattern in OURS):
            raise ExportError(
                f"{path} holds {one.name}, which no export makes, so it is not replaced; choose "
                "another folder."
            )


@contextmanager
def made(target: Path) -> Iterator[Path]:
    """An empty folder to write to, beside the target; at the end it takes the target's place.

    Where the work fails or is given up, what was there before is still there.

    Raises:
        ExportError: where it cannot be written.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(target)
        prefix = f".{target.name[:60]}.{os.getpid()}."
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        temporary.chmod(0o755)
        yield temporary
        for file in [one for one in temporary.iterdir() if one.is_file()]:
            with file.open("rb") as written:
                os.fsync(written.fileno())
            file.chmod(0o644)
        put_in_place(temporary, target)
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written: {error.strerror or error}. Nothing was changed there; "
            "make room or choose another folder, then export again."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def clear_leftovers(target: Path) -> None:
    """Take away what an export to the same place left that was killed; what was in its place
    before, and was out of it at that moment, is put back."""
    name = target.name[:60]
    for path in sorted(target.parent.glob(f".{glob.escape(name)}.*")):
        named = re.fullmatch(rf"\.{re.escape(name)}\.(\d+)\.\w{{8}}({re.escape(OLD)})?", path.name)
        if named is None or not path.is_dir() or psutil.pid_exists(int(named[1])):
            continue
        if named[2] and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def put_in_place(temporary: Path, target: Path) -> None:
    """Rename the folder to the target's name; what was there goes only then."""
    if not target.exists():
        temporary.rename(target)
        return
    old = temporary.with_name(temporary.name + OLD)
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
