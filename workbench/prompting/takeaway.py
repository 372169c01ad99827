"""A variant for use elsewhere: as a script, as JSON, as a report.

Knows the request and hands it to whoever writes it down; reads no files and knows no models.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from workbench import __version__
from workbench.prompting.report import report
from workbench.prompting.scripts import python_openai, python_transformers
from workbench.prompting.variant import Variant, variant
from workbench.protocol import Compared, MeasurementShown, TakeAway


def take_away(
    request: TakeAway,
    examples: Sequence[dict[str, Any]] = (),
    measurements: Sequence[MeasurementShown] = (),
    comparisons: Sequence[Compared] = (),
    *,
    turns: Sequence[dict[str, Any]] = (),
    labels: Sequence[str] = (),
    weights: str = "",
    adapter: str = "",
    dtype: str = "",
) -> str:
    """The text that was asked for, UTF-8 without anything that cannot be encoded.

    `examples` are the rows that stand in the prompt for this row; `turns`, of a prompt without a
    template, the row's own; `labels`: those that were found in the rows, where the session names
    none. `weights` and `adapter` say where the model is (a folder or a hub id)
    and `dtype` what it computes in, for the script with transformers; else the session's words.

    Raises:
        SessionError: where there is no such prompt.
        PromptError: where it cannot be filled, or there is nothing to take.
    """
    taken = variant(
        request.session,
        request.name,
        request.values,
        examples,
        turns,
        labels=labels,
        weights=weights,
        adapter=adapter,
        dtype=dtype,
    )
    if request.what == "python_openai":
        return python_openai(taken)
    if request.what == "python_transformers":
        return python_transformers(taken)
    if request.what == "json":
        return as_json(taken)
    return encodable(report(taken, measurements, comparisons))


def as_json(taken: Variant) -> str:
    """Turns and settings; `turns` are filled where there is a row.

    Raises:
        PromptError: where the prompt cannot be filled from the row.
    """
    document = {
        "workbench": __version__,
        "name": taken.prompt.name,
        "prompt": msgspec.to_builtins(taken.prompt),
        "examples": taken.examples,
        "model": msgspec.to_builtins(taken.model),
        "generation": msgspec.to_builtins(taken.generation),
        "labels": list(taken.labels),
        "row": taken.values,
        "turns": taken.all_turns if taken.values or taken.turns else None,
    }
    text = json.dumps(finite(document), ensure_ascii=False, indent=2, default=str)
    if encodable(text) != text:  # half of a surrogate pair, which JSON can only escape
        text = json.dumps(finite(document), indent=2, default=str)
    return text + "\n"


def finite(value: Any) -> Any:
    """The same without numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list | tuple) else value


def encodable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode()
