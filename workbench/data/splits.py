"""Which rows are trained on and which are measured on.

Knows rows and their content; not where they come from.
"""

import hashlib
import json
from typing import TYPE_CHECKING

from workbench.catalogue import SourceError

if TYPE_CHECKING:
    import datasets

OWN_SPLITS = ("validation", "valid", "dev", "evaluation", "eval", "test")
HELD_OUT = 20  # one row in so many


def pick(splits: "dict[str, datasets.Dataset]", wanted: str, source: str) -> "datasets.Dataset":
    """One of a source's splits.

    Raises:
        SourceError: when there is no such split (it says which there are), or no row in it.
    """
    if wanted not in splits:
        raise SourceError(f'{source} has no split "{wanted}"; there is {", ".join(splits)}.')
    if not len(splits[wanted]):
        where = f'The split "{wanted}" of {source}' if len(splits) > 1 else source
        raise SourceError(f"{where} has no rows; choose a source that has some.")
    return splits[wanted]


def evaluation(
    splits: "dict[str, datasets.Dataset]", split: str, wanted: str, source: str
) -> "tuple[datasets.Dataset, datasets.Dataset | None, str]":
    """Rows to train on, rows to measure on (None: too few to hold any out), and where from.

    `wanted` empty takes the source's own evaluation split; where it has none, one row in twenty
    is held out by a hash of its content, so the same rows stay apart whatever is added.

    Raises:
        SourceError: when a split is not there, is empty, or lacks columns of the other.
    """
    train = pick(splits, split, source)
    own = [name for name in OWN_SPLITS if name in splits and name != split and len(splits[name])]
    name = wanted or (own[0] if own else "")
    if not name:
        train, rows = hold_out(train)
        return train, rows, f"1 row in {HELD_OUT} of {split}, held out by content" if rows else ""
    rows = pick(splits, name, source)
    if lacking := [one for one in train.column_names if one not in rows.column_names]:
        raise SourceError(
            f'The split "{name}" of {source} lacks the column "{lacking[0]}" that "{split}" has; '
            f"it has {', '.join(rows.column_names)}. Set evaluation_split to another."
        )
    same = ": the rows trained on, so the measure flatters" if name == split else ""
    return train, rows, f"split {name}{same}"


def hold_out(
    rows: "datasets.Dataset",
) -> "tuple[datasets.Dataset, datasets.Dataset | None]":
    """Rows apart from about one in twenty of them; equal rows stay on one side."""
    codes = [content_hash(row) for row in plain(rows)]
    held = {code for code in codes if code % HELD_OUT == 0}
    different = set(codes)
    if len(different) < 2:
        return rows, None
    if not held or held == different:  # few rows: one of them
        held = {min(different)}
    kept = [index for index, code in enumerate(codes) if code not in held]
    apart = [index for index, code in enumerate(codes) if code in held]
    return rows.select(kept), rows.select(apart)


def plain(rows: "datasets.Dataset") -> "list[dict[str, object]]":
    """The rows as they are stored: nothing decoded."""
    return [row for batch in rows.with_format("arrow").iter(1000) for row in batch.to_pylist()]


def content_hash(row: "dict[str, object]") -> int:
    text = json.dumps(row, sort_keys=True, default=repr, ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
