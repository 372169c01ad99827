"""`workbench runs`: the runs of a folder, and what became of them."""

import json
from pathlib import Path

import msgspec

from workbench import journal, runs
from workbench import session as sessions
from workbench.commands.starting import find_session
from workbench.text import one_line


def list_runs(word: str | None, as_json: bool) -> int:
    """A line a run: name, state, step, last losses."""
    folder = sessions.workspace(find_session(word)[0]) if word else Path.cwd()
    found = []
    for path in runs.find(folder):
        status = msgspec.to_builtins(runs.status(path))
        losses: dict[str, float] = {}
        for line in journal.read(path / "metrics.jsonl"):
            losses.update({key: line[key] for key in ("loss", "eval_loss") if key in line})
        checkpoint = runs.last_checkpoint(path)
        found.append({**status, **losses, "checkpoint": str(checkpoint[1]) if checkpoint else ""})
    if as_json:
        print(json.dumps(found))
        return 0
    if not found:
        print(f"No runs in {one_line(str(folder / 'runs'))} yet: workbench train SESSION")
    width = max((len(one_line(run["name"])) for run in found), default=0)
    for run in found:
        figures = "  ".join(
            f"{name} {run[key]:.4f}"
            for name, key in (("loss", "loss"), ("evaluation", "eval_loss"))
            if isinstance(run.get(key), float)
        )
        steps = f"step {run['step']}/{run['total_steps']}"
        print(f"{one_line(run['name']):{width}}  {run['state']:11}  {steps:16}  {figures}".rstrip())
    return 0
