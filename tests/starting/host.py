"""Stands for a host that was forked: asks for it, and ends as it does.

python -I -S host.py SESSION
"""

import json
import os
import socket
import sys


def ask(path: str, what: str, words: list[str], folder: str, files: list[int]) -> socket.socket:
    """Have a process forked, with these three streams; its pid and its status come as lines."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.connect(path)
    asked = {"what": what, "words": words, "folder": folder, "environment": dict(os.environ)}
    socket.send_fds(line, [b"\n"], files)
    line.sendall(json.dumps(asked).encode() + b"\n")
    return line


if __name__ == "__main__":
    answers = ask(
        os.environ["WORKBENCH_TESTS_FORKS"], "host", sys.argv[1:], os.getcwd(), [0, 1, 2]
    ).makefile()
    answers.readline()
    status = int(answers.readline() or 1)
    if status < 0:  # by a signal
        os.kill(os.getpid(), -status)
    sys.exit(status)
