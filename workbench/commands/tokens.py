"""`workbench tokens`: what the trainer gets from a row, token by token."""

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench import session as sessions
from workbench.commands.client import progress
from workbench.commands.data import reporter
from workbench.commands.generate import choose_prompt
from workbench.commands.starting import find_session
from workbench.protocol import FormatFound, TokensInspected
from workbench.session import Session, SessionError
from workbench.text import literal

if TYPE_CHECKING:
    from workbench.catalogue import Report
    from workbench.data.examples import Examples

TRAINED = ("trained", "special_trained")


def show_tokens(word: str, row: int, prompt: str, as_json: bool) -> int:
    """Print ids, pieces, roles and badges of the row, counted from 1 (0: the session's own)."""
    from workbench.data.formats import recognise_table
    from workbench.data.reading import encoder_of, to_its_end
    from workbench.data.sources import open_source
    from workbench.data.tokens import inspect
    from workbench.inference.heads import reads_rows
    from workbench.inference.loaded import context_length
    from workbench.inference.locate import locate
    from workbench.inference.model import read_config
    from workbench.inference.tokenizer import load_tokenizer

    path, _ = find_session(word)
    session = choose_prompt(sessions.load(path), prompt)
    folder = sessions.workspace(path)
    number = row or session.layout.row + 1
    with progress() as show:
        report = reporter(show)
        table = open_source(session.dataset, folder, report).table(session.dataset.split)
        if table.count < number:
            table.index(lambda done, total: report("reading", done, total, "B"), threading.Event())
        if table.count < number:
            raise SessionError(f"There is no row {number:,}: there are {table.count:,}.")
        found = recognise_table(table, session.dataset, session.prompt())
        if found.problem:
            raise SessionError(found.problem)
        record = table.take([number - 1])[0]
        if not isinstance(record, dict):
            raise SessionError(f"Row {number:,} is broken: {record.words}")
        tokenizer = load_tokenizer(session.model, folder, report)
        place = locate(session.model, folder, report, weights=False)
        config = read_config(session.model, place)
        limit = context_length(config, tokenizer)
        training = replace(
            session.training, max_length=min(session.training.max_length, limit)
        )  # as the trainer does
        examples = rows_before(session, found, folder, report)
        reads = reads_rows(training.task, config)
        training = to_its_end(training, found, reads)
        encoder = encoder_of(tokenizer, session.prompt(), found, training, examples, reads)
        seen = inspect(tokenizer, encoder, record)
    if as_json:
        print(json.dumps(as_document(number, seen), ensure_ascii=False))
        return 0
    print_tokens(number, seen)
    return 0


def rows_before(
    session: Session, found: FormatFound, folder: Path, report: "Report"
) -> "Examples | None":
    """Which rows stand before a row as the prompt's examples; None where it has none."""
    from workbench.data.sources import open_dataset
    from workbench.prompting.shots import Shots

    prompt = session.prompt()
    if not prompt.examples.wanted:
        return None
    pool = open_dataset(session.dataset, folder, report).train
    shots = Shots(prompt, found, pool, folder, report, threading.Event())
    return lambda values: [row for _, row in shots.for_row(values, -1)]


def as_document(number: int, seen: TokensInspected) -> dict[str, object]:
    """For machines; `mask` is 1 on the tokens that have a loss."""
    return {
        "row": number,
        "format": seen.format,
        "how": seen.how,
        "max_length": seen.max_length,
        "badges": [
            {"kind": one.kind, "severity": one.severity, "words": one.words} for one in seen.badges
        ],
        "sequences": [
            {
                "name": one.name,
                "ids": one.ids,
                "pieces": one.pieces,
                "roles": one.roles,
                "mask": [int(role in TRAINED) for role in one.roles],
                "trained": one.trained,
                "kept": one.kept,
            }
            for one in seen.sequences
        ],
    }


def print_tokens(number: int, seen: TokensInspected) -> None:
    """For a person: the pieces to stdout, what to know of them to stderr."""
    print(f"Row {number:,}: {literal(seen.how)}", file=sys.stderr)
    for badge in seen.badges:
        sign = {"bad": "✗", "warn": "!", "note": "·"}[badge.severity]
        print(f"{sign} {literal(badge.words)}", file=sys.stderr)
    for one in seen.sequences:
        print(
            f"{one.name}: {len(one.ids):,} tokens, {one.trained:,} trained on, "
            f"{len(one.ids) - one.kept:,} truncated",
            file=sys.stderr,
        )
        for index, (token, piece, role) in enumerate(
            zip(one.ids, one.pieces, one.roles, strict=True)
        ):
            shown = literal(piece).replace("\n", "⏎")
            print(f"{index:>6} {token:>7}  {role:<15} {shown}")
