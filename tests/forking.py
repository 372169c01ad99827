"""`workbench` in a process of its own that has the libraries already.

A process that waits here has imported them once; each command is a fork of it, with the streams,
the folder and the environment that a shell would give it. What is about how a command starts (what
it imports, what native code prints meanwhile) is tested with the program itself.

    python -m tests.forking     reads a command a line, as JSON; writes its pid, then its status
"""

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = ("peft", "transformers.trainer", "transformers.models.llama.modeling_llama")


class Forking:
    """Runs commands; the process that they are forked off is started with the first."""

    def __init__(self) -> None:
        self.parent: subprocess.Popen[bytes] | None = None

    def run(
        self, words: Sequence[str], folder: Path, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The command in that folder, once it has ended.

        Raises:
            subprocess.TimeoutExpired: when it does not end in time; it is killed.
        """
        if self.parent is None:
            self.parent = subprocess.Popen(
                [sys.executable, "-m", "tests.forking"],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        assert self.parent.stdin
        streams = [folder / f".{name}" for name in ("stdout", "stderr")]
        asked = {
            "words": words,
            "folder": str(folder),
            "environment": dict(os.environ),
            "streams": [str(path) for path in streams],
        }
        self.parent.stdin.write(json.dumps(asked).encode() + b"\n")
        pid = self.hear(60)
        try:
            status = self.hear(seconds)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self.hear(60)
            raise subprocess.TimeoutExpired(words, seconds) from None
        out, err = (path.read_text(encoding="utf-8") for path in streams)
        for path in streams:
            path.unlink()
        return subprocess.CompletedProcess(words, status, out, err)

    def hear(self, seconds: float) -> int:
        assert self.parent
        assert self.parent.stdout
        if not select.select([self.parent.stdout], [], [], seconds)[0]:
            raise TimeoutError
        return int(self.parent.stdout.readline())

    def close(self) -> None:
        if self.parent is not None:
            self.parent.communicate()


def main() -> None:
    from workbench.worker.environment import prepare_environment

    prepare_environment()
    for name in LIBRARIES:
        importlib.import_module(name)
    import workbench

    for module in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if not module.name.startswith("workbench.ui"):
            with suppress(ImportError):  # the command that needs it will say so
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            become(**json.loads(line))
            from workbench.cli import main as command

            sys.exit(command())
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def become(words: list[str], folder: str, environment: dict[str, str], streams: list[Any]) -> None:
    """Be the command, as the shell would have started it."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = ["workbench", *words]


if __name__ == "__main__":
    main()
