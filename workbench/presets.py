"""Settings of a run that go together, which settings matter for what, and what is unwise.

Knows settings only, so that it answers as one types.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from workbench.session import Session, SessionError
from workbench.settings import Task, TrainingSettings
from workbench.usual import BILLION, LORA_LIKE, RATES, VIRTUAL, learning_rate

Changes = dict[str, Any]  # setting, such as training.lora_r → value
WRITES = ("sft", "pretraining", "seq2seq", "dpo", "kto", "orpo", "grpo")  # tasks that end in text
PREFERENCES = ("dpo", "kto", "orpo", "reward")
# Tasks whose metrics need answers, to metric_rows rows; those of the others come with the loss.
ANSWERED = ("sft", "seq2seq")
LOSS = ("loss", "", "auto")  # metric_for_best_model, where it needs no answers


@dataclass(frozen=True)
class Preset:
    """`words`: one sentence on what it does."""

    name: str
    title: str
    words: str
    changes: "Callable[[Aim], Changes]"


@dataclass(frozen=True)
class Aim:
    """What a preset goes by; numbers are 0 where they are not known."""

    session: Session
    task: Task
    parameters: float = 0
    rows: int = 0

    @property
    def large(self) -> bool:
        return self.parameters >= BILLION


def quick(aim: Aim) -> Changes:
    longest = aim.session.training.max_length
    return {
        "training.rows": 200,
        "training.max_steps": 20 if aim.large else 40,
        "training.num_train_epochs": 1.0,
        "training.learning_rate": 0.0,
        "training.per_device_train_batch_size": 4,
        "training.gradient_accumulation_steps": 1,
        "training.max_length": min(longest, 256),
        "training.evaluation_rows": 40,
        "training.metric_rows": answered_rows(aim),
        "training.pinned_count": 1,
        "training.eval_steps": 10 if aim.large else 20,
        "training.save_steps": 0,
        "training.early_stopping_patience": 0,
        "training.lr_scheduler_type": "linear",
        "training.warmup_steps": 0.05,
    }


def balanced(aim: Aim) -> Changes:
    return {
        "training.rows": 0,
        "training.max_steps": -1,
        "training.num_train_epochs": 2.0 if aim.task in ("classification", "seq2seq") else 1.0,
        "training.learning_rate": 0.0,
        "training.per_device_train_batch_size": 0,
        "training.gradient_accumulation_steps": 1,
        "training.evaluation_rows": 200,
        "training.metric_rows": answered_rows(aim),
        "training.pinned_count": 3,
        "training.eval_steps": 50,
        "training.save_steps": 50,
        "training.early_stopping_patience": 0,
        "training.lr_scheduler_type": "linear",
        "training.warmup_steps": 0.03,
        "training.weight_decay": 0.01 if aim.session.training.method == "full" else 0.0,
        **lora(aim, rank=16, dropout=0.0),
    }


def best(aim: Aim) -> Changes:
    epochs = {"grpo": 1.0, "dpo": 2.0, "kto": 2.0, "orpo": 2.0, "reward": 1.0, "pretraining": 2.0}
    many = aim.rows > 50_000
    return {
        **balanced(aim),
        "training.num_train_epochs": 1.0 if many else epochs.get(aim.task, 3.0),
        "training.evaluation_rows": 500,
        "training.early_stopping_patience": 4,
        "training.lr_scheduler_type": "cosine",
        "training.warmup_steps": 0.06,
        **lora(aim, rank=32, dropout=0.05),
    }


def answered_rows(aim: Aim) -> int:
    """None, for answers that are written cost more than what they tell; but as many as the session
    has where a figure of answers says which checkpoint is the best."""
    settings = aim.session.training
    by_loss = settings.metric_for_best_model.removeprefix("eval_") in LOSS
    return 0 if by_loss or aim.task not in (*ANSWERED, "auto") else settings.metric_rows


def lora(aim: Aim, *, rank: int, dropout: float) -> Changes:
    if aim.session.training.method not in LORA_LIKE:
        return {}
    return {
        "training.lora_r": rank,
        # rslora divides by the root of the rank: twice the rank would be far too strong
        "training.lora_alpha": rank if aim.session.training.method == "rslora" else 2 * rank,
        "training.lora_dropout": dropout,
        "training.target_modules": [],
    }


PRESETS: tuple[Preset, ...] = (
    Preset(
        "quick",
        "quick look",
        "A few steps on 200 rows, in minutes: to see that all works and the loss falls.",
        quick,
    ),
    Preset(
        "balanced",
        "balanced",
        "All rows once or twice at the usual learning rate: most of what there is to gain.",
        balanced,
    ),
    Preset(
        "best",
        "best",
        "As many epochs as the task gains by, with more to learn with, stopped once evaluations "
        "get no better; the best checkpoint counts.",
        best,
    ),
)


def changes(
    session: Session, name: str, task: str = "auto", parameters: float = 0, rows: int = 0
) -> Changes:
    """What a preset changes in a session, by setting.

    Raises:
        SessionError: where there is no such preset.
    """
    preset = next((one for one in PRESETS if name in (one.name, one.title)), None)
    if preset is None:
        raise SessionError(
            f'There is no preset "{name}"; there is {", ".join(one.name for one in PRESETS)}.'
        )
    return preset.changes(Aim(session, named(task), parameters, rows))


def named(task: str) -> Task:
    """The task of that name; "auto" where there is none."""
    known: tuple[Task, ...] = get_args(Task)
    return next((one for one in known if one == task), known[0])


def apply(
    session: Session, name: str, task: str = "auto", parameters: float = 0, rows: int = 0
) -> Session:
    """The session as a preset has it.

    Raises:
        SessionError: where there is no such preset.
    """
    made = changes(session, name, task, parameters, rows)
    training = {key.removeprefix("training."): value for key, value in made.items()}
    return replace(session, training=replace(session.training, **training))


# --- which settings matter -------------------------------------------------------------------

# Settings that matter for some tasks only, and for some methods only.
OF_TASKS: dict[str, tuple[str, ...]] = {
    "classification": ("classification",),
    "masking": ("masked_lm",),
    "preference": PREFERENCES,
    "preference.loss_type": ("dpo",),
    "preference.label_smoothing": ("dpo",),
    "preference.beta": ("dpo", "kto", "orpo"),
    "reinforcement": ("grpo",),
    "label_smoothing_factor": ("seq2seq", "classification"),
    "metric_rows": ANSWERED,
    "packing": ("sft", "pretraining"),
    "overlong": ("sft", "pretraining", "masked_lm", "classification", "seq2seq", "reward"),
    "pinned": (*WRITES, "classification", "masked_lm"),
    "pinned_count": (*WRITES, "classification", "masked_lm"),
    "train_sampling_strategy": ("sft", "classification", "masked_lm", "seq2seq"),
}
OF_METHODS: dict[str, tuple[str, ...]] = {
    "lora_r": LORA_LIKE,
    "lora_alpha": LORA_LIKE,
    "lora_dropout": LORA_LIKE,
    "target_modules": LORA_LIKE,
    "virtual_tokens": VIRTUAL,
    "keep_base": ("full",),
    "freeze_layers": ("full", *LORA_LIKE),
    "freeze_embeddings": ("full",),
}


def relevant(session: Session, task: str = "auto") -> set[str]:
    """The settings of a run, such as training.lora_r, that matter for the task and the session's
    method; of the task "auto" all that may."""
    settings = session.training
    found = set()
    for name in leaves(TrainingSettings):
        sections = (name, name.partition(".")[0])
        tasks = [OF_TASKS[one] for one in sections if one in OF_TASKS]
        methods = [OF_METHODS[one] for one in sections if one in OF_METHODS]
        if task != "auto" and any(task not in one for one in tasks):
            continue
        if any(settings.method not in one for one in methods):
            continue
        if name == "virtual_tokens.text" and settings.virtual_tokens.init != "text":
            continue
        if name == "early_stopping_threshold" and not settings.early_stopping_patience:
            continue
        if name == "num_train_epochs" and settings.max_steps > 0:
            continue
        found.add(f"training.{name}")
    return found


def leaves(section: Any, before: str = "") -> Iterable[str]:
    """The settings of a table and of the tables in it: masking.mlm_probability, seed, …"""
    for one in msgspec.structs.fields(section):
        if isinstance(one.type, type) and issubclass(one.type, msgspec.Struct):
            yield from leaves(one.type, f"{before}{one.name}.")
        else:
            yield before + one.name


# --- what is unwise --------------------------------------------------------------------------


def advice_on(session: Session, task: str = "auto", rows: int = 0) -> list[tuple[str, str]]:
    """(setting, what is unwise about it); nothing here keeps a run from beginning.

    `rows` to train on, 0 where they are not known.
    """
    chosen = session.training.task
    meant = named(task) if chosen == "auto" else chosen
    found = [
        *of_rate(session.training, meant),
        *of_lora(session.training),
        *of_steps(session.training, rows),
        *of_evaluations(session.training, meant),
        *of_task(session.training, meant),
    ]
    return [(f"training.{name}", words) for name, words in found]


Found = list[tuple[str, str]]


def of_rate(settings: TrainingSettings, task: Task) -> Found:
    rate, method = settings.learning_rate, settings.method
    if not rate:
        return []
    usual, _ = learning_rate(task, method)
    low, high = usual.low, usual.high
    if task == "auto" and method not in VIRTUAL:
        rates = [pair[0 if method == "full" else 1] for pair in RATES.values()]
        low, high = min(one.low for one in rates), max(one.high for one in rates)
    if rate > high:
        return [
            (
                "learning_rate",
                f"{rate:g} is far above what is usual with {method} ({usual.usual:g}): the loss "
                "may jump or become no number.",
            )
        ]
    if rate < low:
        return [
            (
                "learning_rate",
                f"{rate:g} is far below what is usual with {method} ({usual.usual:g}): hardly "
                "anything would be learnt.",
            )
        ]
    return []


def of_lora(settings: TrainingSettings) -> Found:
    if settings.method not in LORA_LIKE:
        return []
    found: Found = []
    divisor = math.sqrt(settings.lora_r) if settings.method == "rslora" else settings.lora_r
    scale = settings.lora_alpha / divisor
    if not 0.5 <= scale <= 8:
        by = "the root of lora_r" if settings.method == "rslora" else "lora_r"
        size = "strong" if scale > 8 else "weak"
        found.append(
            (
                "lora_alpha",
                f"What is learnt counts {scale:.3g} times (lora_alpha / {by}), which is {size}; "
                f"usual is 1 to 2: {max(1, round(divisor))} to {max(1, round(2 * divisor))}.",
            )
        )
    if settings.lora_r > 256:
        found.append(("lora_r", "A rank above 256 costs as much as full and seldom learns more."))
    if settings.lora_dropout > 0.3:
        found.append(
            ("lora_dropout", f"{settings.lora_dropout:g} leaves out most of what is learnt.")
        )
    return found


def of_steps(settings: TrainingSettings, rows: int) -> Found:
    found: Found = []
    if settings.num_train_epochs > 10 and settings.max_steps < 0:
        found.append(
            (
                "num_train_epochs",
                f"{settings.num_train_epochs:g} epochs repeat the rows by heart; 1 to 3 are usual, "
                "and early_stopping_patience ends a run that no longer gets better.",
            )
        )
    if settings.max_steps == 0:
        found.append(("max_steps", "0 counts as -1: the epochs say how many steps there are."))
    total = steps(settings, rows)
    warmup = settings.warmup_steps
    warming = math.ceil(warmup * total) if warmup < 1 else int(warmup)  # as transformers counts
    if warming and 0 < total <= warming and settings.lr_scheduler_type != "constant":
        words = (
            f"All {total:,} steps are warmup: the learning rate is never reached; set it to 0.03, "
            "a share of the steps."
            if total > 1
            else "The only step is warmup, with a learning rate of 0: nothing is learnt; set it "
            "to 0."
        )
        found.append(("warmup_steps", words))
    elif 0.5 < warmup < 1:
        found.append(("warmup_steps", f"{warmup:.0%} of all steps are warmup; usual is 3 to 10 %."))
    a_step = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    there = settings.rows if settings.rows and (not rows or settings.rows < rows) else rows
    if there and a_step > there:
        found.append(
            (
                "per_device_train_batch_size",
                f"A step would take {a_step:,} rows and there are {there:,}: an epoch is one step; "
                "make it smaller.",
            )
        )
    elif a_step > 256 and settings.task not in ("pretraining", "masked_lm"):
        found.append(
            (
                "gradient_accumulation_steps",
                f"A step takes {a_step:,} rows: few steps learn little; 4 to 64 are usual.",
            )
        )
    return found


def steps(settings: TrainingSettings, rows: int) -> int:
    """Steps of the run; 0 where they are not known."""
    if settings.max_steps > 0:
        return settings.max_steps
    used = min(settings.rows or rows, rows or settings.rows)
    size = settings.per_device_train_batch_size
    if not used or not size:
        return 0
    an_epoch = math.ceil(math.ceil(used / size) / settings.gradient_accumulation_steps)
    return math.ceil(an_epoch * settings.num_train_epochs)


def of_evaluations(settings: TrainingSettings, task: Task) -> Found:
    found: Found = []
    evaluates = settings.evaluation_rows > 0
    metric = settings.metric_for_best_model.removeprefix("eval_")
    if settings.early_stopping_patience and not (evaluates and settings.eval_steps):
        found.append(
            (
                "early_stopping_patience",
                "Without evaluations nothing can be stopped early; set evaluation_rows and "
                "eval_steps.",
            )
        )
    answered = task in ANSWERED and not settings.metric_rows
    if metric not in LOSS and answered:
        found.append(
            ("metric_for_best_model", f"{metric} is only measured where metric_rows is not 0.")
        )
    odd = settings.save_steps and settings.eval_steps and settings.save_steps % settings.eval_steps
    if evaluates and odd:
        found.append(
            (
                "save_steps",
                f"Checkpoints come every {settings.save_steps} steps and evaluations every "
                f"{settings.eval_steps}: which checkpoint is the best is known only where both "
                "come; make save_steps a multiple of eval_steps.",
            )
        )
    if settings.metric_rows and task not in (*ANSWERED, "auto"):
        why = f"the metrics of {task} come with the loss of all evaluation_rows"
        found.append(("metric_rows", f"It changes nothing: {why}."))
    elif settings.metric_rows > max(settings.evaluation_rows, 1):
        found.append(
            ("metric_rows", f"No more than the {settings.evaluation_rows} evaluation rows count.")
        )
    return found


def of_task(settings: TrainingSettings, task: Task) -> Found:
    found: Found = []
    if task in PREFERENCES and settings.preference.beta > 1:
        found.append(("preference.beta", "Above 1 the model hardly moves; 0.01 to 0.5 are usual."))
    if task == "masked_lm" and settings.masking.mlm_probability > 0.5:
        found.append(
            (
                "masking.mlm_probability",
                "More than half of the words hidden leaves too little to guess from.",
            )
        )
    drawn = settings.reinforcement.num_generations
    size = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    if task == "grpo" and size and size % drawn:
        found.append(
            (
                "reinforcement.num_generations",
                f"A step's {size} answers are no multiple of num_generations ({drawn}).",
            )
        )
    if task == "grpo" and settings.reinforcement.temperature < 0.3:
        found.append(
            (
                "reinforcement.temperature",
                "So low the answers to a prompt are all alike, and there is nothing to compare.",
            )
        )
    if task in VIRTUAL_UNLIKELY and settings.method in VIRTUAL:
        found.append(
            ("method", f"{settings.method} is seldom enough for {task}; lora learns more.")
        )
    if settings.weight_decay > 0.3:
        found.append(("weight_decay", "So strong it keeps the model from learning; 0 to 0.1."))
    return found


VIRTUAL_UNLIKELY = ("pretraining", "masked_lm", "dpo", "kto", "orpo", "grpo", "reward")
