"""The process in which a person's own metric runs: python -P function_process.py FILE NAME
SECONDS [WHAT,IT,TAKES].

Standard input brings a row a line as JSON, standard output takes an answer a line: {"value": …} or
{"problem": …}. The first line tells whether the function is there. Knows nothing of the workbench,
imports nothing of it, and is not imported.

What the function prints is thrown away. A call that lasts too long ends the process: the kernel's
alarm does so even where C code holds the interpreter.
"""

import contextlib
import json
import math
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

LIMIT = 200  # characters of an exception's text
GRACE = 2.0  # seconds after which the alarm ends what its maker has not ended


TAKES = "answer,expected,row"


def main(path: str, name: str, seconds: float, takes: list[str]) -> None:
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)

    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer).encode() + b"\n")

    sys.path.insert(0, os.path.dirname(path))
    signal.setitimer(signal.ITIMER_REAL, 6 * seconds + GRACE)  # its imports may take a while
    function, problem = load(path, name)
    signal.setitimer(signal.ITIMER_REAL, 0)
    tell({"problem": problem} if function is None else {"value": 0})
    if function is None:
        return
    while line := requests.readline():
        row = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
        answer = measured(function, path, [row[one] for one in takes])
        signal.setitimer(signal.ITIMER_REAL, 0)
        tell(answer)


def load(path: str, name: str) -> tuple[Callable[..., Any] | None, str]:
    """The function, or why there is none."""
    try:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            made = runpy.run_path(path, run_name="workbench_metric")
    except BaseException as error:
        return None, f"cannot be loaded: {told(error, path)}"
    if callable(function := made.get(name)):
        return function, ""
    there = [
        key
        for key, value in made.items()
        if callable(value) and getattr(value, "__module__", "") == "workbench_metric"
    ]
    return None, f"has no function {name}; it has {', '.join(there[:10]) or 'none'}"


def measured(function: Callable[..., Any], path: str, given: list[Any]) -> dict[str, Any]:
    """What the function says of a row."""
    try:
        value = function(*given)
    except BaseException as error:
        return {"problem": f"raised {told(error, path)}"}
    try:
        # A number of numpy's or torch's is one, too.
        number = float(value) if not isinstance(value, str | bytes | type(None)) else None
    except BaseException:
        number = None
    if number is None or not math.isfinite(number):
        kind = type(value).__name__ if number is None else number
        line = getattr(getattr(function, "__code__", None), "co_firstlineno", 0)
        where = f"{os.path.basename(path)}, line {line}"
        return {"problem": f"returned {kind} instead of a number, or true or false ({where})"}
    return {"value": number}


def told(error: BaseException, path: str) -> str:
    """The exception, with the line of the person's file in which it came up."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = f"{type(error).__name__}{': ' + lines[0][:LIMIT] if lines else ''}"
    own = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == path]
    number = own[-1].lineno if own else getattr(error, "lineno", None)
    return f"{text} ({os.path.basename(path)}, line {number})" if number else text


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), (*sys.argv, TAKES)[4].split(","))
