"""Which session file a word on the command line means."""

import os
import shutil
from importlib.resources import files
from pathlib import Path

from workbench.session import SessionError

DEFAULT = "film-reviews"


def shipped() -> dict[str, Path]:
    """The sessions to start from: in the wheel, or at the top of a checkout."""
    inside = Path(str(files("workbench"))) / "sessions"
    folder = inside if inside.is_dir() else Path(__file__).parents[2] / "sessions"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find_session(word: str | None) -> tuple[Path, str]:
    """The session file that is meant, and a sentence where something was done for it.

    A path is taken as it is. A name means sessions/NAME.toml here, or a starter of that name,
    which is then copied to sessions/ here. No word: the session changed last, else the first
    starter.

    Raises:
        SessionError: when there is none.
    """
    if word is None:
        here = sorted(Path("sessions").glob("*.toml"), key=lambda path: path.stat().st_mtime)
        if here:
            return here[-1], ""
        word = DEFAULT
    path = Path(word)
    check_encoding(path)
    if path.is_file():
        return path, ""
    name = path.name.removesuffix(".toml")
    if path.name == word:
        local = Path("sessions") / f"{name}.toml"
        if local.is_file():
            return local, ""
        if name in shipped():
            return copy_starter(name, local), f"Copied the starter {name} to {local}."
    starters = ", ".join(shipped())
    target = path if path.suffix or path.name != word else f"sessions/{word}.toml"
    raise SessionError(
        f"{word}: there is no such session. Starters: {starters}. "
        f"Or make it: workbench new {target if word else 'sessions/mine.toml'}"
    )


def check_encoding(path: Path) -> None:
    """Refuse a name that a session, a run and a message could not hold.

    Raises:
        SessionError: when it is no UTF-8.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise SessionError(
            f"{shown}: the name of the file or of a folder above it is not UTF-8; rename it."
        ) from None


def copy_starter(name: str, target: Path) -> Path:
    """Copy a starter session and the files beside it that carry its name."""
    source = shipped()[name]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for path in source.parent.glob(f"{name}*"):
            if path.is_file() and not (target.parent / path.name).exists():
                shutil.copyfile(path, target.parent / path.name)
    except OSError as error:
        raise SessionError(f"{target} cannot be made: {error.strerror}.") from None
    return target
