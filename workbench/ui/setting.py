"""The settings of a session one by one: which there are, what each is, and one of them changed.

A value is checked as the session's file is: by the same types, with the same sentences. Knows
nothing of widgets.
"""

import tomllib
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from workbench import session as sessions
from workbench.session import Prompt, Session, SessionError
from workbench.settings import Section

# Where a setting is: section, …, name. "prompt" is the variant in use, "session" the file itself.
Key = tuple[str, ...]
SECTIONS = ("model", "dataset", "generation", "evaluation", "optimize", "training", "sweep")
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def keys(session: Session, roots: tuple[Key, ...] = ()) -> list[Key]:
    """All settings below these, in order; of a section that may be missing first itself."""
    if not roots:
        below = [key for root in SECTIONS for key in walk(session, (root,))]
        return [("prompt", "name"), *below, ("session", "description")]
    return [key for root in roots for key in (root, *walk(session, root))]


def walk(session: Session, root: Key) -> Iterator[Key]:
    section = value(session, root)
    if not isinstance(section, Section):
        return
    for field in msgspec.structs.fields(type(section)):
        key, inner = (*root, field.name), sessions.section_in(field.type)
        if inner is None or get_origin(field.type) is dict:
            yield key
        elif not isinstance(getattr(section, field.name), list):
            if may_be_missing(key):
                yield key
            yield from walk(session, key)


def value(session: Session, key: Key) -> Any:
    found: Any = session
    for part in key:
        if part == "prompt":
            found = session.prompt()
        elif part != "session":
            found = getattr(found, part)
    return found


def kind(key: Key) -> Any:
    """The type of a setting."""
    section: Any = Session
    for part in key[:-1]:
        if part == "prompt":
            section = Prompt
        elif part != "session":
            section = sessions.section_in(field_type(section, part))
    return field_type(section, key[-1])


def field_type(section: Any, name: str) -> Any:
    return next(field.type for field in msgspec.structs.fields(section) if field.name == name)


def may_be_missing(key: Key) -> bool:
    """Whether it is a section that need not be there, such as a variant's own model."""
    found = kind(key)
    return type(None) in get_args(bare(found)) and sessions.section_in(found) is not None


def bare(found: Any) -> Any:
    """A type without its limits and descriptions."""
    return get_args(found)[0] if hasattr(found, "__metadata__") else found


def choices(key: Key) -> tuple[Any, ...]:
    """The values it may have, where there are a few; of a list those of its elements."""
    found = bare(kind(key))
    if found is bool:
        return (False, True)
    if get_origin(found) is list:
        found = bare(get_args(found)[0])
    return get_args(found) if get_origin(found) is Literal else ()


def shown(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{role} = {column}" for role, column in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def change(session: Session, key: Key, text: str) -> Session:
    """The session with one setting as typed.

    Raises:
        SessionError: what was expected, as for the session's file.
    """
    if key[-1] == "api_key_env" and text.strip() and not text.strip().isidentifier():
        raise SessionError(  # it may be the key itself, so it is not repeated
            "api_key_env: expected the name of an environment variable, such as OPENAI_API_KEY; "
            "the key itself stays in the environment."
        )
    return put(session, key, read(value(session, key), text))


def read(before: Any, text: str) -> Any:
    """What was typed, in the kind of what was there before; text where it is none."""
    if isinstance(before, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(before, dict):
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        return {role.strip(): column.strip() for role, _, column in pairs}
    if isinstance(before, str):
        return text
    try:
        return tomllib.loads(f"value = {text.strip().replace(',', '')}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def put(session: Session, key: Key, new: Any) -> Session:
    """The session with one setting replaced; a section given as None is left out.

    Raises:
        SessionError: what was expected, as for the session's file.
    """
    document = sessions.without_none(msgspec.to_builtins(session))
    place = document
    for part in key[:-1]:
        if part == "prompt":
            names = [prompt.name for prompt in session.prompts]
            place = document["prompts"][names.index(session.prompt().name)]
        elif part != "session":
            place = place[part]
    if key == ("prompt", "name"):
        new = str(new).strip()
        document["active_prompt"] = new
    if new is None:
        place.pop(key[-1], None)
    else:
        place[key[-1]] = msgspec.to_builtins(new)
    try:
        msgspec.convert(document, Session)
    except msgspec.ValidationError as error:
        raise SessionError(sessions.explain(str(error), document)) from None
    import tomli_w

    return sessions.loads(tomli_w.dumps(document), "settings")


def turn(session: Session, key: Key, by: int = 1) -> Session | None:
    """The next value of a setting that has a few; None where it has not."""
    if may_be_missing(key):
        own = value(session, key) is None
        return put(session, key, value(session, origin(key)) if own else None)
    among, before = choices(key), value(session, key)
    if not among or isinstance(before, list):
        return None
    at = among.index(before) if before in among else 0
    return put(session, key, among[(at + by) % len(among)])


def origin(key: Key) -> Key:
    """Whose settings stand for a section that is missing: the session's own."""
    return ("generation",) if key[-1] == "generation" else ("model",)


class Descriptions:
    """What each setting is, from the session's schema."""

    def __init__(self) -> None:
        self.definitions = sessions.schema()["$defs"]

    def of(self, key: Key) -> str:
        """Its description, and the values that it may have."""
        if key == ("prompt", "name"):
            return "The name of the variant in use."
        field = self.field(key)
        words = [str(field.get("description", ""))]
        among = choices(key)
        listed = field.get("type") == "array"
        if among and bare(kind(key)) is not bool:
            word = "Any of " if listed else "One of "
            words.append(word + ", ".join(str(one) for one in among) + ".")
        bounds = [f"{words} {field[key]:g}" for key, words in LIMITS.items() if key in field]
        if bounds:
            words.append(f"{' and '.join(bounds)}.".capitalize())
        if listed:
            words.append("Separated by commas.")
        return " ".join(word for word in words if word)

    def field(self, key: Key) -> dict[str, Any]:
        section: Any = Session
        for part in key[:-1]:
            if part == "prompt":
                section = Prompt
            elif part != "session":
                section = sessions.section_in(field_type(section, part))
        found = self.definitions.get(section.__name__, {}).get("properties", {}).get(key[-1], {})
        return dict(found)
