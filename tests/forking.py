"""`workbench` and its hosts in processes of their own that have the libraries already.

A process that waits here has imported them once. Each command, and each host that a command or the
app starts, is a fork of it, with the streams, the folder and the environment that it would have
been given. What is about how they start (what they import, what native code prints meanwhile, how
many threads the libraries take) is tested with the programs themselves: the fixture `workbench` for
commands, the marker `own_host` for hosts.

    python -m tests.forking SOCKET     forks for whoever connects, until its own input is closed
"""

import gc
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

from tests.starting.host import ask

LIBRARIES = ("peft", "transformers.trainer", "transformers.models.llama.modeling_llama")
STARTING = Path(__file__).with_name("starting")  # an interpreter that has hosts forked
FORKS, PYTHON = "WORKBENCH_TESTS_FORKS", "WORKBENCH_TESTS_PYTHON"


class Forking:
    """The process that all is forked off; it is started when it is first needed."""

    def __init__(self) -> None:
        self.parent: subprocess.Popen[bytes] | None = None
        self.folder = tempfile.mkdtemp(prefix="workbench-tests-")
        self.path = str(Path(self.folder) / "forks")

    def start(self, seconds: float = 120) -> None:
        """Start it where it is not there, and wait until it has the libraries."""
        if self.parent is not None:
            return
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "tests.forking", self.path],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
        )
        deadline = time.monotonic() + seconds
        while not os.path.exists(self.path):
            assert self.parent.poll() is None, "it ended"
            assert time.monotonic() < deadline, f"it did not start in {seconds} s"
            time.sleep(0.05)

    def environment(self) -> dict[str, str]:
        """With it a `workbench` has its hosts forked."""
        self.start()
        return {FORKS: self.path, PYTHON: sys.executable, "PYTHONPATH": str(STARTING)}

    def run(
        self, words: Sequence[str], folder: Path, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The command in that folder, once it has ended.

        Raises:
            subprocess.TimeoutExpired: when it does not end in time; it is killed.
        """
        self.start()
        streams = [folder / f".{name}" for name in ("stdout", "stderr")]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        files = [os.open(os.devnull, os.O_RDONLY), *(os.open(path, flags) for path in streams)]
        with ask(self.path, "command", list(words), str(folder), files) as line:
            for file in files:
                os.close(file)
            answers = line.makefile()
            pid = int(answers.readline())
            line.settimeout(seconds)
            try:
                status = int(answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(words, seconds) from None
        out, err = (path.read_text(encoding="utf-8") for path in streams)
        for path in streams:
            path.unlink()
        return subprocess.CompletedProcess(words, status, out, err)

    def close(self) -> None:
        if self.parent is not None:
            self.parent.communicate()
        shutil.rmtree(self.folder)


def main(path: str) -> None:
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
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path + ".new")
    listener.listen(64)
    os.rename(path + ".new", path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(line)
        line.close()


def serve(line: socket.socket) -> None:
    """Fork what is asked for, and tell its pid and then its status."""
    _, files, _, _ = socket.recv_fds(line, 1, 3)
    answers = line.makefile("rw")
    asked = json.loads(answers.readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        answers.close()
        sys.exit(become(files, **asked)())
    for file in files:
        os.close(file)
    with suppress(OSError):  # whoever asked may be gone
        print(pid, file=answers, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers, flush=True)
    os._exit(0)


def become(
    files: list[int], what: str, words: list[str], folder: str, environment: dict[str, str]
) -> Callable[[], int]:
    """Be the program, as the shell would have started it; what is to be run."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = ["workbench", *words]
    if what == "host":
        os.environ.pop("PYTHONPATH", None)
        os.setsid()
        from workbench.worker.host import main as host

        return host
    if FORKS in environment:
        have_hosts_forked()
    from workbench.cli import main as command

    return command


def have_hosts_forked(patch: Callable[[object, str, object], None] = setattr) -> None:
    """In this process: what starts hosts has them forked."""
    from workbench.worker import link

    patch(link, "sys", SimpleNamespace(executable=str(STARTING / "python")))


if __name__ == "__main__":
    main(*sys.argv[1:])
