"""A session: everything needed to do a piece of work again, and its TOML.

Knows the shape and the limits of every setting; knows nothing of models, datasets or the screen.
Field names are those of the libraries that use them (transformers, peft, datasets).
"""

import difflib
import math
import os
import re
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from workbench.settings import (
    DataFormat,
    DatasetSettings,
    EvaluationSettings,
    ExampleSettings,
    GenerationSettings,
    JudgeSettings,
    LayoutSettings,
    Metric,
    ModelSettings,
    OptimizeSettings,
    Pane,
    ProblemKind,
    Prompt,
    Section,
    SweepSettings,
    TrainingSettings,
    Turn,
)

__all__ = [
    "DataFormat",
    "DatasetSettings",
    "EvaluationSettings",
    "ExampleSettings",
    "GenerationSettings",
    "JudgeSettings",
    "LayoutSettings",
    "Metric",
    "ModelSettings",
    "OptimizeSettings",
    "Pane",
    "ProblemKind",
    "Prompt",
    "Section",
    "Session",
    "SessionError",
    "SweepSettings",
    "TrainingSettings",
    "Turn",
    "choices",
    "dumps",
    "explain",
    "load",
    "loads",
    "replace_file",
    "save",
    "schema",
    "section_at",
    "section_in",
    "without_none",
    "workspace",
]


class SessionError(Exception):
    """A session file that cannot be used; the text is one sentence for the person."""


class Session(Section):
    version: Literal[1] = 1
    description: str = ""
    model: ModelSettings = ModelSettings()
    dataset: DatasetSettings = DatasetSettings()
    active_prompt: Annotated[
        str, Meta(description="Name of the prompt in use; empty: the first.")
    ] = ""
    prompts: Annotated[list[Prompt], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: [Prompt()]
    )
    generation: GenerationSettings = GenerationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    optimize: OptimizeSettings = OptimizeSettings()
    training: TrainingSettings = TrainingSettings()
    sweep: SweepSettings = SweepSettings()
    layout: LayoutSettings = LayoutSettings()

    def prompt(self) -> Prompt:
        """The prompt in use."""
        named = [prompt for prompt in self.prompts if prompt.name == self.active_prompt]
        return named[0] if named else self.prompts[0]

    def with_prompt(self, prompt: Prompt) -> "Session":
        """The same session with the prompt in use replaced by this one."""
        current = self.prompt()
        prompts = [prompt if one is current else one for one in self.prompts]
        return msgspec.structs.replace(self, prompts=prompts, active_prompt=prompt.name)

    def named(self, name: str) -> Prompt:
        """The prompt of this name.

        Raises:
            SessionError: where there is none.
        """
        for prompt in self.prompts:
            if prompt.name == name:
                return prompt
        raise SessionError(
            f"There is no prompt {name} in the session; there is "
            f"{', '.join(prompt.name for prompt in self.prompts)}."
        )

    def model_of(self, prompt: Prompt) -> ModelSettings:
        """The model that answers a prompt: its own, else the session's."""
        return prompt.model or self.model

    def generation_of(self, prompt: Prompt) -> GenerationSettings:
        return prompt.generation or self.generation


def workspace(path: Path) -> Path:
    """The folder a session works in: relative names in it start here, its runs are in `runs/`.

    It is the folder that holds `sessions/` for a file in such a folder, else the file's own.
    """
    folder = path.absolute().parent
    return folder.parent if folder.name == "sessions" else folder


