"""`workbench eject`: a run as one Python script that makes it again."""

import argparse
import json
import os
import sys

from workbench.commands.client import connected, progress
from workbench.commands.export import place
from workbench.protocol import EjectRun, RunEjected
from workbench.text import literal


def eject(options: argparse.Namespace) -> int:
    """The script on stdout, or where it was written."""
    workspace, run, path = place(options)
    to = os.path.abspath(os.path.expanduser(options.to)) if options.to else ""
    request = EjectRun(folder=str(workspace), run=run, to=to, overwrite=options.overwrite)
    with connected(path, options.in_process) as client, progress() as show:
        for event in client.ask(request, stoppable=True):
            show(event)
    if not isinstance(event, RunEjected):
        print("Given up; nothing was written.", file=sys.stderr)
        return 130
    if options.json:
        print(json.dumps({"text": event.text, "path": event.path}))
    elif event.path:
        print(literal(event.path))
    else:
        print(event.text, end="")
    return 0
