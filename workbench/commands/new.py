"""`workbench new`: a session file from a model and a dataset."""

import sys
from pathlib import Path

from msgspec.structs import replace

from workbench import session as sessions
from workbench.session import DatasetSettings, ModelSettings, Prompt, Session, SessionError
from workbench.text import one_line


def new_session(path: Path, model: str, dataset: str) -> int:
    """Write a session with every setting at its default."""
    if not path.name:
        raise SessionError("A session is a file: name it, such as sessions/mine.toml.")
    if path.suffix != ".toml":
        path = path.with_name(path.name + ".toml")
    if path.exists():
        raise SessionError(f"{path} is there already; open it with: workbench {path}")
    session = Session(prompts=[Prompt(name="first", template="")])
    if model:
        session = replace(session, model=ModelSettings(name=absolute(model)))
    if dataset:
        session = replace(session, dataset=DatasetSettings(source=absolute(dataset)))
    sessions.save(session, path)
    print(one_line(f"Made {path}. Open it with: workbench {path}"), file=sys.stderr)
    return 0


def absolute(name: str) -> str:
    """A file or folder that is there, from anywhere; other names as they are."""
    return str(Path(name).resolve()) if Path(name).exists() else name
