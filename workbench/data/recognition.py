"""What rows look like by themselves: the format that their columns' names and values speak for.

Knows names and kinds of columns; knows nothing of sessions or of what is done with a format.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from workbench.data.languages import language
from workbench.data.roles import are_turns, parsed, text_of, value_of
from workbench.data.table import Column
from workbench.data.thumbs import NAMES as THUMBS
from workbench.data.thumbs import are_thumbs
from workbench.session import DataFormat
from workbench.text import one_line

TEXTS = ("text", "content", "sentence", "review", "body", "document", "passage", "tweet", "article")
LABELS = (
    "label",
    "labels",
    "class",
    "category",
    "categories",
    "sentiment",
    "intent",
    "emotion",
    "topic",
    "tags",
    "genres",
    "rating",
    "score",
    "stars",
    "target",
)
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("question", "answer"),
    ("question", "response"),
    ("question", "output"),
    ("query", "response"),
    ("query", "answer"),
    ("instruction", "response"),
    ("instruction", "completion"),
    ("user", "assistant"),
    ("input", "output"),
    ("input", "target"),
    ("input", "response"),
    ("input", "completion"),
    ("inputs", "targets"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("dialogue", "summary"),
    ("question", "answers.text"),
)
FEW = 20  # different values are classes, whatever the number of rows
REPEATED = 0.8  # different values a row, up to which a column that is named like a label is one
CELLS = 40_000  # that are looked at
FEWEST_ROWS = 5
SHOWN = 3  # values of a label that are named
LONGEST_LABEL = 60  # characters


@dataclass(frozen=True)
class Guess:
    format: DataFormat
    mapping: dict[str, str]
    why: str  # what decided, without a full stop


@dataclass(frozen=True)
class Seen:
    """Columns by their lower-case name, and the values that the first rows hold."""

    columns: Sequence[Column]
    rows: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> "Seen":
        """What there is to look at: of a table with thousands of columns fewer rows."""
        return cls(columns, rows[: max(CELLS // max(len(columns), 1), FEWEST_ROWS)])

    @cached_property
    def known(self) -> dict[str, str]:
        return {one.name.strip().lower(): one.name for one in reversed(self.columns)}

    def named(self, *names: str) -> str:
        """The first of these columns that is there, by its own name."""
        return next((self.known[name] for name in names if name in self.known), "")

    def values(self, path: str) -> list[Any]:
        """What the rows hold there, without what is missing."""
        return [one for row in self.rows if (one := value_of(path, row)) not in (None, "")]

    def all(self, path: str, kind: type | tuple[type, ...]) -> bool:
        """Whether the rows hold something there, and all of it of one kind."""
        found = self.values(path)
        return bool(found) and all(isinstance(one, kind) for one in found)

    def turns(self, path: str) -> bool:
        found = self.values(path)
        return bool(found) and sum(map(are_turns, found)) * 2 > len(found)

    @cached_property
    def texts(self) -> list[str]:
        """The columns that hold texts, in order."""
        return [one.name for one in self.columns if self.all(one.name, str)]

    def length(self, path: str) -> float:
        """The mean length of the texts there."""
        found = self.values(path)
        return sum(len(str(one)) for one in found) / max(len(found), 1)

    @property
    def extent(self) -> str:
        return f"the first {len(self.rows):,} rows" if len(self.rows) != 1 else "the row"


def names(seen: Seen) -> str:
    """The columns, for a sentence."""
    shown = [one_line(one.name, 40) for one in seen.columns[:30]]
    return ", ".join(shown + ["…"] * (len(seen.columns) > 30)) or "none"


def best_guess(seen: Seen) -> Guess:
    """The first format that fits, or none: "wording" with an empty mapping."""
    unknown = Guess("wording", {}, f"no format is recognised in the columns {names(seen)}")
    return next(iter(guesses(seen)), unknown)


def guesses(seen: Seen) -> list[Guess]:
    """All formats that fit, the most telling first."""
    found = [
        preference(seen),
        conversations(seen),
        alpaca(seen),
        translation(seen),
        prompt_completion(seen),
        classification(seen),
        text(seen),
    ]
    return [one for one in found if one is not None]


def optional(seen: Seen, **names: tuple[str, ...]) -> dict[str, str]:
    """Those of the roles for which there is a column."""
    found = {role: seen.named(*some) for role, some in names.items()}
    return {role: column for role, column in found.items() if column}


def preference(seen: Seen) -> Guess | None:
    pairs = (("chosen", "rejected"), ("preferred", "dispreferred"), ("accepted", "rejected"))
    for good, bad in pairs:
        chosen, rejected = seen.named(good), seen.named(bad)
        if not (chosen and rejected) or not (seen.values(chosen) and seen.values(rejected)):
            continue
        kind = "conversations" if seen.turns(chosen) else "texts"
        prompt = optional(seen, prompt=("prompt", "question", "instruction", "input", "query"))
        rest = "" if prompt else ", and what they share is the prompt"
        return Guess(
            "preference",
            {**prompt, "chosen": chosen, "rejected": rejected} | optional(seen, system=("system",)),
            f"{chosen} and {rejected} hold {kind}{rest}",
        )
    return None


def conversations(seen: Seen) -> Guess | None:
    for name in [one.name for one in seen.columns]:
        if name.lower() in ("prompt", "completion", "chosen", "rejected") or not seen.turns(name):
            continue
        first = next(parsed(one) for one in seen.values(name) if are_turns(one))
        tools = optional(seen, tools=("tools", "functions"))
        if "role" in first[0]:
            return Guess(
                "messages",
                {"messages": name} | tools,
                f"{name} holds lists of turns with role and content",
            )
        return Guess(
            "sharegpt",
            {"conversations": name} | optional(seen, system=("system", "system_prompt")) | tools,
            f"{name} holds lists of turns with from and value",
        )
    return None


def alpaca(seen: Seen) -> Guess | None:
    instruction, output = seen.named("instruction"), seen.named("output", "response", "completion")
    given = optional(seen, input=("input", "context"), history=("history",))
    if not (instruction and output) or (not given and output.lower() != "output"):
        return None
    if not seen.all(instruction, str) or seen.turns(output):
        return None
    mapping = {"instruction": instruction, **given, "output": output}
    return Guess(
        "alpaca",
        mapping | optional(seen, system=("system", "system_prompt")),
        f"the columns are {', '.join(mapping.values())}",
    )


def translation(seen: Seen) -> Guess | None:
    for column in seen.columns:
        if seen.all(column.name, dict):
            first = seen.values(column.name)[0]
            keys = [key for key, one in first.items() if language(key) and isinstance(one, str)]
            if len(keys) == 2 == len(first):
                pair = [f"{column.name}.{key}" for key in keys]
                return Guess(
                    "translation",
                    {"source": pair[0], "target": pair[1]},
                    f"{column.name} holds a text in {language(keys[0])} and one in "
                    f"{language(keys[1])}",
                )
    spoken = [name for name in seen.texts if language(name)]
    if len(spoken) < 2:
        return None
    return Guess(
        "translation",
        {"source": spoken[0], "target": spoken[1]},
        f"{spoken[0]} and {spoken[1]} hold texts and are named after languages "
        f"({language(spoken[0])}, {language(spoken[1])})",
    )


def prompt_completion(seen: Seen) -> Guess | None:
    for asked, said in PAIRS:
        prompt = seen.named(asked)
        completion = seen.named(said) or ""
        if not completion and "." in said and (head := seen.named(said.partition(".")[0])):
            completion = f"{head}.{said.partition('.')[2]}"
        if not (prompt and completion and seen.values(completion) and seen.values(prompt)):
            continue
        chat = seen.turns(completion)
        if not chat and not seen.all(completion, (str, int, float, list)):
            continue
        kind = "conversations" if chat else "texts"
        return Guess(
            "prompt_completion",
            {"prompt": prompt, "completion": completion}
            | optional(seen, system=("system", "system_prompt"))
            | thumbs(seen),
            f"{prompt} and {completion} hold {kind}",
        )
    return None


def thumbs(seen: Seen) -> dict[str, str]:
    """The column that says which answers are good, if there is one."""
    found = [name for name in map(seen.named, THUMBS) if name and are_thumbs(seen.values(name))]
    return {"label": found[0]} if found else {}


def classification(seen: Seen) -> Guess | None:
    texts = [name for name in seen.texts if not re.fullmatch(r"(?i)(.*_)?(id|uuid|url)", name)]
    by_name = [name for one in LABELS if (name := seen.named(one))]
    others = [name for name in texts if name not in by_name and seen.length(name) < 30]
    for label in [*by_name, *others]:
        held = label_values(seen, label, by_name=label in by_name)
        candidates = [name for name in texts if name != label] if held else []
        named = [name for name in candidates if name.lower() in TEXTS]
        chosen = named or sorted(candidates, key=seen.length, reverse=True)
        if chosen and (
            (named and label in by_name)
            or seen.all(label, list)
            or seen.length(chosen[0]) > seen.length(label)
        ):
            return Guess(
                "classification",
                {"text": chosen[0], "label": label},
                f"{chosen[0]} holds texts, and {label} {held} in {seen.extent}",
            )
    return None


def label_values(seen: Seen, column: str, by_name: bool) -> str:
    """What a column holds, if it can be a label: "holds 2 values (bad, good)"; else empty."""
    found = seen.values(column)
    if found and all(isinstance(one, list) for one in found) and by_name:
        several = {str(one) for some in found for one in some if not isinstance(one, dict | list)}
        return f"holds lists of {len(several)} labels" if several else ""
    if not found or not all(isinstance(one, str | int | float) for one in found):
        return ""
    values = list(dict.fromkeys(map(text_of, found)))
    few = len(values) <= FEW or len(values) * 5 <= len(found)
    if not by_name:
        few = 2 <= len(values) <= FEW and len(values) * 4 <= len(found)
    texts = [one for one in found if isinstance(one, str)]
    # Of hundreds of labels most are new in the first rows, yet some come again.
    repeated = by_name and bool(texts) and len(values) <= REPEATED * len(found)
    parts = {part.strip() for one in texts for part in re.split(r"[,;|]", one)}
    said = ""
    if by_name and not texts and (not few or any(float(one) % 1 for one in found)):
        said = f"holds numbers from {min(found):g} to {max(found):g}"
    elif by_name and len(parts) < len(values) and len(texts) == len(found):
        said = f"holds {len(parts)} labels, several in a row"
    elif (few or repeated) and max(map(len, values)) <= LONGEST_LABEL:
        shown = ", ".join(one_line(one, 20) for one in sorted(values)[:SHOWN])
        more = ", …" if len(values) > SHOWN else ""
        said = f"holds {len(values)} value{'s' * (len(values) != 1)} ({shown}{more})"
    return said


def text(seen: Seen) -> Guess | None:
    texts = seen.texts
    named = seen.named(*TEXTS)
    if named in texts:
        return Guess("text", {"text": named}, f"{named} holds texts, and there is no label")
    if len(texts) == 1:
        return Guess("text", {"text": texts[0]}, f"{texts[0]} is the only column that holds texts")
    return None
