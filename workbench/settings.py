"""The settings of a session: their shapes, limits and what they mean.

Field names are those of the libraries that use them (transformers, peft, datasets). Knows nothing
of files.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
Pane = Literal["dataset", "prompt", "output", "monitor"]
DataFormat = Literal[
    "auto",
    "wording",  # whatever the columns are: the prompt pane's template and completion say it
    "text",
    "prompt_completion",
    "messages",
    "sharegpt",
    "alpaca",
    "preference",
    "classification",
    "translation",
]
ProblemKind = Literal[
    "duplicates",  # all but the first of equal rows
    "near_duplicates",
    "overlap",  # rows of the training side that are in the evaluation side, too
    "empty",
    "encoding",
    "mixed_types",
    "control_characters",
]


Metric = Literal[
    "accuracy",
    "macro_f1",
    "matthews",
    "exact_match",
    "contains",
    "regex",
    "json_schema",
    "function",
    "bleu",
    "chrf",
    "ter",
    "rouge1",
    "rouge2",
    "rougeL",
    "perplexity",
    "calibration",
    "judge",
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the session file."""


class ModelSettings(Section):
    name: Annotated[
        str, Meta(min_length=1, description="A starter, a hub id, a local folder or a GGUF file.")
    ] = "smollm2-135m-instruct"
    revision: Annotated[str, Meta(description="Branch, tag or commit of a hub id.")] = ""
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32"],
        Meta(description="auto: bfloat16 where the processor is good at it, else float32."),
    ] = "auto"
    device: Annotated[str, Meta(description="auto, cpu, cuda, cuda:1, mps, xpu.")] = "auto"
    trust_remote_code: Annotated[
        bool, Meta(description="Run Python code that comes with this model and revision.")
    ] = False
    adapter: Annotated[
        str, Meta(description="A run's name or a folder holding a LoRA adapter; empty for none.")
    ] = ""
    url: Annotated[
        str,
        Meta(
            description="An OpenAI-compatible server that answers: http://localhost:8000/v1, say; "
            "name is its name for the model. Empty: the model is loaded here."
        ),
    ] = ""
    api_key_env: Annotated[
        str,
        Meta(
            description="The environment variable that holds the server's key, such as "
            "OPENAI_API_KEY. Empty: none is sent, so that no session can send a key of yours to "
            "a server of its own."
        ),
    ] = ""
    concurrency: Annotated[
        int, Meta(ge=1, le=256, description="Requests to the server at the same time.")
    ] = 8
    timeout: Annotated[float, Meta(gt=0, description="Seconds to wait for the server.")] = 60.0
    max_retries: Annotated[
        int,
        Meta(ge=0, le=20, description="How often a request that the server refused is retried."),
    ] = 4


class DatasetSettings(Section):
    source: Annotated[
        str,
        Meta(min_length=1, description="A starter, a file, a folder, a glob of files or a hub id."),
    ] = "film-reviews"
    name: Annotated[str, Meta(description="Configuration of a hub dataset.")] = ""
    split: Annotated[str, Meta(min_length=1, description="The split to look at and train on.")] = (
        "train"
    )
    evaluation_split: Annotated[
        str,
        Meta(
            description="The split to measure on; empty: the source's own validation or test "
            "split, else rows held out by content."
        ),
    ] = ""
    evaluation_share: Annotated[
        float,
        Meta(ge=0, lt=1, description="Share of the rows to hold out where there is no such split."),
    ] = 0.05
    evaluation_count: Annotated[
        int, Meta(ge=0, description="Rows to hold out instead of a share; 0: as the share says.")
    ] = 0
    stratify_by: Annotated[
        str, Meta(description="A column each of whose values is held out in the same share.")
    ] = ""
    group_by: Annotated[
        str, Meta(description="A column whose equal values all stay on one side.")
    ] = ""
    split_seed: Annotated[NotNegative, Meta(description="Another number holds out others.")] = 0
    where: Annotated[
        str, Meta(description="Rows to use, such as: rating > 1 and label = 'positive'.")
    ] = ""
    leave_out: Annotated[
        list[ProblemKind], Meta(description="Kinds of problems whose rows are not used.")
    ] = []
    leave_out_rows: Annotated[
        list[str],
        Meta(description="Single rows that are not used: number, colon, a hash of the content."),
    ] = []
    format: Annotated[
        DataFormat, Meta(description="What a row is; auto: recognised by columns and values.")
    ] = "auto"
    mapping: Annotated[
        dict[str, str], Meta(description="Column for each role of the format; empty: recognised.")
    ] = {}


