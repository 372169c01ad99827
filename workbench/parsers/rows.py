"""Words of the commands that show data: data, rows, tokens."""

import argparse

from workbench.parsers.words import count, parser, session_argument


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
