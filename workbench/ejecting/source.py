"""Python source put together: functions as they stand in `parts`, constants, calls.

Knows source; knows nothing of runs.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.prompting.literals import WIDTH, literal

STANDARD = ("bisect", "collections.abc", "json", "math", "pathlib", "runpy")


class Raw(str):
    """Source as it is."""


@dataclass(frozen=True)
class Constant:
    """`said` is the comment above it."""

    name: str
    value: Any
    said: str = ""


def mixed(value: bool) -> Constant:
    return Constant("MIXED", value, "bfloat16 products over float32 weights.")


def functions(found: Iterable[Any]) -> str:
    """The source of functions and classes, or texts of it, two empty lines between."""
    sources = [one if isinstance(one, str) else inspect.getsource(one) for one in found]
    return "\n\n\n".join(one.strip() for one in sources) + "\n"


def constants(values: Iterable[Constant]) -> str:
    """A line `NAME = value` each, with what is to be said of it."""
    lines = []
    for one in values:
        lines += [f"# {line}" for line in textwrap.wrap(one.said, WIDTH - 2)]
        lines.append(f"{one.name} = {expression(one.value)}")
    return "\n".join(lines) + "\n"


def expression(value: Any, indent: int = 0) -> str:
    return value if isinstance(value, Raw) else literal(value, indent)


def assigned(target: str, called: str, named: Mapping[str, Any], *given: str) -> str:
    """A line of a function that assigns what a call gives: on one line where it has no more than
    three arguments and they fit, else with a line for each."""
    arguments = [*given, *(f"{key}={expression(value, 8)}" for key, value in named.items())]
    line = f"    {target} = {called}({', '.join(arguments)})"
    if len(arguments) <= 3 and len(line) <= WIDTH and "\n" not in line:
        return line + "\n"
    listed = "".join(f"        {one},\n" for one in arguments)
    return f"    {target} = {called}(\n{listed}    )\n"


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
