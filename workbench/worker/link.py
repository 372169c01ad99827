"""The app's end of the line: to a Worker in a host process, or in this one."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec.structs import replace

from workbench import protocol
from workbench.protocol import AnyEvent, AnyRequest, HostLost
from workbench.worker.place import Place

if TYPE_CHECKING:
    from workbench.worker.service import Service


def unheard(event: AnyEvent) -> None:
    """Before `start`, nobody listens."""


START_LIMIT = 60.0  # seconds for a host to answer: a loaded machine may be slow
RESTARTS = 3  # at most, in RESTART_WINDOW seconds
RESTART_WINDOW = 120.0


class HostLink:
    """A line to the host process of a session, which is started where there is none."""

    survives = True

    def __init__(self, session: Path, start_host: bool = True) -> None:
        self.place = Place.of(session)
        self.log_path: Path | None = self.place.log
        self.start_host = start_host
        self.ids = count(1)
        self.waiting: deque[AnyRequest] = deque()
        self.changed = threading.Condition()
        self.closed = False
        self.connection: socket.socket | None = None
        self.child: subprocess.Popen[bytes] | None = None
        self.restarts: deque[float] = deque(maxlen=RESTARTS)
        self.tell: Callable[[AnyEvent], None] = unheard

    def start(self, on_event: Callable[[AnyEvent], None]) -> None:
        self.tell = on_event
        threading.Thread(target=self.read, name="link-reader", daemon=True).start()
        threading.Thread(target=self.write, name="link-writer", daemon=True).start()

    def send(self, request: AnyRequest) -> int:
        request = replace(request, id=next(self.ids))
        with self.changed:
            self.waiting.append(request)
            self.changed.notify_all()
        return request.id

    def close(self) -> None:
        with self.changed:
            # What was sent just before (a stop, a shutdown) is still to be passed on.
            deadline = time.monotonic() + 1.0
            while self.waiting and self.connection and time.monotonic() < deadline:
                self.changed.wait(0.05)
            self.closed = True
            self.changed.notify_all()
        self.hang_up()

    def hang_up(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    # --- the two threads ---------------------------------------------------------------------

    def write(self) -> None:
        while True:
            with self.changed:
                while not self.closed and not (self.waiting and self.connection):
                    self.changed.wait()
                if self.closed:
                    return
                request, connection = self.waiting[0], self.connection
            assert connection is not None
            try:
                connection.sendall(protocol.encode(request) + b"\n")
            except OSError:
                with self.changed:
                    self.changed.wait(0.2)  # the reading side notices, too, and reconnects
                continue
            except (ValueError, TypeError, OverflowError) as error:  # such as text that is no UTF-8
                self.tell(protocol.Failed(request=request.id, message=f"Cannot be sent: {error}."))
            with self.changed:
                if self.waiting and self.waiting[0] is request:
                    self.waiting.popleft()
                self.changed.notify_all()

    def read(self) -> None:
        farewell = ""  # how the last host ended
        while not self.closed:
            try:
                connection, lines = self.connect()
            except OSError as error:
                self.tell(
                    HostLost(
                        message=f"The worker cannot be started: {reason(error, self.place)}",
                        restarted=False,
                    )
                )
                return
            with self.changed:
                if farewell:
                    self.waiting.clear()  # asked of a host that is gone
                self.connection = connection
                self.changed.notify_all()
            if farewell:
                self.tell(HostLost(message=f"{farewell} It was started anew.", restarted=True))
            self.listen(lines)
            if self.closed:
                return
            self.hang_up()
            farewell = self.farewell()
            now = time.monotonic()
            if not self.start_host or (
                len(self.restarts) == RESTARTS and now - self.restarts[0] < RESTART_WINDOW
            ):
                self.tell(
                    HostLost(
                        message=f"{farewell} Its log says why; open the session again to go on.",
                        restarted=False,
                    )
                )
                return
            self.restarts.append(now)

    def listen(self, lines: BinaryIO) -> None:
        with suppress(OSError, ValueError), lines:
            for line in lines:
                try:
                    event = protocol.decode_event(line)
                except msgspec.MsgspecError:
                    continue  # torn by a kill in the middle of a line
                self.tell(event)

    def farewell(self) -> str:
        """How the host ended, as far as one can know."""
        code = None
        if self.child is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self.child.wait(timeout=0.5)
        if code == -9:
            return "The worker was killed (out of memory?)."
        if code is not None and code < 0:
            return f"The worker crashed (signal {-code})."
        return "The worker ended unexpectedly."

    def connect(self) -> tuple[socket.socket, BinaryIO]:
        """A connection to the session's host; starts it where there is none.

        Raises:
            OSError: when none answers in time.
        """
        deadline = time.monotonic() + START_LIMIT
        started = False
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(str(self.place.socket))
                # A host that is being killed may still take a connection, and then say nothing.
                lines = connection.makefile("rb")
                if not lines.readline():
                    raise ConnectionResetError(104, "it hung up")
                return connection, lines
            except OSError:
                connection.close()
                if self.closed or time.monotonic() > deadline:
                    raise
            if not self.place.alive():
                if not self.start_host:
                    raise ConnectionRefusedError(111, "no worker is running for this session")
                if not started:
                    self.spawn()
                    started = True
                elif self.child is not None and self.child.poll() not in (None, 0):
                    raise ConnectionRefusedError(111, "it ended at once")
                elif self.child is not None and self.child.poll() == 0:
                    started = False  # it gave way to another that has ended since
            time.sleep(0.02)

    def spawn(self) -> None:
        # A process session of its own: a lost terminal does not reach it. -P: a folder named
        # datasets/ beside the session must not be taken for the library.
        with self.place.log.open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-P", "-m", "workbench.worker.host", str(self.place.session)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.place.session.parent if self.place.session.parent.is_dir() else "/",
                # It starts in another folder, and relative ones are meant from this one.
                env={**os.environ, **absolute_folders()},
            )


def absolute_folders() -> dict[str, str]:
    """The variables that name a folder of the workbench's, from the root."""
    names = ("WORKBENCH_STATE", "WORKBENCH_CACHE", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    return {
        name: folder if "CACHE" in name and folder.startswith("~") else os.path.abspath(folder)
        for name, folder in found.items()
    }


def reason(error: OSError, place: Place) -> str:
    return f"{error.strerror or error}. Its log is {place.log}."


class LocalLink:
    """A line to a Worker in this very process."""

    survives = False

    def __init__(self, session: Path, log_path: Path | None = None) -> None:
        self.session = session
        self.log_path = log_path
        self.ids = count(1)
        self.service: Service | None = None
        self.early: list[AnyRequest] = []
        self.lock = threading.Lock()
        self.tell: Callable[[AnyEvent], None] = unheard

    def start(self, on_event: Callable[[AnyEvent], None]) -> None:
        threading.Thread(target=self.begin, args=(on_event,), name="link", daemon=True).start()

    def begin(self, on_event: Callable[[AnyEvent], None]) -> None:
        from workbench.worker.environment import prepare_environment
        from workbench.worker.outbox import Outbox
        from workbench.worker.service import Service

        def deliver(events: list[AnyEvent]) -> None:
            for event in events:
                on_event(event)

        prepare_environment()
        outbox = Outbox(deliver)
        service = Service(str(self.session))
        with self.lock:
            self.tell = outbox.put
            service.attach(self.tell)
            self.service, early = service, self.early
            for request in early:
                service.submit(request, self.tell)

    def send(self, request: AnyRequest) -> int:
        request = replace(request, id=next(self.ids))
        with self.lock:
            if self.service is None:
                self.early.append(request)
            else:
                self.service.submit(request, self.tell)
        return request.id

    def close(self) -> None:
        """End the Worker; a run stops with a checkpoint first."""
        if self.service is not None:
            self.service.end()
            self.service.ended.wait(timeout=None if self.service.busy else 5)


def make_link(session: Path, in_process: bool) -> HostLink | LocalLink:
    if not in_process:
        return HostLink(session)
    place = Place.of(session)
    return LocalLink(session, place.folder / f"{place.stem}-{os.getpid()}.log")
