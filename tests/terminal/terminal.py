"""A real pseudo-terminal with the real program in it: type, look, hang up."""

import codecs
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte

KEYS = {
    "enter": "\r",
    "tab": "\t",
    "escape": "\x1b",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "end": "\x1b[F",
    "home": "\x1b[H",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "delete": "\x1b[3~",
    **{f"f{n}": f"\x1bO{final}" for n, final in enumerate("PQRS", 1)},
    **{f"f{n}": f"\x1b[{c}~" for n, c in enumerate((15, 17, 18, 19, 20, 21, 23, 24), 5)},
    **{f"ctrl+{chr(96 + n)}": chr(n) for n in range(1, 27)},
    "alt+o": "\x1bo",
    "alt+left": "\x1b[1;3D",
    "alt+right": "\x1b[1;3C",
    "ctrl+end": "\x1b[1;5F",
}
# Sequences that pyte does not know and would print.
UNKNOWN = re.compile(
    r"\x1b\[[<>=?][\d;]*[a-zA-Z$]+|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\"
)
OBEYED = re.compile(r"\x1b\]\d+;[^\x07\x1b]*(?:\x07|\x1b\\)")


class Terminal:
    """The program, and what its screen shows."""

    def __init__(
        self, command: list[str], *, cwd: Path, columns: int = 120, rows: int = 40
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.output = ""  # all that was written, raw
        self.fd, slave = os.openpty()
        termios.tcsetwinsize(self.fd, (rows, columns))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for name in ("TMUX", "COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        self.child = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            preexec_fn=lambda: os.login_tty(slave),  # noqa: PLW1509
        )
        os.close(slave)

    def pump(self, seconds: float) -> bool:
        """Show what comes within this time; False when the program has hung up."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            text = self.decode(os.read(self.fd, 65536))
        except OSError:
            return False
        self.output += text
        self.stream.feed(UNKNOWN.sub("", text))
        return True

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if not self.pump(0.1) or time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come in {seconds} s:\n{self.text()}")

    def until(self, text: str, seconds: float = 60) -> None:
        """Wait until a text (a regular expression) is on the screen."""
        pattern = re.compile(text)
        self.wait(lambda: bool(pattern.search(self.text())), seconds, repr(text))

    def gone(self, text: str, seconds: float = 60) -> None:
        pattern = re.compile(text)
        self.wait(lambda: not pattern.search(self.text()), seconds, f"the end of {text!r}")

    def still(self, seconds: float = 0.4) -> None:
        """Show what comes until nothing more does."""
        size = -1
        while size != len(self.output):
            size = len(self.output)
            self.pump(seconds)

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self.fd, KEYS.get(key, key).encode())
            self.pump(0.05)

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())
        self.still(0.2)

    def hang_up(self) -> None:
        """Close the window: the terminal is gone, and the program gets SIGHUP."""
        os.close(self.fd)
        self.fd = -1

    def ended(self, seconds: float = 60) -> int:
        """The exit status, once the program has ended."""
        deadline = time.monotonic() + seconds
        while self.child.poll() is None and time.monotonic() < deadline:
            if self.fd >= 0:
                self.pump(0.1)
            else:
                time.sleep(0.1)
        assert self.child.poll() is not None, f"it did not end:\n{self.text()}"
        return self.child.returncode

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


WORKBENCH = [str(Path(sys.executable).with_name("workbench"))]
