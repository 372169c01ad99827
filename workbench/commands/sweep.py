"""`workbench sweep`: runs of a session, each with other settings, and which were the best."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from workbench import session as sessions
from workbench.commands.client import Client, connected, duration, progress
from workbench.commands.starting import find_session
from workbench.commands.train import with_preset
from workbench.named import assign, with_value
from workbench.protocol import StartSweep, SweepAdvanced, Trial
from workbench.session import Session, SessionError
from workbench.settings import SweepSettings
from workbench.text import literal, one_line
from workbench.worker.lane import RefusedError

DONE = ("finished", "pruned", "failed", "stopped")


def sweep(
    word: str,
    *,
    assignments: list[str],
    preset: str,
    ranges: list[str],
    settings: dict[str, Any],
    name: str,
    save_best: bool,
    in_process: bool,
    as_json: bool,
) -> int:
    """Each run on stderr as it ends; at the end a table on stdout. Returns 1 where no run gave a
    figure."""
    path, _ = find_session(word)
    begun = begun_before(path, name)
    before = begun or sessions.load(path)

    def checked(session: Session) -> Session:
        session = replace(session, sweep=sweep_settings(session, ranges, settings))
        if begun:
            check_same(name, begun, session)
        else:
            check(session)
        return session

    request = StartSweep(
        session=checked(assign(before, assignments)),
        session_path=str(path.absolute()),
        folder=str(sessions.workspace(path)),
        name=name,
        trials=int(settings.get("trials", 0)),
    )
    with connected(path, in_process) as client, progress() as show:
        if preset:
            made = with_preset(client, before, path, preset, assignments, show)
            request = replace(request, session=checked(made))
        last = follow(client, request, show)
    return tell(path, last, save_best, as_json)


def follow(client: Client, request: StartSweep, show: Any) -> SweepAdvanced:
    """Begin a sweep, or go on with one, and say each run as it ends; what it has found at its end.

    Raises:
        RefusedError: where it was given up before its first run.
    """
    last: SweepAdvanced | None = None
    said: set[int] = set()
    for event in client.ask(request, stoppable=True):
        show(event)
        if not isinstance(event, SweepAdvanced):
            continue
        if last is None:
            words = f"Sweep {event.name}: {event.wanted} runs, by {event.metric}"
            print(one_line(words), file=sys.stderr, flush=True)
            said = {one.number for one in event.trials if one.state in DONE}
        for one in event.trials:
            if one.state in DONE and one.number not in said:
                said.add(one.number)
                print(trial_line(one, event.wanted), file=sys.stderr, flush=True)
        last = event
    if last is None:
        raise RefusedError("The sweep was given up before its first run.")
    trials = [  # its last word may come after the answer to a cancel
        replace(one, state="interrupted") if one.state == "running" else one for one in last.trials
    ]
    state = "stopped" if last.state == "running" else last.state
    return replace(last, trials=trials, state=state)


def show(word: str, name: str, save_best: bool, as_json: bool) -> int:
    """What a sweep of before has found, from its files."""
    from workbench.runs import check_name
    from workbench.sweeping.study import Sweep

    path, _ = find_session(word)
    check_name(name)
    found = Sweep(sessions.workspace(path) / "sweeps" / name)
    return tell(path, found.advanced(), save_best, as_json)


def sweep_settings(session: Session, ranges: list[str], given: dict[str, Any]) -> SweepSettings:
    """The session's, with those of the command line.

    Raises:
        SessionError: naming what cannot be so.
    """
    document = {**msgspec.to_builtins(session.sweep), **given}
    if ranges:
        document["ranges"] = {}
        for one in ranges:
            name, equals, text = one.partition("=")
            if not equals:
                raise SessionError(
                    f"--range {one}: write it as NAME=VALUES, such as training.lora_r=8,16,32."
                )
            document["ranges"][name.strip()] = text.strip()
    try:
        return msgspec.convert(document, SweepSettings)
    except msgspec.ValidationError as error:
        raise SessionError(sessions.explain(str(error), document)) from None


def begun_before(path: Path, name: str) -> Session | None:
    """The session of a sweep of that name, frozen when it was begun; None where it is a new one."""
    from workbench.runs import check_name

    if not name:
        return None
    check_name(name)
    frozen = sessions.workspace(path) / "sweeps" / name / "session.toml"
    return sessions.load(frozen) if frozen.exists() else None


def check_same(name: str, begun: Session, asked: Session) -> None:
    """Raise SessionError where a sweep would have to go on with other settings than it has."""
    trials = begun.sweep.trials
    if replace(asked, sweep=replace(asked.sweep, trials=trials)) != begun:
        raise SessionError(
            f"The sweep {name} was begun with other settings, and goes on with those; leave out "
            "all but --name and --trials, or choose another name."
        )


def check(session: Session) -> None:
    """Raise SessionError before anything is begun where the ranges cannot be tried."""
    from workbench.sweeping.ranges import ranges_of

    ranges_of(session)


def trial_line(one: Trial, wanted: int) -> str:
    value = f"{one.metric:.4g}" if one.metric is not None else "no figure"
    words = ", ".join(f"{name} {shown(value)}" for name, value in one.values.items())
    note = f" ({one.note})" if one.note else ""
    return literal(
        one_line(
            f"{one.number + 1}/{wanted}  {one.run}  {one.state}  {value}  {words}  "
            f"{duration(one.seconds)}{note}",
            300,
        )
    )


def tell(path: Path, event: SweepAdvanced, save_best: bool, as_json: bool) -> int:
    """The table, the best and what mattered, on stdout."""
    ranked = rank(event)
    there = [one for one in ranked if one.metric is not None]
    best = there[0] if there else None
    saved = False
    if save_best and best is not None:
        save(path, best)
        saved = True
    if as_json:
        built = msgspec.to_builtins(replace(event, request=0))
        built["best"] = msgspec.to_builtins(best) if best else None
        print(json.dumps({**built, "saved": saved}))
        return 0 if best else 1
    for line in table(event, ranked):
        print(literal(line))
    if event.importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in event.importance.items())
        print(literal(f"What mattered: {shares}"))
    if best is None:
        print("No run gave a figure.", file=sys.stderr)
    else:
        words = " ".join(f"--set {name}={value}" for name, value in best.values.items())
        print(literal(f"The best is {best.run}: {words}"))
    if saved:
        print(literal(f"Written into {path}."), file=sys.stderr)
    if event.state != "finished":
        again = f"workbench sweep {path} --name {event.name}"
        print(literal(f"Go on with it: {again}"), file=sys.stderr)
    return 0 if best else 1


def rank(event: SweepAdvanced) -> list[Trial]:
    """The best first; those without a figure last, in their order."""
    sign = -1 if event.greater_is_better else 1
    return sorted(
        event.trials,
        key=lambda one: (one.metric is None, sign * (one.metric or 0.0), one.number),
    )


def table(event: SweepAdvanced, ranked: list[Trial]) -> list[str]:
    names = list(dict.fromkeys(name for one in event.trials for name in one.values))
    rows = [
        [
            "run",
            event.metric,
            "step",
            "state",
            *(name.removeprefix("training.") for name in names),
            "time",
        ]
    ]
    for one in ranked:
        value = f"{one.metric:.4g}" if one.metric is not None else "-"
        values = [shown(one.values.get(name, "")) for name in names]
        step = str(one.best_step) if one.best_step >= 0 else "-"
        rows.append([one.run, value, step, one.state, *values, duration(one.seconds)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def save(path: Path, best: Trial) -> None:
    """Write the best settings into the session's file, as it is now."""
    session = sessions.load(path)
    for name, value in best.values.items():
        session = with_value(session, name, value)
    sessions.save(session, path)


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
