"""What is unwise about the settings of a run.

Knows settings only, so that it answers as one types.
"""

import math

from workbench.relevance import ANSWERED, LOSS, PREFERENCES, named
from workbench.session import Session
from workbench.settings import Task, TrainingSettings
from workbench.usual import LORA_LIKE, RATES, VIRTUAL, learning_rate

Found = list[tuple[str, str]]
VIRTUAL_UNLIKELY = ("pretraining", "masked_lm", "dpo", "kto", "orpo", "grpo", "reward")


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
