"""A run written out as one Python script on transformers, peft and TRL that makes it again, and the
rows that it reads.

The script is checked before it is written: its own functions must make of the rows the very tokens
that were trained on.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.ejecting.made import made_of
from workbench.ejecting.script import Script
from workbench.ejecting.tasks import written_of
from workbench.exporting.errors import ExportError
from workbench.exporting.trained import read_trained, run_folder
from workbench.protocol import EjectRun
from workbench.session import SessionError, replace_file
from workbench.text import one_line

Report = Callable[[str, float, float, str], None]
ROWS = ".rows.jsonl"  # what the name of the rows ends in


@dataclass(frozen=True)
class Ejected:
    text: str
    rows: str  # a JSON line each
    path: Path | None = None
    beside: tuple[Path, ...] = ()  # what was written beside it


def eject(request: EjectRun, report: Report) -> Ejected:
    """The script of a run; written to a file where the request names one, its rows beside it.

    Raises:
        ExportError: where the run cannot be made again, or the file not be written.
    """
    workspace = Path(request.folder)
    trained = read_trained(run_folder(workspace, request.run))
    path = target_of(request, trained.name)
    report("reading the rows", 0, 0, "")
    made = made_of(trained, report)
    report("writing the script", 0, 0, "")
    written = written_of(made)
    stem = path.stem if path is not None else file_name(trained.name)
    text = Script(made, written, one_line(stem)).text
    compile(text, "script", "exec")
    lines = "".join(line_of(row) for row in written.rows)
    if path is None:
        return Ejected(text, lines)
    beside = {path.with_suffix(end): content for end, content in written.files.items()}
    for other in beside:
        check(other, request.overwrite)
    beside = {path.with_suffix(ROWS): lines, **beside}
    write(path, text, beside)
    return Ejected(text, lines, path, tuple(beside))


def write(path: Path, text: str, beside: Mapping[Path, str]) -> None:
    """The script last: where it is there, what it reads is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for other, content in beside.items():
            replace_file(other, content)
        replace_file(path, text)
    except (SessionError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ExportError(f"{path} cannot be written: {str(why).rstrip('.')}.") from error


def line_of(row: dict[str, object]) -> str:
    line = json.dumps(row, ensure_ascii=False, default=str)
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can only escape
        line = json.dumps(row, default=str)
    return line + "\n"


def target_of(request: EjectRun, name: str) -> Path | None:
    """The script's file, which may be written, where one is named; in a folder it has the run's
    name."""
    if not request.to.strip():
        return None
    path = Path(request.folder) / Path(request.to).expanduser()
    if path.is_dir():
        path /= f"{file_name(name)}.py"
    if path.suffix != ".py":
        path = path.with_name(path.name + ".py")
    check(path, request.overwrite)
    check(path.with_suffix(ROWS), request.overwrite)
    return path


def check(path: Path, overwrite: bool) -> None:
    """Raise ExportError where no file may be written, before the long part."""
    try:
        if path.is_dir():
            raise ExportError(f"{path} is a folder; name a file.")
        if path.exists() and not overwrite:
            raise ExportError(f"{path} is there already; choose another name, or overwrite it.")
        ancestor = path.parent
        while not ancestor.exists():
            ancestor = ancestor.parent
        if not os.access(ancestor, os.W_OK):
            raise ExportError(f"{ancestor} cannot be written; choose another place.")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ExportError(f"{str(path)[:80]!r} cannot be the name of a file: {why}.") from error


def file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "run"