def loads(text: str, name: str = "session") -> Session:
    """A session from TOML.

    Raises:
        SessionError: naming the file, the key or line, and what was expected.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SessionError(
            f"{name} is not valid TOML: {error}. Correct it and try again."
        ) from None
    try:
        session = read(document)
    except SessionError as error:
        raise SessionError(f"{name}: {error}") from None
    names = [prompt.name for prompt in session.prompts]
    if repeated := {one for one in names if names.count(one) > 1}:
        raise SessionError(
            f'{name}: prompts: two are named "{repeated.pop()}"; give each a name of its own.'
        )
    if session.active_prompt and session.active_prompt not in names:
        raise SessionError(
            f'{name}: active_prompt: there is no prompt "{session.active_prompt}"; '
            f"there is {', '.join(names)}."
        )
    return session


def read(document: dict[str, Any]) -> Session:
    """A session from its tables.

    Raises:
        SessionError: naming the key and what was expected.
    """
    try:
        session = msgspec.convert(in_todays_words(document), Session)
    except msgspec.ValidationError as error:
        raise SessionError(explain(str(error), document)) from None
    if key := infinite(document):
        raise SessionError(f"{key}: expected a finite number; it is inf.")
    return session


def in_todays_words(document: dict[str, Any]) -> dict[str, Any]:
    """What earlier versions wrote, as it is written now."""
    training = document.get("training")
    if not isinstance(training, dict) or not isinstance(training.get("torch_compile"), bool):
        return document
    words = "on" if training["torch_compile"] else "off"
    return {**document, "training": {**training, "torch_compile": words}}


def infinite(value: Any, key: str = "") -> str:
    """The key of a number that is not finite, for which JSON has no word; empty where all are."""
    parts = value.items() if isinstance(value, dict) else ()
    for name, one in enumerate(value) if isinstance(value, list) else parts:
        if found := infinite(one, f"{key}.{name}" if key else str(name)):
            return found
    return key if isinstance(value, float) and not math.isfinite(value) else ""


def explain(error: str, document: dict[str, Any]) -> str:
    """One sentence from a msgspec error: the key, what was expected, and what is there."""
    problem, _, path = error.partition(" - at `")
    key = path.rstrip("`").removeprefix("$").removeprefix(".")
    if problem.startswith("Invalid enum value"):
        problem = f"Expected one of {', '.join(map(str, choices(key)))}"
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", problem):
        known = [field.name for field in msgspec.structs.fields(section_at(key))]
        close = difflib.get_close_matches(unknown[1], known, 1)
        where = f"{key}.{unknown[1]}" if key else unknown[1]
        hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}."
        return f"{where}: there is no such key; {hint}"
    found: Any = document
    for part in re.findall(r"[^.\[\]]+", key):
        with suppress(KeyError, IndexError, TypeError, ValueError):
            found = found[int(part)] if isinstance(found, list) else found[part]
    problem = problem[0].lower() + problem[1:].replace("`", "")
    there = "" if isinstance(found, dict | list) else f"; it is {found!r}"
    return f"{key or 'the file'}: {problem}{there}."


def section_at(key: str) -> Any:
    """The table that a key leads to, such as prompts[0].examples."""
    section: Any = Session
    for part in re.findall(r"[A-Za-z_]\w*", key):
        section = section_in(
            next(f.type for f in msgspec.structs.fields(section) if f.name == part)
        )
    return section


def section_in(kind: Any) -> Any:
    """The table in a field's type: of a list its element, of one that may be missing itself."""
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return next((found for part in get_args(kind) if (found := section_in(part))), None)


def choices(key: str) -> tuple[Any, ...]:
    """The values that a key with a list of them may have."""
    sections, _, name = re.sub(r"\[[^\]]*\]$", "", key).rpartition(".")
    kind = next(f.type for f in msgspec.structs.fields(section_at(sections)) if f.name == name)
    while get_origin(kind) in (Annotated, list):
        kind = get_args(kind)[0]
    return get_args(kind)


def load(path: Path) -> Session:
    """Read a session file.

    Raises:
        SessionError: naming the file, the key or line, and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SessionError(
            f"{path}: there is no such session; make it with: workbench new {path}"
        ) from None
    except UnicodeDecodeError as error:
        raise SessionError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except OSError as error:
        raise SessionError(f"{path} cannot be read: {error.strerror}.") from None
    return loads(text, str(path))


def dumps(session: Session) -> str:
    """The session as TOML; every key is written, so that the file says all there is to set."""
    import tomli_w

    document = without_none(msgspec.to_builtins(session))
    # TOML reads a line end inside a multi-line string as \n: text with \r must stay on one line.
    plain = b"\\r" not in msgspec.json.encode(document)
    return tomli_w.dumps(document, multiline_strings=plain)


def without_none(value: Any) -> Any:
    """The same without keys that hold nothing: TOML has no word for it."""
    if isinstance(value, dict):
        return {key: without_none(one) for key, one in value.items() if one is not None}
    return [without_none(one) for one in value] if isinstance(value, list) else value


def save(session: Session, path: Path) -> str:
    """Write the session so that the file is at every moment the old or the new one, whole.

    Returns the text written.

    Raises:
        SessionError: when it cannot be written; the old file is as it was.
    """
    text = dumps(session)
    replace_file(path, text)
    return text


def replace_file(path: Path, text: str) -> None:
    """Replace a file's content in one step: a temporary file, synced, then renamed."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve()  # a link stays a link
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):
            os.chmod(temporary, target.stat().st_mode & 0o777 if target.exists() else 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
        raise SessionError(
            f"{path} cannot be saved: {error.strerror}. Nothing is lost: the old file is as it "
            "was; make room or choose another place, then save again."
        ) from None


def schema() -> dict[str, Any]:
    """The JSON Schema of a session file."""
    return msgspec.json.schema(Session)
