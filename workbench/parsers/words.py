"""What the commands' arguments are made of. Imports nothing heavy."""

import argparse
from typing import Any

from workbench.text import literal


class Parser(argparse.ArgumentParser):
    """Repeats a wrong argument literally."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(literal(message), file)


def parser(command: str, description: str) -> argparse.ArgumentParser:
    return Parser(prog=f"workbench {command}".strip(), description=description)


def count(text: str) -> int:
    """A number of rows.

    Raises:
        argparse.ArgumentTypeError: when it is none.
    """
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"a whole number, at least 1, not {text!r}")
    return int(text)


def session_argument(words: argparse.ArgumentParser) -> None:
    words.add_argument("session", metavar="SESSION", help="a session file, or a starter's name")


def settings_argument(reader: argparse.ArgumentParser, help: str) -> None:
    """--set, any number of times; `assignments` in what is read."""
    reader.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"{help}; may be given several times",
    )


def variant_argument(reader: argparse.ArgumentParser) -> None:
    reader.add_argument(
        "--variant",
        "--prompt",
        default="",
        metavar="NAME",
        help="one of the session's prompts; default: the active one",
    )


def worker_arguments(reader: argparse.ArgumentParser, json: str) -> None:
    reader.add_argument("--adapter", default="", metavar="RUN", help="a run's name, or a folder")
    reader.add_argument("--in-process", action="store_true", help="without a worker process")
    reader.add_argument("--json", action="store_true", help=json)
