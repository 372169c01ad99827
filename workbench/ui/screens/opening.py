"""Choosing data: starters, sources used before, files and folders, or a hub id that is typed."""

import asyncio
import os
from pathlib import Path

from textual.binding import Binding

from workbench.text import literal
from workbench.ui.places import Entry, folder_of, listing, recent_sources
from workbench.ui.screens.picker import Item, Picker
from workbench.ui.units import size
from workbench.ui.widgets.field import Choices, Field
from workbench.ui.widgets.lines import Line, wrap


class OpenScreen(Picker):
    """The result is a source, as a session names it."""

    TITLE_TEXT = "Open data"
    HINT = "tab completes · ↑ ↓ enter opens · esc closes"
    BINDINGS = [Binding("tab", "complete", show=False, priority=True)]
    placeholder = "a path, a glob such as data/*.jsonl, or a hub id such as owner/name"

    def __init__(self, workspace: Path, session: Path, starters: list[tuple[str, str]]) -> None:
        super().__init__()
        self.workspace, self.session, self.starters = workspace, session, starters
        self.recent: list[str] = []
        self.folder: Path | None = None  # whose entries are here
        self.entries: list[Entry] = []
        self.reading = 0  # the listings asked for so far
        self.text = ""
        self.trouble = ""  # why the folder cannot be listed
        self.missing = False  # there is no such folder

    def on_mount(self) -> None:  # Textual calls the Picker's as well
        self.run_worker(self.remember(), group="recent")

    async def remember(self) -> None:
        self.recent = await asyncio.to_thread(recent_sources, self.session)
        self.offer()

    # --- what is listed ----------------------------------------------------------------------

    def narrow(self, text: str) -> None:
        self.text = text
        folder, _ = folder_of(text, self.workspace)
        if folder != self.folder:
            self.folder, self.entries, self.trouble, self.missing = folder, [], "", False
            self.run_worker(self.read_folder(folder), group="listing")
        self.offer()

    async def read_folder(self, folder: Path) -> None:
        """Read a folder off the loop; a slow one must not hold up a key, nor answer for another."""
        self.reading += 1
        number = self.reading
        entries, problem = await asyncio.to_thread(listing, folder)
        if number != self.reading or folder != self.folder or not self.is_current:
            return
        # What is not there may be a hub id; anything else that is wrong is worth saying.
        self.missing = problem.endswith("no such folder.")
        self.entries, self.trouble = entries, "" if self.missing else problem
        self.offer()

    def offer(self) -> None:
        text, self.problem = self.text, self.trouble
        _, start = folder_of(text, self.workspace)
        head = text[: len(text) - len(start)]
        head += "/" if head and not head.endswith("/") else ""
        items: list[Item] = []
        if not head:
            items += [
                (name, f"★ {name}", words)
                for name, words in self.starters
                if start.lower() in name.lower()
            ]
            known = {name for name, _ in self.starters}
            items += [
                (source, f"↺ {literal(source)}", "used before")
                for source in self.recent
                if source not in known and start.lower() in source.lower()
            ]
        elif not start and any(not entry.folder for entry in self.entries):
            items.append((head, f"▤ {head}", "all its files as one dataset"))
        wanted = start.lower()
        for entry in self.entries:
            if entry.name.lower().startswith(wanted):
                name = head + entry.name + ("/" if entry.folder else "")
                sign, end = ("▸", "folder") if entry.folder else (" ", size(entry.size))
                items.append((name, f"{sign} {name}", end))
        # What is typed is what enter opens, until one goes into the list.
        self.fill(items, 0 if not text else None)

    def note_lines(self, width: int) -> list[Line]:
        if self.text and not self.items:
            return wrap(self.nothing(), width, "quiet")
        return wrap("★ starter   ↺ used before   ▸ folder", width, "quiet")

    def nothing(self) -> str:
        """Why nothing is listed, and what enter makes of what is typed."""
        _, start = folder_of(self.text, self.workspace)
        if any(sign in self.text for sign in "*?["):
            return f"Nothing here begins so; enter tries “{self.text}” as it is, as a glob."
        if not self.text.startswith(("/", "~", ".")) and self.text.count("/") < 2 and start:
            return f"Nothing here begins so; enter tries “{self.text}” as it is, as a hub id."
        if self.missing:
            return "There is no such folder."
        if start:
            return f"Nothing here begins so; enter tries “{self.text}” as it is."
        return "There are no folders and no data files here."

    # --- keys --------------------------------------------------------------------------------

    def put(self, text: str) -> None:
        field = self.query_one(Field)
        field.value = text
        field.cursor_position = len(text)

    def action_complete(self) -> None:
        """As far as all that begin so agree; where one is chosen in the list, that one."""
        at = self.query_one(Choices).highlighted
        if at is not None and at < len(self.items) and self.text:
            self.put(self.items[at][0])
            return
        _, start = folder_of(self.text, self.workspace)
        head = self.text[: len(self.text) - len(start)]
        names = [
            entry.name + ("/" if entry.folder else "")
            for entry in self.entries
            if entry.name.startswith(start)
        ]
        if names:
            self.put(head + os.path.commonprefix(names))  # noqa: RUF071
        elif self.text in ("~", ".."):
            self.put(self.text + "/")

    def enter(self) -> None:
        at = self.query_one(Choices).highlighted
        if at is not None and at < len(self.items):
            self.choose(self.items[at][0])
        elif self.text.strip():
            self.choose(self.text.strip())

    def choose(self, result: str) -> None:
        path = Path(result).expanduser()
        whole = path if path.is_absolute() else self.workspace / path
        if result.endswith("/") and result != self.text:
            self.put(result)  # into a folder; the first line there opens all of it
            return
        if not result.endswith("/") and result == self.text and os.path.isdir(whole):
            self.put(result + "/")
            return
        self.dismiss(str(path) if result.startswith("~") else result)
