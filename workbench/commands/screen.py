"""`workbench SESSION`: the screen."""

import gc
import os
import sys
from pathlib import Path

from workbench.commands.starting import find_session
from workbench.session import SessionError, load
from workbench.worker.link import make_link
from workbench.worker.output import keep_screen, redirect

HEADLESS = (
    "workbench: standard input is no terminal; without one, use: workbench train SESSION, "
    "workbench generate SESSION, workbench eval SESSION, workbench runs, workbench doctor."
)


def open_session(word: str | None, in_process: bool) -> int:
    """Open a session on the screen, and the next one that is chosen there."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        print(HEADLESS, file=sys.stderr)
        return 2
    path, message = find_session(word)
    screen, log = None, sys.stderr
    while True:
        session = load(path)
        link = make_link(path, in_process)
        if screen is None:
            screen = keep_screen()
            redirect(link.log_path or Path(os.devnull))
        gc.disable()  # until the first paint: an import makes much and leaves little to collect
        from workbench.ui.app import WorkbenchApp

        app = WorkbenchApp(session, path, link, theme_folders=theme_folders(), message=message)
        try:
            sys.stderr = log
            result = app.run()
        finally:
            link.close()
            sys.stderr = screen  # a last sentence is for the person
        if app.return_code:
            print(
                f"workbench: the screen failed; its details are in {link.log_path}. The session "
                "is saved and a run goes on.",
                file=sys.stderr,
            )
            return app.return_code
        if not (isinstance(result, tuple) and result[0] == "open"):
            return 0
        word, message = str(result[1]), ""
        try:
            chosen, message = find_session(word)
            load(chosen)
            path = chosen
        except SessionError as error:
            message = str(error)  # shown over the session that was open


def theme_folders() -> list[Path]:
    """Where themes are: the shipped ones, then the person's own."""
    inside = Path(__file__).parents[1] / "themes"
    shipped = inside if inside.is_dir() else Path(__file__).parents[2] / "themes"
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [shipped, Path(home) / "workbench" / "themes"]
