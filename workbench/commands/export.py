"""`workbench export`: what a run made, for use elsewhere."""

import argparse
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from workbench import runs
from workbench import session as sessions
from workbench.commands.client import connected, progress
from workbench.commands.starting import find_session
from workbench.protocol import ExportRun, RunExported
from workbench.text import literal, one_line
from workbench.worker.lane import RefusedError

WORDS = {"best": -1, "last": -2}


def place(options: argparse.Namespace) -> tuple[Path, str, Path]:
    """The workspace, the run's word, and a session by which the workspace's worker is found."""
    word = options.run
    if options.session:
        path = find_session(options.session)[0]
        return sessions.workspace(path), word, path
    folder = Path(word).expanduser()
    if (folder / "session.toml").is_file():  # a path: its own workspace
        folder = folder.resolve()
        return folder.parents[1], folder.name, session_of(folder)
    here = Path.cwd()
    found = here / "runs" / word
    if "/" not in word and (found / "session.toml").is_file():
        return here, word, session_of(found)
    names = ", ".join(path.name for path in runs.find(here)[-8:]) or "no run yet"
    raise RefusedError(f"There is no run {word[:80]!r} in {here / 'runs'}; there is {names}.")


def session_of(run: Path) -> Path:
    """The session file that the run was made from, else the run's own: by it a worker is found
    that is up already."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((run / "environment.json").read_text(encoding="utf-8"))["session"]
        if said and Path(said).is_file():
            return Path(said)
    return run / "session.toml"


def export(options: argparse.Namespace) -> int:
    """Where it was written goes to stdout, all else to stderr. Returns 130 where it was given
    up."""
    workspace, run, path = place(options)
    request = ExportRun(
        folder=str(workspace),
        run=run,
        to=os.path.abspath(os.path.expanduser(options.to)),
        what=kind(options, workspace / "runs" / run),
        checkpoint=step(options.checkpoint),
        quantisation=options.gguf or "q8_0",
        push_to=options.push_to,
        private=not options.public,
        overwrite=options.overwrite,
    )
    with connected(path, options.in_process) as client, progress() as show:
        for event in client.ask(request, stoppable=True):
            show(event)
    if not isinstance(event, RunExported):
        print("Given up; nothing was written.", file=sys.stderr)
        return 130
    for note in event.notes:
        print(one_line(note, 1000), file=sys.stderr)
    if options.json:
        document = msgspec.to_builtins(event)
        print(json.dumps({key: document[key] for key in ("path", "files", "notes", "url")}))
        return 0
    size = sum(size for _, size in event.files)
    print(f"{len(event.files)} files, {size / 1e6:,.1f} MB", file=sys.stderr)
    print(literal(event.path))
    if event.url:
        print(literal(event.url))
    return 0


def kind(options: argparse.Namespace, run: Path) -> Literal["model", "adapter", "gguf"]:
    """What to write: as asked, else what the run trained."""
    if options.gguf:
        return "gguf"
    if options.merge:
        return "model"
    found = runs.last_checkpoint(run)
    return "adapter" if found and (found[1] / "adapter_config.json").exists() else "model"


def step(word: str) -> int:
    """The checkpoint that is meant.

    Raises:
        RefusedError: where it is neither a step nor a known word.
    """
    if word in WORDS:
        return WORDS[word]
    if word.isdecimal() and len(word) < 12:
        return int(word)
    raise RefusedError(f"--checkpoint takes a step, best or last, not {word[:40]!r}.")
