"""How answers are measured, and the search for a better prompt."""

from typing import Annotated, Literal

from msgspec import Meta

from workbench.settings.base import (
    Metric,
    Positive,
    Section,
    Seed,
)
from workbench.settings.models import ModelSettings


class JudgeSettings(Section):
    """A model that grades answers."""

    model: Annotated[
        ModelSettings | None, Meta(description="Who judges; none: the session's model.")
    ] = None
    rubric: Annotated[
        str, Meta(description="What makes a good answer, in words; the judge reads it.")
    ] = ""
    lowest: Annotated[int, Meta(description="The grade of the worst answer.")] = 1
    highest: Annotated[int, Meta(description="The grade of the best; above lowest.")] = 5


class EvaluationSettings(Section):
    rows: Annotated[int, Meta(ge=1, description="Rows of the evaluation split to measure.")] = 300
    labels: Annotated[
        list[str],
        Meta(description="Answers to choose among; empty: those that occur in the rows, if few."),
    ] = []
    batch_size: Annotated[
        Positive,
        Meta(
            description="Without effect: as many rows are computed together as fit. Kept so that "
            "sessions of before can be read."
        ),
    ] = 16
    answer: Annotated[
        Literal["auto", "choose", "write"],
        Meta(
            description="How the model answers: it chooses among the labels by their probability, "
            "or writes; auto: chooses where there are labels."
        ),
    ] = "auto"
    metrics: Annotated[
        list[Metric],
        Meta(
            description="The first one decides; empty: as the answers are, and of rows with a "
            "chosen and a rejected answer which of them is preferred."
        ),
    ] = []
    pattern: Annotated[
        str, Meta(description="For the metric regex: what a right answer matches, in Jinja.")
    ] = ""
    json_schema: Annotated[
        str, Meta(description="For the metric json_schema: a schema, or a file that holds one.")
    ] = ""
    function: Annotated[
        str,
        Meta(
            description="For the metric function: file.py:name, a Python function of "
            "(answer, expected, row) that returns a number or true or false."
        ),
    ] = ""
    ignore_case: Annotated[bool, Meta(description="Of exact_match and contains.")] = False
    ignore_punctuation: Annotated[bool, Meta(description="Of exact_match and contains.")] = False
    judge: JudgeSettings = JudgeSettings()
    reward_model: Annotated[
        str,
        Meta(
            description="For the metric reward: a run of the task reward, or a folder of a reward "
            "model, that scores the answers."
        ),
    ] = ""


class OptimizeSettings(Section):
    """The search for a better prompt."""

    method: Annotated[
        Literal["random", "gepa"],
        Meta(
            description="random: examples and wordings are drawn, no second model is needed; "
            "gepa: a model reflects on the mistakes and words the instruction anew."
        ),
    ] = "random"
    metric: Annotated[str, Meta(description="Empty: the one that decides in evaluation.")] = ""
    candidates: Annotated[int, Meta(ge=1, description="Prompts to try, with random.")] = 30
    max_metric_calls: Annotated[int, Meta(ge=10, description="Answers to pay for, with gepa.")] = (
        1500
    )
    rows: Annotated[
        int, Meta(ge=4, description="Development rows, drawn from those to train on.")
    ] = 150
    most_examples: Annotated[
        int, Meta(ge=0, le=64, description="Examples in a prompt that is tried, with random.")
    ] = 16
    instructions: Annotated[
        list[str],
        Meta(description="Instructions to try beside the prompt's own; empty: some are made."),
    ] = []
    reflection_model: Annotated[
        ModelSettings | None, Meta(description="Who reflects, with gepa; none: the session's.")
    ] = None
    seed: Seed = 0
