"""Where hosts are found: a socket, a log and a note of each, in a folder of the person's own."""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.locks import is_held

LONGEST_SOCKET = 100  # bytes of a Unix socket's path; Linux takes 107, macOS 103


def state_folder() -> Path:
    """WORKBENCH_STATE, else XDG_STATE_HOME/workbench, else ~/.local/state/workbench.

    Not XDG_RUNTIME_DIR: that is emptied when the person's last login ends, and a run goes on.
    """
    if chosen := os.environ.get("WORKBENCH_STATE"):
        return Path(chosen).absolute()
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "workbench"


def private(folder: Path) -> Path:
    """The folder, made with mode 0700, and checked to be the person's own.

    Raises:
        PermissionError: when someone else could have put a socket there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise PermissionError(13, "belongs to someone else", str(folder))
    if about.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


@dataclass(frozen=True)
class Place:
    """The files of the host of one session."""

    session: Path
    folder: Path
    stem: str

    @classmethod
    def of(cls, session: Path) -> "Place":
        session = session.resolve()
        digest = hashlib.sha256(os.fsencode(session)).hexdigest()[:16]
        return cls(session, private(state_folder() / "hosts"), digest)

    @property
    def socket(self) -> Path:
        path = self.folder / f"{self.stem}.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET:
            return path
        name = f"workbench-{os.getuid()}"
        # Named after the state folder too, so that two of them do not share a host.
        stem = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return private(Path(tempfile.gettempdir()) / name) / f"{stem}.sock"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.stem}.log"

    @property
    def note(self) -> Path:
        return self.folder / f"{self.stem}.json"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.stem}.lock"

    def alive(self) -> bool:
        """Whether a host holds this place now."""
        return is_held(self.lock)


def living() -> list[tuple[Place, dict[str, Any]]]:
    """The hosts that are up now, and what each noted of itself: pid, session, started."""
    found = []
    with suppress(OSError):
        for note in sorted((state_folder() / "hosts").glob("*.json")):
            with suppress(OSError, ValueError, KeyError):
                about = json.loads(note.read_text(encoding="utf-8"))
                place = Place(Path(about["session"]), note.parent, note.stem)
                if place.alive():
                    found.append((place, about))
    return found