class GenerationSettings(Section):
    max_new_tokens: Positive = 128
    do_sample: bool = False
    temperature: PositiveFloat = 0.7
    top_p: Share = 0.95
    top_k: Annotated[int, Meta(ge=0, description="0 keeps every token.")] = 50
    repetition_penalty: PositiveFloat = 1.0
    seed: NotNegative = 0
    num_return_sequences: Annotated[
        int, Meta(ge=1, le=64, description="Answers to one prompt; each has a seed of its own.")
    ] = 1
    constraint: Annotated[
        Literal["none", "labels", "regex", "json_schema"],
        Meta(
            description="What an answer must be: one of evaluation.labels, a match of pattern, "
            "or JSON of json_schema."
        ),
    ] = "none"
    pattern: Annotated[str, Meta(description="A regular expression for the whole answer.")] = ""
    json_schema: Annotated[
        str, Meta(description="A JSON schema, or the name of a file that holds one.")
    ] = ""


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
    seed: NotNegative = 0
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


class JudgeSettings(Section):
    """A model that grades answers."""

    model: Annotated[
        ModelSettings | None, Meta(description="Who judges; none: the session's model.")
    ] = None
    rubric: Annotated[
        str, Meta(description="What makes a good answer, in words; the judge reads it.")
    ] = ""
    lowest: int = 1
    highest: int = 5


class EvaluationSettings(Section):
    rows: Annotated[int, Meta(ge=1, description="Rows of the evaluation split to measure.")] = 300
    labels: Annotated[
        list[str],
        Meta(description="Answers to choose among; empty: those that occur in the rows, if few."),
    ] = []
    batch_size: Positive = 16
    answer: Annotated[
        Literal["auto", "choose", "write"],
        Meta(
            description="How the model answers: it chooses among the labels by their probability, "
            "or writes; auto: chooses where there are labels."
        ),
    ] = "auto"
    metrics: Annotated[
        list[Metric], Meta(description="The first one decides; empty: as the answers are.")
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
    most_examples: Annotated[int, Meta(ge=0, le=64)] = 16
    instructions: Annotated[
        list[str],
        Meta(description="Instructions to try beside the prompt's own; empty: some are made."),
    ] = []
    reflection_model: Annotated[
        ModelSettings | None, Meta(description="Who reflects, with gepa; none: the session's.")
    ] = None
    seed: NotNegative = 0


class TrainingSettings(Section):
    method: Literal["lora"] = "lora"
    rows: Annotated[int, Meta(ge=0, description="Rows to train on, chosen by seed; 0: all.")] = 0
    evaluation_rows: Annotated[
        int, Meta(ge=0, description="Rows for the evaluation loss; 0: none.")
    ] = 200
    learning_rate: PositiveFloat = 2e-4
    num_train_epochs: PositiveFloat = 1.0
    max_steps: Annotated[int, Meta(ge=-1, description="-1: as num_train_epochs says.")] = -1
    per_device_train_batch_size: Positive = 16
    gradient_accumulation_steps: Positive = 1
    warmup_steps: Annotated[
        float, Meta(ge=0, description="A number of steps, or below 1 a share of all steps.")
    ] = 0.03
    lr_scheduler_type: Literal[
        "linear", "cosine", "constant", "constant_with_warmup", "polynomial"
    ] = "linear"
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0
    max_length: Annotated[int, Meta(ge=8, description="Tokens of a row; longer rows are cut.")] = (
        512
    )
    overlong: Annotated[
        Literal["cut", "drop", "split"],
        Meta(
            description="Rows longer than max_length: cut them, drop them, or split a text into "
            "several."
        ),
    ] = "cut"
    train_sampling_strategy: Literal["random", "group_by_length"] = "group_by_length"
    lora_r: Positive = 16
    lora_alpha: Positive = 32
    lora_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    target_modules: Annotated[list[str], Meta(description="Empty: all linear layers.")] = []
    logging_steps: Positive = 1
    eval_steps: Annotated[int, Meta(ge=0, description="0: at the end only.")] = 20
    save_steps: Annotated[int, Meta(ge=0, description="0: at the end only.")] = 20
    save_total_limit: Positive = 2
    seed: NotNegative = 0


class LayoutSettings(Section):
    theme: str = ""
    focus: Pane = "dataset"
    row: Annotated[int, Meta(ge=0, description="The selected row, counted from 0.")] = 0
    run: Annotated[str, Meta(description="The run shown in the monitor; empty: the latest.")] = ""
