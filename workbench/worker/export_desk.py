"""What becomes of a run: it is exported, or written out as a script. A run may be under way."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

from msgspec.structs import replace

from workbench.protocol import (
    AnyEvent,
    Done,
    EjectRun,
    ExportRun,
    Failed,
    Progress,
    RunEjected,
    RunExported,
    decode_event,
    encode,
)
from workbench.worker.lane import Job, Lane, RefusedError

EVERY = 0.2  # seconds between two looks at whether it was given up
PATIENCE = 25.0  # seconds that the process may take to clean up


class ExportDesk(Lane):
    def __init__(self) -> None:
        super().__init__("exports")
        self.handlers = {ExportRun: self.write, EjectRun: self.write}

    def write(self, request: ExportRun | EjectRun, job: Job) -> None:
        """In a process of its own: see `exporting.process`."""
        job.progress("loading the libraries")
        command = [sys.executable, "-m", "workbench.exporting.process"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        last: AnyEvent | None = None
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(encode(request) + b"\n")
                process.stdin.flush()
            for event in self.events(process, job):
                last = event
                if isinstance(event, Progress):
                    job.progress(event.what, event.done, event.total, event.unit)
        finally:
            ended(process)
        if isinstance(last, Failed):
            raise RefusedError(last.message)
        if isinstance(last, RunExported | RunEjected):
            job.tell(replace(last, request=job.id))
        elif job.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
        else:
            raise RefusedError(
                "The export ended without a word, perhaps for want of memory; close other "
                "programs and try again."
            )

    @staticmethod
    def events(process: "subprocess.Popen[bytes]", job: Job) -> Iterator[AnyEvent]:
        """What the process tells, until it ends or is given up."""
        assert process.stdout is not None
        descriptor, rest = process.stdout.fileno(), b""
        while not job.stopped.is_set():
            if not select.select([descriptor], [], [], EVERY)[0]:
                continue
            block = os.read(descriptor, 1 << 16)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield decode_event(line)


def ended(process: "subprocess.Popen[bytes]") -> None:
    """Have the process end, and take away what it has written."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    if process.poll() is None:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
