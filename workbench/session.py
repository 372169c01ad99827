"""A session: everything needed to do a piece of work again, and its TOML.

Knows the shape and the limits of every setting; knows nothing of models, datasets or the screen.
Field names are those of the libraries that use them (transformers, peft, datasets).
"""

import difflib
import os
import re
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

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


class SessionError(Exception):
    """A session file that cannot be used; the text is one sentence for the person."""


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
        Meta(description="The environment variable that holds the server's key; it may be unset."),
    ] = "OPENAI_API_KEY"
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
    candidates: Annotated[int, Meta(ge=1, description="Prompts to try, with random.")] = 24
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


class Session(Section):
    version: Literal[1] = 1
    description: str = ""
    model: ModelSettings = ModelSettings()
    dataset: DatasetSettings = DatasetSettings()
    active_prompt: Annotated[
        str, Meta(description="Name of the prompt in use; empty: the first.")
    ] = ""
    prompts: Annotated[list[Prompt], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: [Prompt()]
    )
    generation: GenerationSettings = GenerationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    optimize: OptimizeSettings = OptimizeSettings()
    training: TrainingSettings = TrainingSettings()
    layout: LayoutSettings = LayoutSettings()

    def prompt(self) -> Prompt:
        """The prompt in use."""
        named = [prompt for prompt in self.prompts if prompt.name == self.active_prompt]
        return named[0] if named else self.prompts[0]

    def with_prompt(self, prompt: Prompt) -> "Session":
        """The same session with the prompt in use replaced by this one."""
        current = self.prompt()
        prompts = [prompt if one is current else one for one in self.prompts]
        return msgspec.structs.replace(self, prompts=prompts, active_prompt=prompt.name)

    def named(self, name: str) -> Prompt:
        """The prompt of this name.

        Raises:
            SessionError: where there is none.
        """
        for prompt in self.prompts:
            if prompt.name == name:
                return prompt
        raise SessionError(
            f"There is no prompt {name} in the session; there is "
            f"{', '.join(prompt.name for prompt in self.prompts)}."
        )

    def model_of(self, prompt: Prompt) -> ModelSettings:
        """The model that answers a prompt: its own, else the session's."""
        return prompt.model or self.model

    def generation_of(self, prompt: Prompt) -> GenerationSettings:
        return prompt.generation or self.generation


def workspace(path: Path) -> Path:
    """The folder a session works in: relative names in it start here, its runs are in `runs/`.

    It is the folder that holds `sessions/` for a file in such a folder, else the file's own.
    """
    folder = path.absolute().parent
    return folder.parent if folder.name == "sessions" else folder


def loads(text: str, name: str = "session") -> Session:
    """A session from TOML.

    Raises:
        SessionError: naming the file, the key or line, and what was expected.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SessionError(
            f"{name} is not valid TOML: {error}. Correct it and try again."
        ) from None
    try:
        session = msgspec.convert(document, Session)
    except msgspec.ValidationError as error:
        raise SessionError(f"{name}: {explain(str(error), document)}") from None
    names = [prompt.name for prompt in session.prompts]
    if repeated := {one for one in names if names.count(one) > 1}:
        raise SessionError(
            f'{name}: prompts: two are named "{repeated.pop()}"; give each a name of its own.'
        )
    if session.active_prompt and session.active_prompt not in names:
        raise SessionError(
            f'{name}: active_prompt: there is no prompt "{session.active_prompt}"; '
            f"there is {', '.join(names)}."
        )
    return session


def explain(error: str, document: dict[str, Any]) -> str:
    """One sentence from a msgspec error: the key, what was expected, and what is there."""
    problem, _, path = error.partition(" - at `")
    key = path.rstrip("`").removeprefix("$").removeprefix(".")
    if problem.startswith("Invalid enum value"):
        problem = f"Expected one of {', '.join(map(str, choices(key)))}"
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", problem):
        known = [field.name for field in msgspec.structs.fields(section_at(key))]
        close = difflib.get_close_matches(unknown[1], known, 1)
        where = f"{key}.{unknown[1]}" if key else unknown[1]
        hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}."
        return f"{where}: there is no such key; {hint}"
    found: Any = document
    for part in re.findall(r"[^.\[\]]+", key):
        with suppress(KeyError, IndexError, TypeError, ValueError):
            found = found[int(part)] if isinstance(found, list) else found[part]
    problem = problem[0].lower() + problem[1:].replace("`", "")
    there = "" if isinstance(found, dict | list) else f"; it is {found!r}"
    return f"{key or 'the file'}: {problem}{there}."


def section_at(key: str) -> Any:
    """The table that a key leads to, such as prompts[0].examples."""
    section: Any = Session
    for part in re.findall(r"[A-Za-z_]\w*", key):
        section = section_in(
            next(f.type for f in msgspec.structs.fields(section) if f.name == part)
        )
    return section


def section_in(kind: Any) -> Any:
    """The table in a field's type: of a list its element, of one that may be missing itself."""
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return next((found for part in get_args(kind) if (found := section_in(part))), None)


def choices(key: str) -> tuple[Any, ...]:
    """The values that a key with a list of them may have."""
    sections, _, name = re.sub(r"\[[^\]]*\]$", "", key).rpartition(".")
    kind = next(f.type for f in msgspec.structs.fields(section_at(sections)) if f.name == name)
    while get_origin(kind) in (Annotated, list):
        kind = get_args(kind)[0]
    return get_args(kind)


def load(path: Path) -> Session:
    """Read a session file.

    Raises:
        SessionError: naming the file, the key or line, and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SessionError(
            f"{path}: there is no such session; make it with: workbench new {path}"
        ) from None
    except UnicodeDecodeError as error:
        raise SessionError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except OSError as error:
        raise SessionError(f"{path} cannot be read: {error.strerror}.") from None
    return loads(text, str(path))


def dumps(session: Session) -> str:
    """The session as TOML; every key is written, so that the file says all there is to set."""
    import tomli_w

    document = without_none(msgspec.to_builtins(session))
    # TOML reads a line end inside a multi-line string as \n: text with \r must stay on one line.
    plain = b"\\r" not in msgspec.json.encode(document)
    return tomli_w.dumps(document, multiline_strings=plain)


def without_none(value: Any) -> Any:
    """The same without keys that hold nothing: TOML has no word for it."""
    if isinstance(value, dict):
        return {key: without_none(one) for key, one in value.items() if one is not None}
    return [without_none(one) for one in value] if isinstance(value, list) else value


def save(session: Session, path: Path) -> str:
    """Write the session so that the file is at every moment the old or the new one, whole.

    Returns the text written.

    Raises:
        SessionError: when it cannot be written; the old file is as it was.
    """
    text = dumps(session)
    replace_file(path, text)
    return text


def replace_file(path: Path, text: str) -> None:
    """Replace a file's content in one step: a temporary file, synced, then renamed."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve()  # a link stays a link
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):
            os.chmod(temporary, target.stat().st_mode & 0o777 if target.exists() else 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
        raise SessionError(
            f"{path} cannot be saved: {error.strerror}. Nothing is lost: the old file is as it "
            "was; make room or choose another place, then save again."
        ) from None


def schema() -> dict[str, Any]:
    """The JSON Schema of a session file."""
    return msgspec.json.schema(Session)
