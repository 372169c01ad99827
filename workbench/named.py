"""Settings by their names, such as training.learning_rate: read, and given a value in words.

Checked as the session's file is, with the same sentences. Imports nothing heavy.
"""

import tomllib
from typing import Any

import msgspec

from workbench import session as sessions
from workbench.session import Session, SessionError


def value_at(session: Session, name: str) -> Any:
    """The value of a setting.

    Raises:
        SessionError: where there is none of that name.
    """
    found: Any = sessions.without_none(msgspec.to_builtins(session))
    for part in parts_of(session, name):
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            raise SessionError(f"{name}: there is no such key in the session.") from None
    return found


def with_words(session: Session, name: str, text: str) -> Session:
    """The session with one setting as written: training.lora_r, "16".

    Raises:
        SessionError: naming the setting and what was expected.
    """
    try:
        before = value_at(session, name)
    except SessionError:
        before = None
    return with_value(session, name, read(before, text))


def with_value(session: Session, name: str, value: Any) -> Session:
    """The session with one setting at that value.

    Raises:
        SessionError: naming the setting and what was expected.
    """
    document = sessions.without_none(msgspec.to_builtins(session))
    *above, last = parts_of(session, name)
    place: Any = document
    for part in above:
        if isinstance(place, dict) and part not in place:
            place[part] = {}
        try:
            place = place[part]
        except (IndexError, TypeError):
            place = None
        if not isinstance(place, dict | list):
            raise SessionError(f"{name}: {part} holds no settings of its own.")
    try:
        if isinstance(place, dict) and isinstance(place.get(str(last)), dict):
            raise SessionError(
                f"{name}: it is a table; set one of its keys: "
                f"{', '.join(f'{name}.{key}' for key in place[str(last)]) or f'{name}.KEY'}."
            )
        place[last] = value
    except (IndexError, TypeError):
        raise SessionError(f"{name}: there is no such key in the session.") from None
    return sessions.read(document)


def parts_of(session: Session, name: str) -> list[str | int]:
    """The way to a setting; `prompt` is the one in use, a number an element of a list."""
    parts: list[str | int] = [
        int(one) if one.isdecimal() else one for one in name.strip().split(".") if one
    ]
    if not parts:
        raise SessionError('A setting has a name, such as "training.learning_rate".')
    if parts[0] == "prompt":
        names = [one.name for one in session.prompts]
        parts[:1] = ["prompts", names.index(session.prompt().name)]
    return parts


def read(before: Any, text: str) -> Any:
    """What was written, in the kind of what was there before; text where it is of no kind."""
    text = text.strip()
    if isinstance(before, str):
        return text
    if isinstance(before, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if isinstance(before, list) and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def assign(session: Session, assignments: list[str]) -> Session:
    """The session with each `name=value` set, one after the other.

    Raises:
        SessionError: for the first that is none, or cannot be.
    """
    for one in assignments:
        name, equals, text = one.partition("=")
        if not equals:
            raise SessionError(f"{one}: write it as NAME=VALUE, such as training.lora_r=16.")
        session = with_words(session, name.strip(), text)
    return session
