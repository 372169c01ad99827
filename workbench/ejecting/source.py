"""Python source put together: functions as they stand in `parts`, constants, calls.

Knows source; knows nothing of runs.
"""

import ast
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.prompting.literals import literal

WIDTH = 88
STANDARD = ("bisect", "collections.abc", "json", "math", "pathlib", "runpy")


def functions(*found: Any) -> str:
    """The source of functions and classes, two empty lines between."""
    return "\n\n".join(inspect.getsource(one).rstrip() + "\n" for one in found)


def constants(values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """A line `NAME = value` each, with what is to be said of it."""
    lines = []
    for name, value in values.items():
        said = (comments or {}).get(name, "")
        lines.append(f"{name} = {value if isinstance(value, Raw) else literal(value)}")
        if said:
            lines[-1] = f"# {said}\n{lines[-1]}"
    return "\n".join(lines) + "\n"


class Raw(str):
    """Source as it is."""


def call(name: str, values: Mapping[str, Any], indent: int = 4) -> str:
    """A call with named arguments, a line each."""
    pad = " " * (indent + 4)
    lines = [
        f"{pad}{key}={value if isinstance(value, Raw) else literal(value, indent + 4)},"
        for key, value in values.items()
    ]
    return "\n".join([f"{name}(", *lines, " " * indent + ")"])


def imports(text: str, wanted: Sequence[str]) -> str:
    """Those of the import lines of which a name is used in the text, in the usual order."""
    said = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    used = []
    for line in wanted:
        if line.startswith("import "):
            if line.split()[-1] in said:
                used.append(line)
            continue
        module, _, listed = line.partition(" import ")
        names = [name for name in listed.split(", ") if name in said]
        if names:
            used.append(from_line(module, sorted(names)))
    standard = [one for one in used if is_standard(one)]
    other = [one for one in used if not is_standard(one)]
    return "\n".join([*ordered(standard), "", *ordered(other)]) + "\n"


def from_line(module: str, names: Sequence[str]) -> str:
    line = f"{module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"{module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def ordered(lines: Sequence[str]) -> list[str]:
    plain = sorted(one for one in lines if one.startswith("import "))
    return [*plain, *sorted(one for one in lines if not one.startswith("import "))]


def is_standard(line: str) -> bool:
    return line.split()[1] in STANDARD
