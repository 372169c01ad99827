"""What a row of a dataset is: recognised by its columns and values, or as the session says.

Knows names and kinds of columns; knows nothing of templates' results or of tokens.
"""

from typing import Any

import msgspec

from workbench.data.books import Running
from workbench.data.recognition import Guess, Seen, best_guess, guesses, names
from workbench.data.roles import as_roles, column_of
from workbench.data.table import Column, Table
from workbench.data.wordings import default_prompt, filled
from workbench.protocol import FormatFound
from workbench.session import DataFormat, DatasetSettings, Prompt
from workbench.text import one_line

__all__ = [
    "RECOGNISED",
    "ROLES",
    "WORDING",
    "as_roles",
    "default_prompt",
    "filled",
    "recognise",
    "recognise_table",
]

RECOGNISED = 200  # rows from the first that are looked at to recognise a format
ROLES: dict[DataFormat, list[str]] = {
    "auto": [],
    "wording": [],
    "text": ["text"],
    "prompt_completion": ["prompt", "completion", "system?", "label?"],
    "messages": ["messages", "tools?"],
    "sharegpt": ["conversations", "system?", "tools?"],
    "alpaca": ["instruction", "input?", "output", "system?", "history?"],
    "preference": ["prompt?", "chosen", "rejected", "system?"],
    "classification": ["text", "label"],
    "translation": ["source", "target"],
}
TITLES: dict[DataFormat, str] = {
    "text": "plain text",
    "prompt_completion": "prompt and completion",
    "messages": "messages",
    "sharegpt": "ShareGPT conversations",
    "alpaca": "Alpaca",
    "preference": "preference",
    "classification": "classification",
    "translation": "translation",
}
TURNS = ("messages", "conversations")  # roles that hold lists of turns
LISTS = (*TURNS, "tools", "history", "prompt", "completion", "chosen", "rejected", "label")


WORDING = FormatFound(  # the prompt pane's, whatever the rows are
    format="wording", recognised="wording", mapping={}, roles=[], why=""
)


def recognise_table(table: Table, settings: DatasetSettings, prompt: Prompt) -> FormatFound:
    """What the rows of a table are taken for, by the first of them; see `recognise`."""
    rows = [row for row in table.read(0, RECOGNISED) if isinstance(row, dict)]
    found = recognise(table.columns, rows, settings, prompt)
    running = running_of(table)
    if running and running.words and found.format == "text":
        said = running.words[0].upper() + running.words[1:]
        found = msgspec.structs.replace(found, why=f"{found.why} {said}.")
    return found


def running_of(table: Table) -> Running | None:
    """How the rows of a text go on from one to the next; None where each is a text of its own."""
    return getattr(table, "running", None)


def recognise(
    columns: list[Column], rows: list[dict[str, Any]], settings: DatasetSettings, prompt: Prompt
) -> FormatFound:
    """What the rows are taken for, by their columns, the first `rows`, and the session.

    With the format "auto" a wording makes the examples where its template is filled, unless it
    says no answer and the rows bring conversations, texts or preferences of their own. What in
    the session's mapping does not fit is said in `problem`.
    """
    seen = Seen.of(columns, rows)
    guess = best_guess(seen)
    wanted = settings.format
    if wanted == "auto":
        complete = ("text", "messages", "sharegpt", "preference")
        if prompt.template.strip() and (prompt.completion.strip() or guess.format not in complete):
            wanted = "wording"
        elif settings.mapping:
            wanted = fitting(settings.mapping, guess.format)
        else:
            wanted = guess.format
    if wanted == "wording":
        return wording(guess, prompt)
    mapping = guess.mapping if guess.format == wanted else {}
    if not mapping:
        mapping = next((one.mapping for one in guesses(seen) if one.format == wanted), {})
    problem = faults(wanted, settings.mapping, seen)
    if not mapping and settings.mapping:  # what both formats call alike, such as the text
        same = set(roles_of(wanted)) - {"label"}  # of one the answer, of the other its thumb
        mapping = {role: path for role, path in guess.mapping.items() if role in same}
    mapping = ordered(wanted, mapping | settings.mapping)
    lacking = [one for one in ROLES[wanted] if not one.endswith("?") and one not in mapping]
    if lacking and not problem:
        problem = (
            f"As {TITLES[wanted]} each row needs a column for {' and '.join(lacking)}; name it in "
            f"dataset.mapping; the columns are: {names(seen)}."
        )
    chosen = wanted if settings.format != "auto" or settings.mapping else guess.format
    why = f"It is {TITLES[guess.format]}: {guess.why}." if guess.mapping else f"{guess.why}."
    if settings.format != "auto" or settings.mapping:
        looks = TITLES.get(guess.format, "nothing known")
        why = f"The session says {TITLES[chosen]}; by itself it looks like {looks}: {guess.why}."
    return FormatFound(
        format=wanted,
        recognised=guess.format,
        mapping=mapping,
        roles=ROLES[wanted],
        why=why,
        problem=problem,
    )


