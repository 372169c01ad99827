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


class Prompt(Section):
    """One wording of the task: a chat turn made from a row, and the answer expected for it."""

    name: Annotated[str, Meta(min_length=1)] = "first"
    system: Annotated[str, Meta(description="The system turn; may be empty.")] = ""
    template: Annotated[
        str, Meta(description="The user's turn, in Jinja: {{ column }} is filled from the row.")
    ] = ""
    completion: Annotated[
        str,
        Meta(description="The answer to learn and to measure against, in Jinja; may be empty."),
    ] = ""


class GenerationSettings(Section):
    max_new_tokens: Positive = 128
    do_sample: bool = False
    temperature: PositiveFloat = 0.7
    top_p: Share = 0.95
    top_k: Annotated[int, Meta(ge=0, description="0 keeps every token.")] = 50
    repetition_penalty: PositiveFloat = 1.0
    seed: NotNegative = 0


class EvaluationSettings(Section):
    rows: Annotated[int, Meta(ge=1, description="Rows of the evaluation split to measure.")] = 300
    labels: Annotated[
        list[str],
        Meta(description="Answers to choose among; empty: those that occur in the rows, if few."),
    ] = []
    batch_size: Positive = 16


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
        section: Any = Session
        for part in filter(None, re.split(r"\.|\[\d+\]|\[\.\.\.\]", key)):
            section = next(f.type for f in msgspec.structs.fields(section) if f.name == part)
            section = Prompt if part == "prompts" else section
        known = [field.name for field in msgspec.structs.fields(section)]
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


def choices(key: str) -> tuple[Any, ...]:
    """The values that a key with a list of them may have."""
    *sections, name = key.split(".")
    section: Any = Session
    for part in sections:
        section = next(f.type for f in msgspec.structs.fields(section) if f.name == part)
    kind = next(f.type for f in msgspec.structs.fields(section) if f.name == name)
    if get_origin(kind) is Annotated:
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

    document = msgspec.to_builtins(session)
    # TOML reads a line end inside a multi-line string as \n: text with \r must stay on one line.
    plain = b"\\r" not in msgspec.json.encode(document)
    return tomli_w.dumps(document, multiline_strings=plain)


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
