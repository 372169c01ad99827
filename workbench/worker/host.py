"""The host process: a Worker behind a Unix socket, with a life of its own.

    python -P -m workbench.worker.host SESSION.toml

It outlives the terminal that started it: its own process session, no controlling terminal, output
in a log. It ends by itself a while after the last one left, unless a run is under way.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from workbench import protocol
from workbench.locks import hold
from workbench.protocol import AnyEvent
from workbench.session import replace_file
from workbench.worker.environment import prepare_environment
from workbench.worker.outbox import Outbox
from workbench.worker.output import redirect
from workbench.worker.place import Place
from workbench.worker.service import Service

LINGER = 20.0  # seconds that an idle host waits for someone to come back


LONGEST_LINE = 1 << 26  # bytes of a request


class Numbered(msgspec.Struct):
    """What is read of a request that is not understood: whom to answer."""

    id: int = 0


def number_of(line: bytes) -> int:
    """The id of a request that is not understood; 0 where it has none."""
    try:
        return msgspec.json.decode(line, type=Numbered).id
    except (ValueError, RecursionError):
        return 0


def line_of(event: AnyEvent) -> bytes:
    """The event as JSON; one that cannot be (half a surrogate pair in its text) as a failure."""
    try:
        return protocol.encode(event)
    except (ValueError, TypeError) as error:
        failed = protocol.Failed(
            request=event.request, message=f"The answer holds what cannot be sent: {error}."
        )
        return protocol.encode(failed)


class Client:
    """One attached app or command."""

    def __init__(self, connection: socket.socket, host: "Host") -> None:
        self.connection, self.host = connection, host
        self.outbox = Outbox(self.deliver)

    def tell(self, event: AnyEvent) -> None:
        self.outbox.put(event)

    def deliver(self, events: list[AnyEvent]) -> None:
        lines = b"".join(line_of(event) + b"\n" for event in events)
        with suppress(OSError):  # gone: the reading side notices
            self.connection.sendall(lines)

    def refuse(self, line: bytes, why: str) -> None:
        self.tell(
            protocol.Failed(
                request=number_of(line), message=f"The worker did not understand: {why}."
            )
        )

    def serve(self) -> None:
        """Read requests until the line is closed."""
        service = self.host.service
        service.attach(self.tell)
        self.tell(service.welcome(0))  # whoever connects knows by it that someone is there
        file: BinaryIO = self.connection.makefile("rb")
        try:
            while line := file.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    self.refuse(b"", f"a request of more than {LONGEST_LINE >> 20} MiB")
                    break
                try:
                    request = protocol.decode_request(line)
                except (ValueError, RecursionError) as error:  # of msgspec, or of its text
                    self.refuse(line, str(error))
                    continue
                service.submit(request, self.tell)
        except OSError:
            pass
        finally:
            service.detach(self.tell)
            self.outbox.close()
            self.connection.close()
            self.host.left(self)


class Host:
    """Listens on the session's socket and serves everyone who comes."""

    def __init__(self, place: Place, linger: float) -> None:
        self.place, self.linger = place, linger
        self.service = Service(str(place.session))
        self.clients: set[Client] = set()
        self.last_seen = time.monotonic()
        self.lock = threading.Lock()
        self.told_to_end = False  # by a signal, which may come while this thread holds a lock

    def end_soon(self) -> None:
        self.told_to_end = True

    def left(self, client: Client) -> None:
        with self.lock:
            self.clients.discard(client)
            self.last_seen = time.monotonic()

    def run(self) -> None:
        """Serve until told to end, or until nobody needs it any more."""
        path = self.place.socket
        with suppress(FileNotFoundError):
            path.unlink()  # of a host that was killed: the lock is ours
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        listener.listen()
        listener.settimeout(0.5)
        note = {
            "pid": os.getpid(),
            "session": str(self.place.session),
            "started": time.time(),
        }
        replace_file(self.place.note, json.dumps(note))
        try:
            while not self.service.ended.is_set() and not self.unneeded():
                if self.told_to_end:
                    self.told_to_end = False
                    self.service.end()
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                client = Client(connection, self)
                with self.lock:
                    self.clients.add(client)
                threading.Thread(target=client.serve, name="client", daemon=True).start()
        finally:
            for leftover in (path, self.place.note):
                with suppress(OSError):
                    leftover.unlink()
            listener.close()

    def unneeded(self) -> bool:
        with self.lock:
            if self.clients:
                self.last_seen = time.monotonic()
            idle = time.monotonic() - self.last_seen
        if self.service.busy:
            self.last_seen = time.monotonic()
            return False
        return idle > self.linger


def main(arguments: list[str] | None = None) -> int:
    (session,) = sys.argv[1:] if arguments is None else arguments
    place = Place.of(Path(session))
    redirect(place.log)
    if hold(place.lock, 0o600) is None:
        return 0  # another one serves this session
    prepare_environment()
    print(f"{time.strftime('%F %T')} host {os.getpid()} for {place.session}", flush=True)
    import faulthandler

    faulthandler.enable()
    host = Host(place, float(os.environ.get("WORKBENCH_LINGER", LINGER)))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: host.end_soon())
    host.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
