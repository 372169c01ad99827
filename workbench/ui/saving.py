"""Keeps the session's file as the session is, and never over what another program wrote there.

Knows nothing of the screen: `problem` and `conflict` say what it should tell.
"""

from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from workbench import session as sessions
from workbench.session import Session, SessionError


class Saving:
    def __init__(self, session: Session, path: Path) -> None:
        self.path = path
        self.kept = session  # as it is in the file
        self.on_disk = self.read()
        self.problem = ""
        self.conflict = False  # the file holds what somebody else wrote
        self.held = False  # the person keeps this state unsaved

    def read(self) -> str | None:
        with suppress(OSError, UnicodeDecodeError):
            return self.path.read_text(encoding="utf-8")
        return None

    def needed(self, session: Session) -> bool:
        return session != self.kept

    def save(self, session: Session, force: bool = False) -> bool:
        """Write the session where it differs. False where it could not be, or may not be."""
        if not self.needed(session) and not force:
            self.problem = ""
            return True
        if not force:
            if self.held:
                return False
            there = self.read()
            if there is not None and there != self.on_disk and not self.only_looks(there, session):
                self.conflict = True
                return False
        try:
            self.on_disk = sessions.save(session, self.path)
        except SessionError as error:
            self.problem = str(error)
            return False
        self.kept, self.problem = session, ""
        self.conflict = self.held = False
        return True

    def only_looks(self, text: str, session: Session) -> bool:
        """Whether another terminal on this session changed no more than where it looks.

        Or what has changed here, too: both name the adapter of the run that ended in both.
        """
        try:
            there = sessions.loads(text)
        except SessionError:
            return False
        by_us = sessions.dumps(there) == text  # and not by hand, with comments to keep
        return by_us and any(
            replace(there, layout=one.layout) == one for one in (self.kept, session)
        )

    def reload(self) -> Session:
        """The session that is in the file now.

        Raises:
            SessionError: where the file cannot be used.
        """
        session = sessions.load(self.path)
        self.on_disk = self.read()
        self.kept, self.problem = session, ""
        self.conflict = self.held = False
        return session

    def hold(self) -> None:
        """Keep the state unsaved until the person saves it."""
        self.held, self.conflict = True, False

    def words(self, session: Session) -> tuple[str, str]:
        """(a few words, ink) on how it stands."""
        if self.problem:
            return "not saved", "bad"
        if self.conflict or self.held:
            return "not saved: the file was changed elsewhere", "warn"
        return ("saving …", "quiet") if self.needed(session) else ("saved", "quiet")
