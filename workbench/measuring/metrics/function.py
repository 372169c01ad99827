"""A person's own metric: a Python function of (answer, expected, row) in a file of theirs.

It runs in a process of its own, which stays for the whole measurement: what it prints, how it ends
and how long it takes harms nothing but the row. Knows how to talk to that process; what happens in
it is in function_process.py.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.data.prompting import PromptError
from workbench.measuring.metrics.metric import Row, RowError, RowMetric
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import Array
from workbench.text import one_line

TAKES = ("answer", "expected", "row")
PROCESS = Path(__file__).with_name("function_process.py")
SECONDS = 10.0  # that a row may take
LOADING = 60.0  # that the file's imports may take
PATIENCE = 3  # rows in a row that may hang or end the process; then it is given up
LIMIT = 1_000_000  # bytes of an answer of the process


class Own(RowMetric):
    """The mean of what the function returns; of true and false the share.

    `takes` names what it is called with, `setting` the setting that names it.
    """

    name = "function"
    against = False

    def __init__(
        self,
        function: str,
        folder: Path,
        seconds: float = SECONDS,
        *,
        takes: Sequence[str] = TAKES,
        setting: str = "evaluation.function",
    ) -> None:
        self.path, self.function = located(function, folder, takes, setting)
        self.seconds, self.takes = seconds, takes
        self.process: subprocess.Popen[bytes] | None = None
        self.lost = 0  # rows in a row without an answer of the process
        self.last = ""  # why the last of them had none
        self.binary = True  # until a value is neither 0 nor 1

    def start(self) -> None:
        """Start the process, unless it runs.

        Raises:
            PromptError: when the file cannot be loaded, or lacks the function.
        """
        if self.process and self.process.poll() is None:
            return
        self.close()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                str(PROCESS),
                str(self.path),
                self.function,
                str(self.seconds),
                ",".join(self.takes),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.path.parent,
            start_new_session=True,
        )
        try:
            said = self.receive(LOADING)
        except (TimeoutError, EOFError) as error:
            self.close()
            ends = f"does not load within {LOADING:g} seconds"
            ends = ends if isinstance(error, TimeoutError) else "ends the process while it loads"
            raise PromptError(f"{self.path.name} {ends}; correct it.") from None
        if problem := said.get("problem"):
            self.close()
            raise PromptError(f"{self.path.name} {one_line(problem, 300)}; correct it.")

    def score(self, reply: Reply) -> float | None:
        if reply.problem:
            return None
        if self.lost >= PATIENCE:
            raise RowError(f"{self.last} It was given up after {PATIENCE} rows.")
        try:
            self.start()
            said = self.ask(reply)
        except PromptError as error:
            raise RowError(str(error)) from None
        except (TimeoutError, EOFError, OSError) as error:
            self.lost += 1
            self.close()
            ends = f"did not answer within {self.seconds:g} seconds"
            ends = ends if isinstance(error, TimeoutError) else "ended its process"
            self.last = f"The function {self.function} of {self.path.name} {ends}."
            raise RowError(self.last) from None
        self.lost = 0
        if problem := said.get("problem"):
            raise RowError(f"The function {self.function} {one_line(str(problem), 300)}.")
        value = float(said["value"])
        self.note(value)
        return value

    def note(self, value: float) -> None:
        """Values say what kind of figure it is: a share, or a score without limits."""
        self.binary = self.binary and value in (0.0, 1.0)
        if not 0 <= value <= 1:
            self.unit, self.floor, self.ceiling = "score", None, None

    def statistics(self, rows: Sequence[Row]) -> Array:
        for _, score in rows:
            if score is not None:  # values may come from the store
                self.note(score)
        return super().statistics(rows)

    def ask(self, reply: Reply) -> dict[str, Any]:
        assert self.process
        assert self.process.stdin
        row = {"answer": reply.answer, "expected": reply.expected, "row": reply.values}
        line = json.dumps(row, default=str).encode() + b"\n"
        self.send(line)
        return self.receive(self.seconds)

    def send(self, line: bytes) -> None:
        """Write a line, however long; a process that does not read it runs out of time."""
        assert self.process
        assert self.process.stdin
        descriptor, end = self.process.stdin.fileno(), time.monotonic() + self.seconds
        os.set_blocking(descriptor, False)
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_WRITE)
            while line:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise TimeoutError
                with suppress(BlockingIOError):
                    line = line[os.write(descriptor, line) :]

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next line of the process."""
        assert self.process
        assert self.process.stdout
        descriptor, end, said = self.process.stdout.fileno(), time.monotonic() + seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while not said.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise TimeoutError
                piece = os.read(descriptor, 65536)
                said += piece
                if not piece or len(said) > LIMIT:
                    raise EOFError
        try:
            answer = json.loads(said)
        except ValueError:
            raise EOFError from None
        if not isinstance(answer, dict):
            raise EOFError
        return answer

    def close(self) -> None:
        """End the process and what it started, if it did not leave its group."""
        process, self.process = self.process, None
        if process is None:
            return
        with suppress(OSError):
            os.killpg(process.pid, 9)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()


def located(
    function: str,
    folder: Path,
    takes: Sequence[str] = TAKES,
    setting: str = "evaluation.function",
) -> tuple[Path, str]:
    """The file and the name of a function, `file.py:name`, seen from `folder`.

    Raises:
        PromptError: where there is no such file, or the setting is something else.
    """
    file, colon, name = function.strip().rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise PromptError(
            f"The metric function has no function; set {setting} to file.py:name, a function of "
            f"({', '.join(takes)})."
            if not function.strip()
            else f'{setting} is "{one_line(function, 100)}"; write file.py:name.'
        )
    path = (folder / Path(file).expanduser()).absolute()
    if not path.is_file():
        raise PromptError(
            f"There is no file {one_line(str(path), 200)} for {setting}; write file.py:name, the "
            f"file as seen from {one_line(str(folder), 200)}."
        )
    return path, name
