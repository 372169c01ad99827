"""`workbench eval`: the session's prompt, measured on rows that are not trained on."""

import json

import msgspec
from msgspec.structs import replace

from workbench import session as sessions
from workbench.commands.client import connected, duration, progress
from workbench.commands.generate import choose_adapter, choose_prompt
from workbench.commands.starting import find_session
from workbench.protocol import Evaluate, Evaluated


def evaluate(
    word: str, *, rows: int, prompt: str, adapter: str, in_process: bool, as_json: bool
) -> int:
    """A line for the base, and one for the adapter where there is one."""
    path, _ = find_session(word)
    session = choose_adapter(choose_prompt(sessions.load(path), prompt), adapter)
    if rows:
        session = replace(session, evaluation=replace(session.evaluation, rows=rows))
    found: list[Evaluated] = []
    with connected(path, in_process) as client, progress() as show:
        request = Evaluate(
            model=session.model,
            folder=str(sessions.workspace(path)),
            dataset=session.dataset,
            prompt=session.prompt(),
            evaluation=session.evaluation,
            max_length=session.training.max_length,
        )
        for event in client.ask(request):
            show(event)
            if isinstance(event, Evaluated):
                found.append(event)
    if as_json:
        results = [msgspec.to_builtins(one) for one in found]
        for result in results:
            result.pop("type", None)
            result.pop("request", None)
        print(json.dumps({"prompt": session.prompt().name, "results": results}))
        return 0
    for one in found:
        print(
            f"{one.weights:5}  {one.metric} {one.value:6.1%}  (95 %: {one.low:.1%} to "
            f"{one.high:.1%})  {one.rows} rows in {duration(one.seconds)}"
            + (f", {one.left_out} left out: too long" if one.left_out else "")
        )
    return 0
