"""`workbench attach`: the workers that are up, and the way back to one."""

import json
import sys
import time
from pathlib import Path

from workbench import runs
from workbench import session as sessions
from workbench.commands.client import duration
from workbench.commands.screen import HEADLESS, open_session
from workbench.commands.starting import find_session
from workbench.text import one_line
from workbench.worker.lane import RefusedError
from workbench.worker.place import living


def attach(word: str | None, as_json: bool) -> int:
    """Open the session of the one worker that is up; list them where there are more."""
    hosts = []
    for place, about in living():
        training = [
            folder.name
            for folder in runs.find(sessions.workspace(place.session))
            if runs.is_locked(folder)
        ]
        hosts.append(
            {
                "session": str(place.session),
                "pid": about["pid"],
                "seconds": time.time() - about["started"],
                "run": training[0] if training else "",
                "log": str(place.log),
            }
        )
    if as_json:
        print(json.dumps(hosts))
        return 0
    if word is not None:
        wanted = find_session(word)[0].resolve()
        hosts = [host for host in hosts if Path(host["session"]) == wanted]
        if not hosts:
            raise RefusedError(f"No worker is up for {word}; open it anew with: workbench {word}")
    if not hosts:
        raise RefusedError("No worker is up; open a session with: workbench SESSION")
    busy = [host for host in hosts if host["run"]]
    chosen = hosts if len(hosts) == 1 else busy if len(busy) == 1 else []
    if chosen and sys.stdin.isatty():
        return open_session(str(chosen[0]["session"]), in_process=False)
    for host in hosts:
        doing = f"training {host['run']}" if host["run"] else "idle"
        where = one_line(f"{host['session']}  {doing}")
        print(f"{where}  up {duration(host['seconds'])}  pid {host['pid']}")
    if chosen:
        print(HEADLESS, file=sys.stderr)
        return 2
    print("Choose one: workbench attach SESSION", file=sys.stderr)
    return 0