def wording(guess: Guess, prompt: Prompt) -> FormatFound:
    """The prompt pane's wording makes the examples."""
    looks = f"the rows look like {TITLES[guess.format]}: " if guess.mapping else ""
    if prompt.template.strip():
        why = f'The wording "{one_line(prompt.name, 40)}" makes the examples; {looks}{guess.why}.'
    else:
        why = f"{guess.why[:1].upper()}{guess.why[1:]}; write a template and a completion."
    return FormatFound(format="wording", recognised=guess.format, mapping={}, roles=[], why=why)


def ordered(wanted: DataFormat, mapping: dict[str, str]) -> dict[str, str]:
    return {role: mapping[role] for role in roles_of(wanted) if mapping.get(role)}


def fitting(mapping: dict[str, str], guess: DataFormat) -> DataFormat:
    """The format whose roles a mapping names: the one recognised, if it may be."""
    roles = {one: set(roles_of(one)) for one in ROLES}
    needed = {one: {role for role in ROLES[one] if not role.endswith("?")} for one in ROLES}
    if set(mapping) <= roles[guess] or not mapping:
        return guess
    whole = [one for one in ROLES if ROLES[one] and needed[one] <= set(mapping) <= roles[one]]
    if not whole and guess == "text" and set(mapping) <= roles["classification"]:
        return "classification"  # the text is recognised, and the session says the label
    return whole[0] if whole else guess


def roles_of(format: DataFormat) -> list[str]:
    """The names of a format's roles, those that a row may lack among them."""
    return [role.rstrip("?") for role in ROLES[format]]


def faults(wanted: DataFormat, mapping: dict[str, str], seen: Seen) -> str:
    """The first thing in a session's mapping that cannot be; empty where all of it can."""
    known = roles_of(wanted)
    there = {one.name: None for one in seen.columns}
    for role, path in mapping.items():
        if role not in known:
            return (
                f'dataset.mapping names the role "{one_line(role, 40)}", which '
                f"{TITLES[wanted]} has not; its roles are: {', '.join(known)}."
            )
        if path and column_of(path, there) not in there:
            return (
                f'dataset.mapping names the column "{one_line(path, 60)}" for {role}, which is '
                f"not there; the columns are: {names(seen)}."
            )
        found = seen.values(path) if path else []
        if found and role in TURNS and not seen.turns(path):
            return (
                f'dataset.mapping names the column "{one_line(path, 60)}" for {role}, and it holds '
                f"{spoken_kind(found[0])}; a list of turns with role and content is needed."
            )
        if found and role not in LISTS and all(isinstance(one, list | dict) for one in found):
            return (
                f'dataset.mapping names the column "{one_line(path, 60)}" for {role}, and it holds '
                f"{spoken_kind(found[0])}; a text is needed."
            )
    return ""


def spoken_kind(value: Any) -> str:
    """What a column with such a value holds."""
    kinds = {bool: "truth values", int: "numbers", float: "numbers", list: "lists", dict: "objects"}
    return kinds.get(type(value), "texts")
