"""`workbench optimize`: search for a better prompt, and keep it as a variant of the session."""

import json
import sys
from pathlib import Path

import msgspec
from msgspec.structs import replace

from workbench import session as sessions
from workbench.commands.client import connected, duration, progress
from workbench.commands.evaluate import plain
from workbench.commands.generate import choose_adapter, choose_prompt
from workbench.commands.starting import find_session
from workbench.protocol import CandidateTried, Optimize, Optimized
from workbench.session import OptimizeSettings, Prompt, Session
from workbench.text import literal, one_line


def optimize(
    word: str,
    *,
    variant: str,
    adapter: str,
    settings: dict[str, object],
    keep: bool,
    in_process: bool,
    as_json: bool,
) -> int:
    """Each candidate on stderr; what the best is worth, on rows that the search never saw."""
    path, _ = find_session(word)
    session = choose_adapter(choose_prompt(sessions.load(path), variant), adapter)
    document = {**msgspec.to_builtins(session.optimize), **settings}
    session = replace(session, optimize=msgspec.convert(document, OptimizeSettings))
    request = Optimize(
        session=session,
        session_path=str(path.absolute()),
        folder=str(sessions.workspace(path)),
    )
    result: Optimized | None = None
    with connected(path, in_process) as client, progress() as show:
        for event in client.ask(request, stoppable=True):
            show(event)
            if isinstance(event, CandidateTried):
                print(line(event), file=sys.stderr, flush=True)
            elif isinstance(event, Optimized):
                result = event
    if result is None:
        print("The search was given up before its first candidate.", file=sys.stderr)
        return 1
    name = ""
    if keep and result.prompt != result.start:
        name = add_variant(path, result.prompt)
    if as_json:
        print(json.dumps({**plain([result])[0], "variant": name}))
        return 0
    print(literal(result.words))
    if result.held_out is not None:
        print(literal(result.held_out.verdict))
    print(f"{result.tried} candidates in {duration(result.seconds)}")
    if name:
        print(literal(f'Kept in {path} as the variant "{name}".'))
    return 0


def line(event: CandidateTried) -> str:
    of = f"/{event.total}" if event.total else ""
    mark = "best so far" if event.best else f"best {event.best_value:.1%}"
    return literal(
        f"{event.index}{of}  {event.value:.1%} on {event.rows} rows ({mark})  "
        f"{one_line(event.what, 90)}"
    )


def add_variant(path: Path, prompt: Prompt) -> str:
    """Write the prompt into the session's file under a name of its own."""
    session: Session = sessions.load(path)  # as it is now: a search takes a while
    names = {one.name for one in session.prompts}
    name = prompt.name
    number = 2
    while name in names:
        name = f"{prompt.name} {number}"
        number += 1
    made = replace(prompt, name=name)
    sessions.save(replace(session, prompts=[*session.prompts, made]), path)
    return name
