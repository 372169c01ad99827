"""Reading Jinja as it is typed: what each piece of a template is.

A reader for the eye, not a parser: the worker's sandbox decides what a template means. It imports
nothing, so that it costs no start-up, and takes any text, finished or not.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal[
    "variable", "unknown", "statement", "delimiter", "filter", "string", "comment", "error"
]
LONGEST = 100_000  # characters that are read; longer texts are shown plain

FILTERS = frozenset(
    (
        "abs",
        "attr",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "filesizeformat",
        "first",
        "float",
        "forceescape",
        "groupby",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "pprint",
        "random",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "sort",
        "string",
        "striptags",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "urlencode",
        "urlize",
        "wordcount",
        "xmlattr",
    )
)
TAGS = {  # tag → what ends it; empty: nothing
    "if": "endif",
    "for": "endfor",
    "set": "",
    "with": "endwith",
    "filter": "endfilter",
    "macro": "endmacro",
    "call": "endcall",
    "raw": "endraw",
    "block": "endblock",
    "autoescape": "endautoescape",
}
INNER = {"else": {"if", "for"}, "elif": {"if"}}
OTHERS = {"do", "include", "import", "from", "extends", "break", "continue"}
WORDS = frozenset(
    (
        "in",
        "is",
        "not",
        "and",
        "or",
        "if",
        "else",
        "recursive",
        "as",
        "without",
        "context",
        "ignore",
        "missing",
    )
)
CONSTANTS = frozenset(("true", "false", "none", "True", "False", "None"))
GLOBALS = frozenset(
    (
        "range",
        "dict",
        "cycler",
        "joiner",
        "namespace",
        "loop",
        "row",
        "self",
        "caller",
        "varargs",
    )
)

BLOCK = re.compile(r"\{\{[-+]?|\{%[-+]?|\{#")
CLOSE = {"{{": re.compile(r"[-+]?\}\}"), "{%": re.compile(r"[-+]?%\}"), "{#": re.compile(r"#\}")}
TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<number>\d[\w.]*)|(?P<other>\S)""",
    re.DOTALL,
)
RAW_END = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
ASSIGNED = re.compile(
    r"\{%[-+]?\s*(?:for\s+(?P<loop>[\w\s,()]+?)\s+in\b|set\s+(?P<set>[\w\s,.]+?)\s*(?:=|[-+]?%\}|\|)"
    r"|macro\s+(?P<macro>\w+\s*\([^)]*)|with\s+(?P<with>[^%]*)|call\s*\((?P<call>[^)]*))"
)
NAMES = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the text, and what they are."""

    start: int
    end: int
    kind: Kind


@lru_cache(maxsize=32)
def read(text: str, columns: frozenset[str] | None) -> tuple[Span, ...]:
    """What is not plain text, in order; `columns` None: they are not known yet, any name is."""
    if "{" not in text or len(text) > LONGEST:
        return ()
    return tuple(sorted(pieces(text, columns), key=lambda one: (one.start, one.end)))


def pieces(text: str, columns: frozenset[str] | None) -> Iterator[Span]:
    known = None if columns is None else columns | GLOBALS | assigned(text)
    tags: list[tuple[str, Span]] = []  # open blocks, and where they begin
    at = 0
    while opening := BLOCK.search(text, at):
        kind = opening[0][:2]
        closing = CLOSE[kind].search(text, opening.end())
        if closing is None:
            line_end = text.find("\n", opening.start())
            yield Span(opening.start(), line_end if line_end >= 0 else len(text), "error")
            at = opening.end()
            continue
        at = closing.end()
        if kind == "{#":
            yield Span(opening.start(), at, "comment")
            continue
        yield Span(opening.start(), opening.end(), "delimiter")
        yield Span(closing.start(), at, "delimiter")
        inside = list(TOKEN.finditer(text, opening.end(), closing.start()))
        yield from expression(inside, known, columns, kind == "{%")
        if kind == "{%" and inside:
            yield from follow(tags, inside, Span(opening.start(), at, "error"))
            if inside[0][0] == "raw" and (end := RAW_END.search(text, at)):
                tags.pop()
                at = end.end()
    yield from (span for _, span in tags)


def follow(tags: list[tuple[str, Span]], inside: list[re.Match[str]], tag: Span) -> Iterator[Span]:
    """Keep account of the blocks that are open; a tag that fits none of them is an error."""
    name = inside[0][0]
    if name == "set" and not any(one[0] == "=" for one in inside):
        tags.append(("endset", tag))
    elif TAGS.get(name):
        tags.append((TAGS[name], tag))
    elif name.startswith("end"):
        if tags and tags[-1][0] == name:
            tags.pop()
        else:
            yield tag
    elif name in INNER:
        if not tags or tags[-1][0].removeprefix("end") not in INNER[name]:
            yield tag
    elif name not in TAGS and name not in OTHERS:
        yield tag


def expression(
    tokens: list[re.Match[str]],
    known: frozenset[str] | None,
    columns: frozenset[str] | None,
    statement: bool,
) -> Iterator[Span]:
    before = beyond = ""
    for index, token in enumerate(tokens):
        text = token[0]
        after = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        kind: Kind | None = None
        if token.lastgroup == "string":
            kind = "string"
            if before == "[" and beyond == "row" and columns is not None:
                kind = "variable" if text[1:-1] in columns else "unknown"
        elif token.lastgroup == "name":
            kind = name_kind((beyond, before, text, after), known, columns)
            if statement and index == 0:
                kind = "statement"
        if kind:
            yield Span(token.start(), token.end(), kind)
        beyond, before = before, text


def name_kind(
    around: tuple[str, str, str, str], known: frozenset[str] | None, columns: frozenset[str] | None
) -> Kind | None:
    """What a name is, by the two tokens before it and the one after it."""
    beyond, before, name, after = around
    if before == "|":
        return "filter" if name in FILTERS else "unknown"
    if before == "is" or (before == "not" and beyond == "is"):
        return "statement" if name == "not" else "filter"
    if before == ".":
        missing = beyond == "row" and columns is not None and name not in columns
        return "unknown" if missing and after != "(" else None
    if name in WORDS:
        return "statement"
    if name in CONSTANTS or (before in ("(", ",") and after == "="):
        return None
    return "variable" if known is None or name in known else "unknown"


def assigned(text: str) -> frozenset[str]:
    """The names that the template itself gives: loops, set, macros."""
    found: set[str] = set()
    for match in ASSIGNED.finditer(text):
        for part in match.groups():
            found.update(NAMES.findall(part or ""))
    return frozenset(found)


def used(text: str, columns: Iterable[str]) -> list[str]:
    """The columns that a template names, in the order of `columns`."""
    names = frozenset(columns)
    found = {
        text[span.start : span.end].strip("\"'")
        for span in read(text, names)
        if span.kind == "variable"
    }
    return [name for name in columns if name in found]
