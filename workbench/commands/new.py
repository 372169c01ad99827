"""`workbench new`: a session file from a model and a dataset."""

import sys
from pathlib import Path

from msgspec.structs import replace

from workbench import session as sessions
from workbench.named import assign
from workbench.session import DatasetSettings, ModelSettings, Prompt, Session, SessionError
from workbench.text import one_line


def new_session(path: Path, model: str, dataset: str, assignments: list[str]) -> int:
    """Write a session with every other setting at its default, worded for the dataset if it is
    here."""
    if not path.name:
        raise SessionError("A session is a file: name it, such as sessions/mine.toml.")
    if path.suffix != ".toml":
        path = path.with_name(path.name + ".toml")
    if path.exists():
        raise SessionError(f"{path} is there already; open it with: workbench {path}")
    session = Session(prompts=[Prompt(name="first", template="")])
    if model:
        session = replace(session, model=ModelSettings(name=absolute(model)))
    words = ""
    if dataset:
        session = replace(session, dataset=DatasetSettings(source=absolute(dataset)))
    session = assign(session, assignments)
    if dataset:
        if Path(dataset).exists():
            session, words = worded(session)
        else:
            words = f"{dataset} is no file or folder here, so there is no wording for it yet. "
    sessions.save(session, path)
    print(one_line(f"Made {path}. {words}Open it with: workbench {path}"), file=sys.stderr)
    return 0


def worded(session: Session) -> tuple[Session, str]:
    """The session with a wording for what its rows are, and what that is.

    Raises:
        SourceError: when the dataset cannot be read.
    """
    from workbench.data.formats import default_prompt, recognise_table
    from workbench.data.sources import open_source

    source = open_source(session.dataset, Path.cwd(), lambda *_: None)
    dataset = session.dataset
    if dataset.split not in source.tables:
        dataset = replace(dataset, split=next(iter(source.tables)))
    found = recognise_table(source.table(dataset.split), dataset, Prompt())
    if found.problem:
        raise SessionError(found.problem)
    prompt = replace(default_prompt(found), name="first")
    words = found.why
    if found.format == "prompt_completion" and "label" in found.mapping:
        # A wording would make every answer one to learn, the bad ones too.
        prompt = Prompt(name="first")
        label = found.mapping["label"]
        words = f"{words} {label} says which answers are good, so there is no wording: see kto."
    return replace(session, dataset=dataset, prompts=[prompt]), f"{words} "


def absolute(name: str) -> str:
    """A file or folder that is there, from anywhere; other names as they are."""
    return str(Path(name).resolve()) if Path(name).exists() else name
