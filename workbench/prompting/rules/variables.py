"""Rules about what a template takes from the row: names, syntax, what the sandbox refuses."""

import difflib
import re
from collections.abc import Iterator

import jinja2
from jinja2 import nodes

from workbench.data.templates import compiled, syntax_place, syntax_words
from workbench.prompting.rules.reading import (
    JINJA,
    Reading,
    Text,
    advice,
    general,
    parsed,
    shown,
    takes_all,
    variables,
)
from workbench.protocol import Advice

MOST = 100_000  # that Jinja's sandbox lets a range count
PROSE_WORDS = 6  # of a value that is a text to read
# Columns of these names say what the answer is, or where the row comes from.
NOT_ASKED = re.compile(
    r"(?i)(^|_)(id|idx|index|url|source|title|date|name|split|meta|answers?|labels?|target|output|"
    r"completion|response|summary|highlights|solution|rationale|explanation|chosen|rejected)(_|$|s$)"
)
CHANGES = {"append", "extend", "insert", "remove", "clear", "update", "pop", "sort", "reverse"}
HIDDEN_TAGS = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
UNFILLED = "The prompt cannot be filled, so no row can be asked."


def look(reading: Reading) -> Iterator[Advice]:
    yield from in_system(reading)
    bad = False
    for text in with_templates(reading):
        broken = list(syntax(text))
        if not broken and "{" in text.raw:
            broken = [*refused(text), *undefined(text, reading)]
        bad = bad or bool(broken)
        yield from broken
        yield from single_braces(text, reading)
    yield from answer_shown(reading)
    if not bad:
        yield from unused(reading)


def in_system(reading: Reading) -> Iterator[Advice]:
    """The system text is not filled."""
    text = Text("system", "system", reading.prompt.system)
    for found in JINJA.finditer(text.raw):
        yield advice(
            text,
            (found.start(), len(found[0])),
            ("system_variable", "warn"),
            f"The system text is the same for every row: {shown(found[0])} is not filled.",
            "The model gets it as it stands; put it in the template.",
        )


def with_templates(reading: Reading) -> list[Text]:
    """The texts that are filled from the row; the system text is not."""
    texts = [text for text in reading.texts if text.where not in ("system", "answer_start")]
    completion = Text("completion", "completion", reading.prompt.completion)
    return [*texts, completion] if completion.raw else texts


def syntax(text: Text) -> Iterator[Advice]:
    if "{" not in text.raw:
        return
    try:
        compiled(text.raw)
    except jinja2.TemplateSyntaxError as error:
        yield advice(
            text,
            syntax_place(text.raw, error.lineno),
            ("syntax", "bad"),
            syntax_words(text.raw, error),
            f"{UNFILLED} Correct it; a variable is written {{{{ like_this }}}}.",
        )
    except RecursionError:
        yield general(text.where, ("syntax", "bad"), "The template is nested too deeply.", UNFILLED)


def refused(text: Text) -> Iterator[Advice]:
    """What Jinja's sandbox stops when the template is filled."""
    if (tree := parsed(text.raw)) is None:
        return
    for hidden in tree.find_all(HIDDEN_TAGS):
        yield stopped(text, hidden, "it takes in another template, and there is none")
    for got in tree.find_all(nodes.Getattr):
        if got.attr.startswith("_"):
            yield stopped(text, got, f"it reaches for {shown(got.attr)}", got.attr)
    for call in tree.find_all(nodes.Call):
        name = call.node
        if isinstance(name, nodes.Getattr) and name.attr in CHANGES:
            yield stopped(text, call, f"it changes a value ({name.attr})", name.attr)
        counts = [one.value for one in call.args if isinstance(one, nodes.Const)]
        if isinstance(name, nodes.Name) and name.name == "range" and max(counts, default=0) > MOST:
            yield stopped(text, call, f"it counts beyond {MOST:,}", "range")


