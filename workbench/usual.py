"""Usual values of settings, by task and method: what is chosen where it is left open, and how far
from it something is odd. Knows settings only.
"""

from dataclasses import dataclass

from workbench.settings import Method, SweepSettings, Task, TrainingSettings

BILLION = 1e9
LORA_LIKE: tuple[Method, ...] = ("lora", "dora", "rslora", "qlora")
VIRTUAL: tuple[Method, ...] = ("prompt_tuning", "prefix_tuning")


@dataclass(frozen=True)
class Rate:
    """A learning rate: the usual one, and from where to where it is nothing odd."""

    low: float
    usual: float
    high: float


# Full fine-tuning, LoRA and its kind. The usual rates are those of the papers and of the libraries'
# examples: BERT 2e-5 to 5e-5 (Devlin et al., 2018), LoRA ten times full, preferences far below.
RATES: dict[Task, tuple[Rate, Rate]] = {
    "sft": (Rate(2e-6, 5e-5, 2e-4), Rate(2e-5, 2e-4, 2e-3)),
    "pretraining": (Rate(5e-6, 5e-5, 5e-4), Rate(5e-5, 2e-4, 2e-3)),
    "masked_lm": (Rate(1e-5, 5e-5, 3e-4), Rate(5e-5, 3e-4, 2e-3)),
    "classification": (Rate(5e-6, 5e-5, 2e-4), Rate(5e-5, 3e-4, 3e-3)),
    "seq2seq": (Rate(1e-5, 1e-4, 1e-3), Rate(5e-5, 3e-4, 3e-3)),
    "dpo": (Rate(1e-7, 2e-6, 2e-5), Rate(1e-6, 2e-5, 5e-4)),
    "kto": (Rate(1e-7, 2e-6, 2e-5), Rate(1e-6, 2e-5, 5e-4)),
    "orpo": (Rate(1e-6, 8e-6, 1e-4), Rate(5e-6, 5e-5, 5e-4)),
    "reward": (Rate(1e-6, 1e-5, 1e-4), Rate(1e-5, 1e-4, 1e-3)),
    "grpo": (Rate(1e-7, 2e-6, 2e-5), Rate(1e-6, 2e-5, 2e-4)),
}
VIRTUAL_RATES: dict[Method, Rate] = {
    "prompt_tuning": Rate(1e-3, 3e-2, 0.5),
    "prefix_tuning": Rate(5e-4, 1e-2, 0.2),
}


def learning_rate(task: Task, method: Method, parameters: float = 0) -> tuple[Rate, str]:
    """The usual learning rate, and why. `parameters` of the model, 0 where they are not known.

    Of the task "auto" that of sft, with a range that holds for any but preferences.
    """
    if method in VIRTUAL:
        words = method.replace("_", " ")
        return VIRTUAL_RATES[method], f"{words} moves few numbers, which need long steps"
    full, lora = RATES["sft" if task == "auto" else task]
    rate = full if method == "full" else lora
    why = f"usual for {task} with {method}" if task != "auto" else f"usual with {method}"
    if parameters >= 3 * BILLION:
        return Rate(rate.low, rate.usual / 2, rate.high), f"{why}, half of it for a large model"
    if method == "full" and task in ("classification", "masked_lm") and parameters >= BILLION / 4:
        return Rate(rate.low, 3e-5, rate.high), f"{why}, rather low for a large encoder"
    return rate, why


def ranges_tried(sweep: SweepSettings, settings: TrainingSettings) -> dict[str, str]:
    """What a sweep tries, as a session writes it: what it names, or else around the settings."""
    return sweep.ranges or ranges_around(settings)


def ranges_around(settings: TrainingSettings) -> dict[str, str]:
    """The learning rate and, with LoRA, its rank, around what they are."""
    rate = settings.learning_rate or learning_rate(settings.task, settings.method)[0].usual
    found = {"training.learning_rate": f"{rate / 5:g}..{rate * 5:g} log"}
    if settings.method in LORA_LIKE:
        rank = settings.lora_r
        found["training.lora_r"] = f"{max(1, rank // 2)}, {rank}, {2 * rank}"
    return found


def rows_in_memory(rows: int) -> tuple[int, str]:
    """Rows of a batch, and why. Measured on film reviews: from 1,000 of them batches of 4 learnt
    more in an epoch than of 8 or 16."""
    if rows <= 2000:
        return 4, f"of {rows:,} rows small steps learn the most"
    if rows <= 6000:
        return 8, f"{rows:,} rows make enough steps of 8"
    return 16, f"{rows:,} rows make enough steps of 16, which are steadier"
