"""The process in which a run is exported or written out: python -m workbench.exporting.process

Standard input brings the request, a line of JSON, and stays open: once it ends, whoever asked is
gone, and the export is given up. Standard output takes events of the protocol, a line each.

A process of its own, because loading weights changes what is global to one (the default number
format, random numbers), and a run may be under way; and because one that runs out of memory ends
alone.
"""

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.protocol import (
    AnyEvent,
    EjectRun,
    ExportRun,
    Failed,
    Progress,
    RunEjected,
    RunExported,
    decode_request,
    encode,
)

OFTEN = 0.1  # seconds between two lines of progress
GRACE = 20.0  # seconds in which the work must see that it was given up


class GivenUp(BaseException):
    """Whoever asked does not want it any more."""


def main() -> int:
    requests = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print belongs to the log
    os.nice(5)  # a run that is under way goes first

    def tell(event: AnyEvent) -> None:
        events.write(encode(event) + b"\n")

    def give_up(*_: Any) -> None:
        raise GivenUp

    signal.signal(signal.SIGTERM, give_up)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c is for whoever asked
    request = decode_request(requests.readline())
    assert isinstance(request, ExportRun | EjectRun)
    threading.Thread(target=watch, args=(requests,), daemon=True).start()
    try:
        try:
            made, code = exported(request, tell), 0
        except (GivenUp, BrokenPipeError):
            raise
        except BaseException as error:
            made, code = Failed(message=words(error)), 1
        # From here on there is nothing to give up: whoever asked leaves once it has the answer.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tell(made)
    except (GivenUp, BrokenPipeError):
        return 3
    return code


def watch(requests: Any) -> None:
    """Wait for the end of whoever asked."""
    with suppress(OSError, ValueError):
        requests.read()
    with suppress(ProcessLookupError):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(3)


def exported(request: ExportRun | EjectRun, tell: Any) -> AnyEvent:
    from workbench.exporting.trained import run_folder

    run_folder(Path(request.folder), request.run)  # said before libraries take their seconds
    from workbench.inference.tokenizer import quiet

    quiet()
    last: list[Any] = ["", 0.0]

    def report(what: str, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        if what != last[0] or now - last[1] > OFTEN or done >= total > 0:
            last[:] = [what, now]
            tell(Progress(what=what, done=done, total=total, unit=unit))

    if isinstance(request, EjectRun):
        from workbench.ejecting.eject import eject

        script = eject(request, report)
        return RunEjected(text=script.text, path=str(script.path or ""))
    from workbench.exporting.export import export

    made = export(request, report)
    return RunExported(path=str(made.path), files=made.files, notes=made.notes, url=made.url)


def words(error: BaseException) -> str:
    """What went wrong, in one sentence; the details go to the log."""
    from workbench.exporting.errors import ExportError

    if isinstance(error, ExportError):
        return str(error)
    from workbench.catalogue import SourceError
    from workbench.data.prompting import PromptError
    from workbench.inference.errors import ModelError, reason
    from workbench.training.errors import TrainingError

    if isinstance(error, ModelError | PromptError | SourceError | TrainingError):
        return str(error)
    traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory to export; close other programs and try again."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'The export'}: {error.strerror}."
    return f"Unexpected {type(error).__name__}: {reason(error)}."


if __name__ == "__main__":
    sys.exit(main())
