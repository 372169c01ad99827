"""The card of a model (README.md), made from its run: what it is, how it was made, what was
measured, how to load it.

Text from rows and prompts stands in fences that it cannot end. No row of the data is in it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.exporting.base import Base
from workbench.exporting.trained import Trained
from workbench.inference.heads import Kind
from workbench.text import one_line

TASKS = {
    "sft": "supervised fine-tuning on answers",
    "pretraining": "continued pre-training on running text",
    "masked_lm": "masked language modelling",
    "classification": "classification",
    "seq2seq": "sequence to sequence",
    "dpo": "preference optimisation (DPO)",
    "kto": "preference optimisation (KTO)",
    "orpo": "preference optimisation (ORPO)",
    "reward": "reward modelling",
    "grpo": "reinforcement with a reward function (GRPO)",
}
METHODS = {
    "full": "all weights",
    "lora": "LoRA",
    "dora": "DoRA (weight-decomposed LoRA)",
    "rslora": "rank-stabilised LoRA",
    "qlora": "LoRA over 4-bit weights (QLoRA)",
    "prompt_tuning": "prompt tuning: virtual tokens before the prompt",
    "prefix_tuning": "prefix tuning: virtual keys and values before the prompt",
}
PIPELINES: dict[Kind, str] = {
    "causal": "text-generation",
    "masked": "fill-mask",
    "classifier": "text-classification",
    "seq2seq": "text-generation",
}
SHOWN = (
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "warmup_steps",
    "lr_scheduler_type",
    "optim",
    "weight_decay",
    "max_grad_norm",
    "label_smoothing_factor",
    "max_length",
    "overlong",
    "packing",
    "seed",
)
OF_LORA = ("lora_r", "lora_alpha", "lora_dropout", "target_modules")
NO_LIMITS = (
    "Only what stands above was measured. How it does on other text, in other languages and for "
    "other people than those of the data was not looked at, and it keeps the faults of the model "
    "it was made from."
)


@dataclass(frozen=True)
class Card:
    """All that the card says."""

    trained: Trained
    base: Base
    kind: Kind
    what: str  # model, adapter or gguf
    snippet: str
    dtype: str
    measured: Sequence[str] = ()  # sentences and tables of a comparison of base and tuned
    language: str = "python"  # of the snippet
    notes: Sequence[str] = field(default_factory=tuple)


def write_card(card: Card, folder: Path) -> None:
    """Write README.md."""
    (folder / "README.md").write_text(text_of(card), encoding="utf-8", errors="replace")


def text_of(card: Card) -> str:
    """The card as Markdown, with the front matter that the hub reads."""
    from huggingface_hub import ModelCardData

    trained = card.trained
    data = ModelCardData(
        base_model=card.base.name if card.base.on_hub else None,
        license=card.base.licence or None,
        library_name="peft" if card.what == "adapter" else "transformers",
        pipeline_tag=PIPELINES[card.kind],
        datasets=dataset_id(trained),
        tags=tags(card),
        base_model_relation="adapter" if card.what == "adapter" else "finetune",
    )
    if not card.base.on_hub:
        delattr(data, "base_model_relation")
    sections = [
        f"# {one_line(trained.name)}",
        beginning(card),
        heading("How to use it", fenced(card.snippet, card.language)),
        heading("The prompt", prompt_words(trained)) if speaks(card) else "",
        heading("How it was made", made(card)),
        heading("Results", results(trained)),
        heading("Measured", "\n\n".join(card.measured)) if card.measured else "",
        heading("Versions", versions(trained)),
        heading("Licence", licence(card.base)),
        heading("Limitations", NO_LIMITS),
    ]
    body = "\n\n".join(one for one in sections if one)
    return f"---\n{data.to_yaml()}\n---\n\n{body}\n"


def heading(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def tags(card: Card) -> list[str]:
    method = card.trained.method
    found = [card.trained.task, *([] if method == "full" else [method]), "workbench"]
    if card.what == "gguf":
        found.append("gguf")
    return found


def dataset_id(trained: Trained) -> list[str] | None:
    """The dataset, where it is one of the hub: nothing else may stand in the front matter."""
    from workbench import catalogue

    source = trained.session.dataset.source
    local = trained.workspace / Path(source).expanduser()
    if source in catalogue.STARTERS or local.exists() or source.count("/") != 1:
        return None
    return [source] if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", source) else None


def beginning(card: Card) -> str:
    trained, base = card.trained, card.base
    what = {
        "model": "A model",
        "adapter": "An adapter",
        "gguf": "A model for llama.cpp and Ollama",
    }[card.what]
    name = f"[{base.name}](https://huggingface.co/{base.name})" if base.on_hub else code(base.name)
    lines = [
        f"{what} made from {name} by {TASKS.get(trained.task, trained.task)}, "
        f"{METHODS.get(trained.method, trained.method)}. These are the weights after step "
        f"{trained.step} of the run {code(trained.name)}, in {card.dtype}.",
        base.words,
        *card.notes,
    ]
    return "\n\n".join(one for one in lines if one)


def speaks(card: Card) -> bool:
    """Whether it is asked in the words of a prompt."""
    return card.kind in ("causal", "seq2seq") or bool(card.trained.session.prompt().template)


def prompt_words(trained: Trained) -> str:
    prompt = trained.session.prompt()
    if not prompt.template.strip():
        return f"After this system text:\n\n{fenced(prompt.system)}" if prompt.system else ""
    lines = []
    if prompt.system.strip():
        lines.append(f"System text:\n\n{fenced(prompt.system)}")
    lines.append(f"The user's turn, in Jinja:\n\n{fenced(prompt.template, 'jinja')}")
    if prompt.answer_start:
        lines.append(f"The answer goes on from:\n\n{fenced(prompt.answer_start)}")
    if count := prompt.examples.wanted:
        lines.append(
            f"In training {count} rows of the data stood before it as examples, each with its "
            "answer; put yours there as turns of user and assistant."
        )
    return "\n\n".join(lines)


def made(card: Card) -> str:
    trained = card.trained
    settings, started, environment = (
        trained.session.training,
        trained.started,
        trained.environment,
    )
    rows: list[tuple[str, str]] = [
        ("task", TASKS.get(trained.task, trained.task)),
        ("method", METHODS.get(trained.method, trained.method)),
        ("data", one_line(str(environment.get("data") or trained.session.dataset.source))),
    ]
    for key, words in (
        ("rows", "rows trained on"),
        ("rows_left_out", "rows left out (longer than max_length, or nothing to learn)"),
        ("rows_cut", "rows cut at max_length"),
        ("tokens", "tokens of an epoch"),
        ("evaluation_rows", "rows for the evaluation"),
    ):
        if started.get(key):
            rows.append((words, f"{int(started[key]):,}"))
    parameters, moved = started.get("parameters"), started.get("trainable")
    if parameters and moved:
        rows.append(("weights that were trained", f"{int(moved):,} beside {int(parameters):,}"))
    names = [*SHOWN, *(OF_LORA if is_lora(trained) else ())]
    for name in names:
        value = getattr(settings, name)
        if name == "max_steps" and value <= 0:
            continue
        said = ", ".join(value) or "all linear layers" if isinstance(value, list) else f"{value}"
        rows.append((f"`{name}`", one_line(said)))
    device = environment.get("device")
    if device:
        rows.append(("device", one_line(str(device))))
    return table(("", ""), rows)


def is_lora(trained: Trained) -> bool:
    return trained.method in ("lora", "dora", "rslora", "qlora")


def results(trained: Trained) -> str:
    """Training loss at the beginning and the end; of the evaluation the first, the best, the
    last."""
    losses = [line for line in trained.metrics if isinstance(line.get("loss"), int | float)]
    evaluations = [
        line for line in trained.metrics if isinstance(line.get("eval_loss"), int | float)
    ]
    parts = []
    if losses:
        first, last = losses[0], losses[-1]
        parts.append(
            f"Training loss: {first['loss']:.4f} at step {first['step']}, {last['loss']:.4f} at "
            f"step {last['step']}."
        )
    if evaluations:
        keys = list(dict.fromkeys(key for line in evaluations for key in line if is_figure(key)))
        chosen: dict[int, list[str]] = {}
        best = next((line for line in evaluations if line.get("step") == trained.step), None)
        for line, word in ((evaluations[0], "first"), (best, "these weights")):
            if line is not None:
                chosen.setdefault(evaluations.index(line), []).append(word)
        chosen.setdefault(len(evaluations) - 1, []).append("last")
        rows = [
            (
                ", ".join(words),
                str(evaluations[index].get("step", "")),
                *(figure(evaluations[index].get(key)) for key in keys),
            )
            for index, words in sorted(chosen.items())
        ]
        parts.append(table(("evaluation", "step", *(f"`{key}`" for key in keys)), rows))
    return "\n\n".join(parts)


def is_figure(key: str) -> bool:
    return key.startswith("eval_")


def figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else ""


def versions(trained: Trained) -> str:
    found = dict(trained.environment.get("versions") or {})
    found.setdefault("workbench", __version__)
    return ", ".join(f"{name} {one_line(str(one))}" for name, one in found.items() if one) + "."


def licence(base: Base) -> str:
    if base.licence:
        return (
            f"The model it was made from is under `{base.licence}`; this one is under the same, "
            "unless the data's licence asks for more."
        )
    return (
        "The licence of the model it was made from is not known here: see its own page before "
        "passing this one on."
    )


def code(text: str) -> str:
    return f"`{one_line(text).replace('`', chr(39))}`"


def fenced(text: str, language: str = "") -> str:
    """A block of code that the text in it cannot end."""
    longest = max((len(one) for one in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(one) for one in line) + " |" for line in lines)


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
