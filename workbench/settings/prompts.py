"""A wording of the task: turns, examples, the answer expected."""

from typing import Annotated, Literal

from msgspec import Meta

from workbench.settings.base import (
    Section,
    Seed,
)
from workbench.settings.models import GenerationSettings, ModelSettings


class Turn(Section):
    """A turn of the conversation before the row's own: a typed example, say."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Meta(description="In Jinja, as the template.")] = ""


class ExampleSettings(Section):
    """Rows of the dataset that stand before the row's own turn, worded as it is."""

    choose: Annotated[
        Literal["first", "random", "balanced", "nearest", "picked"],
        Meta(
            description="Which rows: the first, at random by seed, as many of each answer, the "
            "nearest in meaning to the row, or those in rows."
        ),
    ] = "random"
    count: Annotated[int, Meta(ge=0, le=200, description="0: none.")] = 0
    seed: Seed = 0
    rows: Annotated[
        list[str], Meta(description="Picked rows: number, colon, a hash of the content.")
    ] = []
    embedder: Annotated[
        str, Meta(description="The encoder by which rows are near: a starter, a folder, a hub id.")
    ] = "minilm-l6"

    @property
    def wanted(self) -> int:
        """How many are asked for; picked ones are as many as are picked."""
        return len(self.rows) if self.choose == "picked" else self.count


class Prompt(Section):
    """One wording of the task: a variant. Turns made from a row, and the answer expected for it."""

    name: Annotated[str, Meta(min_length=1)] = "first"
    system: Annotated[str, Meta(description="The system turn; may be empty.")] = ""
    turns: Annotated[list[Turn], Meta(description="Turns between system and template.")] = []
    examples: ExampleSettings = ExampleSettings()
    template: Annotated[
        str, Meta(description="The user's turn, in Jinja: {{ column }} is filled from the row.")
    ] = ""
    answer_start: Annotated[
        str, Meta(description="What the answer begins with: the model goes on from it.")
    ] = ""
    completion: Annotated[
        str,
        Meta(description="The answer to learn and to measure against, in Jinja; may be empty."),
    ] = ""
    generation: Annotated[
        GenerationSettings | None, Meta(description="Of this variant; none: the session's.")
    ] = None
    model: Annotated[
        ModelSettings | None, Meta(description="Of this variant; none: the session's.")
    ] = None
