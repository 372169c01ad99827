"""A variant with all that it is made of, to be taken elsewhere.

Knows prompts, settings and the rows that stand in a prompt as examples; nothing of how they are
written down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from workbench.data import prompting
from workbench.data.prompting import PromptError
from workbench.session import GenerationSettings, ModelSettings, Prompt, Session

Values = dict[str, Any]
Turns = list[dict[str, str]]


@dataclass(frozen=True)
class Variant:
    """`examples` are turns, filled and answered. `turns` are those of the row, for a prompt without
    a template, where the row itself is what is asked."""

    prompt: Prompt
    model: ModelSettings
    generation: GenerationSettings
    values: Values = field(default_factory=dict)
    examples: Turns = field(default_factory=list)
    turns: Turns = field(default_factory=list)
    labels: Sequence[str] = ()
    weights: str = ""  # where the model is: a folder or a hub id
    adapter: str = ""  # a folder
    dtype: str = ""  # as it was computed with: float32, bfloat16 …

    @property
    def all_turns(self) -> Turns:
        """What the model is asked about the row.

        Raises:
            PromptError: where the template cannot be filled from it.
        """
        if self.turns:
            return self.turns
        turns = prompting.messages(self.prompt, self.values)
        return [*turns[:-1], *self.examples, turns[-1]]

    @property
    def held(self) -> str:
        """What answers are held to, in words; empty where they are not."""
        settings = self.generation
        return {
            "none": "",
            "labels": f"one of the labels {', '.join(self.labels)}",
            "regex": f"the pattern {settings.pattern}",
            "json_schema": "JSON of a schema",
        }[settings.constraint]


def variant(
    session: Session,
    name: str,
    values: Values,
    examples: Sequence[Values] = (),
    turns: Sequence[dict[str, Any]] = (),
    *,
    labels: Sequence[str] = (),
    weights: str = "",
    adapter: str = "",
    dtype: str = "",
) -> Variant:
    """A session's prompt of this name, its examples written out.

    Raises:
        SessionError: where there is none of this name.
        PromptError: where an example cannot be filled, or there is nothing to ask.
    """
    prompt = session.named(name)
    model = session.model_of(prompt)
    if not prompt.template.strip() and not turns:
        raise PromptError(
            f'The prompt "{name}" has no template to take away; write one, or choose a row that '
            "is a prompt by itself."
        )
    written: Turns = []
    for example in examples if prompt.template.strip() else ():
        written.append({"role": "user", "content": prompting.render(prompt.template, example)})
        answer = prompting.started(prompt, prompting.answer(prompt, example))
        written.append({"role": "assistant", "content": answer})
    return Variant(
        prompt=prompt,
        model=msgspec.structs.replace(model, url=without_password(model.url)),
        generation=session.generation_of(prompt),
        values=values,
        examples=written,
        turns=[] if prompt.template.strip() else [dict(turn) for turn in turns],
        labels=labels or session.evaluation.labels,
        weights=weights or model.name,
        adapter=adapter or model.adapter,
        dtype=dtype or model.dtype,
    )


def without_password(url: str) -> str:
    """An address without a user and a password, should someone have written them there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
