"""The lines around the panes: header, tabs of a small screen, footer."""

from typing import TYPE_CHECKING

from workbench.text import one_line
from workbench.ui.actions import ACTIONS, Action, shown_key
from workbench.ui.units import count, parameters
from workbench.ui.widgets.lines import Line, cells, clip, spread

if TYPE_CHECKING:
    from workbench.protocol import RunStatus
    from workbench.ui.app import WorkbenchApp

PANES = ("dataset", "prompt", "output", "monitor")


def header(app: "WorkbenchApp", width: int) -> list[Line]:
    left: Line = [(" workbench ", "title"), (one_line(app.path.stem, 30), "strong")]
    if not app.begun:
        return [[*left, ("   starting …", "quiet")]]
    saved, ink = app.saving.words(app.session)
    right: Line = [state(app), (" · ", "frame"), (saved + " ", ink)]
    room = width - cells(left) - cells(right) - 6
    middle = [("   ", "text"), (model(app, room), "quiet")] if room > 12 else []
    return [spread([*left, *middle], right, width)]


def state(app: "WorkbenchApp") -> tuple[str, str]:
    """What the worker is doing, in a few words."""
    if app.modelling.trouble:
        return f"✗ {one_line(app.modelling.trouble, 40)}", "bad"
    if app.watching.live:
        return state_of_run(app, app.watching.live)
    if app.busy:
        return f"● {app.busy}", "accent"
    if app.modelling.loading:
        return one_line(app.modelling.loading, 40), "accent"
    if app.modelling.problem:
        bare = "without a head" in app.modelling.problem
        return ("○ not trained yet", "quiet") if bare else ("✗ no model", "bad")
    return ("○ ready", "quiet") if app.modelling.status else ("○ connecting", "quiet")


def state_of_run(app: "WorkbenchApp", run: "RunStatus") -> tuple[str, str]:
    if not run.total_steps:
        return "● preparing the run", "accent"
    step = max(run.step, app.watching.history.step if app.watching.history else 0)
    word, ink = ("‖ paused", "warn") if app.watching.paused else ("● training", "good")
    return f"{word} {count(step)}/{count(run.total_steps)}", ink


def model(app: "WorkbenchApp", room: int) -> str:
    """As much on the model as there is room for."""
    status = app.modelling.status
    if not status:
        return one_line(app.session.model.name, max(1, room))
    name = one_line(status.name.rstrip("/").rsplit("/", 1)[-1], 40)
    parts = [name, f"{status.device} {status.dtype}".strip()]
    if status.adapter:
        parts.append(f"+ {one_line(status.adapter.rstrip('/').rsplit('/', 1)[-1], 40)}")
    if status.parameters:  # a server does not say
        parts.append(parameters(status.parameters))
    text = " · ".join(parts)
    while len(text) > room and len(parts) > 1:
        parts.pop()
        text = " · ".join(parts)
    return one_line(text, max(1, room))


def tabs(app: "WorkbenchApp", width: int) -> list[Line]:
    line: Line = [(" ", "text")]
    for action in ACTIONS:
        for pane in PANES:
            if action.name != f"pane('{pane}')":
                continue
            chosen = app.session.layout.focus == pane
            text = f" {shown_key(action.keys.split(',')[0])} {action.label} "
            line += [(text, "cursor" if chosen else "quiet"), ("│", "frame")]
    return [clip(line[:-1], width)]


def footer(app: "WorkbenchApp", width: int) -> list[Line]:
    """The actions of the table as they fit: those that matter now first, quitting always."""
    focus = app.session.layout.focus
    panes = (app.dataset_pane, app.output_pane, app.monitor_pane) if app.made else ()
    offered = app.monitor_pane.offered if app.made and focus == "monitor" else ()
    pane, view = next((one.places for one in panes if one.pane == focus), ("", ""))
    of_rows = view in {"rows", "columns", "problems"}
    shown = [
        action
        for action in ACTIONS
        if (action.footer and (not action.where or (of_rows and action.where == pane)))
        or (view and action.where == view)
        or action.name in offered
    ]
    shown.sort(key=lambda action: rank(action, view, offered))
    if app.narrow:
        shown = [action for action in shown if action.group != "Panes"]
    if app.begun and app.busy:
        shown = [action for action in ACTIONS if action.name == "stop"] + shown
    last = next(action for action in shown if action.name == "quit")
    ending = item(last, app)
    line: Line = []
    for action in shown:
        piece = item(action, app)
        if action is not last and cells(line) + cells(piece) + cells(ending) <= width:
            line += piece
    more = [(" ctrl+p", "key"), (" All ", "quiet")]
    if cells(line) + cells(ending) + cells(more) <= width:
        line += more
    return [[*line, *ending]]


def rank(action: Action, view: str, offered: tuple[str, ...]) -> tuple[int, int]:
    """Where there is little room, the keys of what one looks at come before the other panes'."""
    if action.name == "help":
        return 0, 0
    if action.where and action.where == view:
        return 1, 0
    if action.name in offered:
        return 2, offered.index(action.name)
    return (2 if action.where else 3), len(offered)


def item(action: Action, app: "WorkbenchApp") -> Line:
    label = action.short or action.label
    if action.name == "train" and app.begun and app.watching.live:
        label = "Stop"
    elif action.name == "pause" and app.begun and app.watching.paused:
        label = "Go on"
    return [(f" {shown_key(action.keys.split(',')[0])}", "key"), (f" {label} ", "quiet")]