def stopped(text: Text, node: nodes.Node, what: str, word: str = "") -> Advice:
    begin = 0
    for _ in range(node.lineno - 1):
        begin = text.raw.find("\n", begin) + 1
    found = text.raw.find(word, begin) if word else text.raw.find("{%", begin)
    start = found if found >= 0 else begin
    return advice(
        text,
        (start, max(1, len(word))),
        ("refused", "bad"),
        f"The sandbox stops the template in line {node.lineno}: {what}.",
        f"{UNFILLED} Write it with columns, filters, conditions and short loops alone.",
    )


def undefined(text: Text, reading: Reading) -> Iterator[Advice]:
    if not reading.columns:
        return
    known = [str(column) for column in reading.columns]
    for name in sorted(variables(text.raw) - set(known)):
        start = place_of(text, name)
        close = difflib.get_close_matches(name, known, 1) or [
            one for one in known if one.lower() == name.lower()
        ]
        hint = f"; did you mean {shown(close[0])}?" if close else "."
        columns = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
        yield advice(
            text,
            (max(0, start), len(name)),
            ("undefined_variable", "bad"),
            f"There is no column {shown(name)} (line {text.place(start)[0] + 1}){hint}",
            f"{UNFILLED} The columns are: {columns}.",
        )


def place_of(text: Text, name: str) -> int:
    """Where a variable stands in a template."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    for block in JINJA.finditer(text.raw):
        if found := word.search(block[0]):
            return block.start() + found.start()
    return 0


def single_braces(text: Text, reading: Reading) -> Iterator[Advice]:
    for found in re.finditer(r"\{\s*(\w+)\s*\}", text.prose):
        if found[1] in reading.columns:
            yield advice(
                text,
                (found.start(), len(found[0])),
                ("single_brace", "warn"),
                f"{shown(found[0])} is not filled from the row.",
                f"The model gets it as it stands; write {{{{ {found[1]} }}}}.",
            )


def answer_shown(reading: Reading) -> Iterator[Advice]:
    """The template tells the answer."""
    whole = re.fullmatch(r"\s*\{\{\s*(\w+)\s*\}\}\s*", reading.prompt.completion)
    if whole is None:
        return
    text = reading.template
    for found in re.finditer(r"\{\{\s*(\w+)\s*\}\}", text.raw):
        if found[1] == whole[1]:
            yield advice(
                text,
                (found.start(), len(found[0])),
                ("answer_in_prompt", "bad"),
                f"The template shows {shown(whole[1])}, which is the answer.",
                "What is measured is copying; take it out of the template.",
            )
            return


def unused(reading: Reading) -> Iterator[Advice]:
    """Nothing of the row is asked about, or a text to read stands in no part of the prompt."""
    prompt = reading.prompt
    asked = [prompt.template, *(turn.content for turn in prompt.turns)]
    if not reading.columns or any(takes_all(one) for one in asked):
        return
    used = frozenset[str]().union(*map(variables, asked))
    if not used:
        if parsed(prompt.template) is not None and not any("{%" in one for one in asked):
            column = longest_text(reading, used) or str(reading.columns[0])
            yield general(
                "template",
                ("unused_column", "warn"),
                "The template takes nothing from the row: every row asks the same.",
                f"Put a column where it belongs, such as {{{{ {column} }}}}.",
            )
        return
    if column := longest_text(reading, used | variables(prompt.completion)):
        yield general(
            "template",
            ("unused_column", "note"),
            f"The column {shown(column)} holds a text that no part of the prompt uses.",
            "What the answer needs and the prompt lacks is made up; add it if it matters.",
        )


def longest_text(reading: Reading, used: frozenset[str]) -> str:
    """The unused column that holds the most prose in this row, if any does."""
    found = {
        column: len(str(value))
        for column, value in reading.values.items()
        if column not in used
        and isinstance(value, str)
        and len(value[:2000].split()) >= PROSE_WORDS
        and not NOT_ASKED.search(column)
    }
    return max(found, key=lambda column: found[column], default="")
