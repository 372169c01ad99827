"""Which task a session is about, and its recipe."""

from dataclasses import replace
from importlib import import_module
from typing import Any

from workbench.inference.heads import Family, Head, can_have, made_for
from workbench.protocol import FormatFound
from workbench.session import Session, TrainingSettings
from workbench.settings import Task
from workbench.text import one_line
from workbench.training.errors import TrainingError
from workbench.training.labels import label_column
from workbench.training.recipe import Recipe

# The module and the class of each task's recipe, and what the model must end in.
RECIPES: dict[str, tuple[str, str]] = {
    "sft": ("workbench.training.sft", "SupervisedFineTuning"),
    "pretraining": ("workbench.training.pretraining", "Pretraining"),
    "seq2seq": ("workbench.training.seq2seq", "SequenceToSequence"),
    "masked_lm": ("workbench.training.masked_lm", "MaskedLanguageModelling"),
    "classification": ("workbench.training.classification", "Classification"),
    "dpo": ("workbench.training.preference", "DirectPreference"),
    "kto": ("workbench.training.kto", "ThumbsUpAndDown"),
    "orpo": ("workbench.training.orpo", "OddsRatio"),
    "reward": ("workbench.training.reward", "RewardModel"),
    "grpo": ("workbench.training.grpo", "Reinforcement"),
}
HEADS: dict[str, Head] = {
    "masked_lm": Head("masked"),
    "classification": Head("classifier"),
    "reward": Head("classifier", problem="regression"),
    "seq2seq": Head("seq2seq"),
}
FAMILIES: dict[str, tuple[Family, ...]] = {
    "sft": ("decoder",),
    "pretraining": ("decoder",),
    "masked_lm": ("encoder",),
    "classification": ("encoder", "decoder", "encoder_decoder"),
    "seq2seq": ("encoder_decoder",),
    "dpo": ("decoder",),
    "kto": ("decoder",),
    "orpo": ("decoder",),
    "reward": ("decoder", "encoder"),
    "grpo": ("decoder",),
}
KINDS: dict[Family, str] = {
    "decoder": "a model that writes text",
    "encoder": "an encoder",
    "encoder_decoder": "an encoder-decoder",
}


def recipe_of(task: str) -> type[Recipe]:
    """The recipe of a task; its module is read now, with the libraries that it needs."""
    task = "sft" if task == "auto" else task
    module, name = RECIPES[task]
    found: type[Recipe] = getattr(import_module(module), name)
    return found


def task_of(session: Session, family: Family, found: FormatFound) -> tuple[Task, str]:
    """The task that is meant, and why: the session's, else by the model and the rows.

    Raises:
        TrainingError: where model and task do not go together.
    """
    wanted = session.training.task
    if wanted != "auto":
        check(wanted, family, session.model.name)
        return wanted, "training.task says so"
    return by_nature(session, family, found)


def by_nature(session: Session, family: Family, found: FormatFound) -> tuple[Task, str]:
    """The task that kind of model and rows are for, and why."""
    name = session.model.name
    if family == "encoder_decoder":
        return "seq2seq", f"{name} is {KINDS[family]}"
    if family == "encoder":
        answer = answer_in(session, found)
        task: Task = "classification" if answer else "masked_lm"
        return task, f"{name} is {KINDS[family]} and {answer or 'the rows say no answer'}"
    tasks: dict[str, tuple[Task, str]] = {
        "text": ("pretraining", "the rows are running text"),
        "preference": ("dpo", "the rows say which of two answers is better"),
    }
    if found.format == "prompt_completion" and "label" in found.mapping:
        return "kto", "the rows say which answers are good"
    return tasks.get(found.format, ("sft", "the rows say what to answer"))


def answer_in(session: Session, found: FormatFound) -> str:
    """What says the answer to a row, in words; empty where nothing does.

    However many different answers there are: whether they are labels is asked when they are read.
    """
    prompt = session.prompt()
    if answer := prompt.completion.strip():
        said = one_line(answer, 40)
        return f'the wording "{one_line(prompt.name, 40)}" says the answer, {said}'
    if column := label_column(found):
        return f"the column {one_line(column, 40)} says the answer"
    # The rows have labels, and the wording none: an error that asks for them beats a guess.
    return "the rows have labels" if found.recognised == "classification" else ""


def check(task: Task, family: Family, name: str) -> None:
    """Raise TrainingError where a task needs another kind of model."""
    if family in FAMILIES[task]:
        return
    fitting = [one for one in FAMILIES if family in FAMILIES[one]]
    raise TrainingError(
        f"{name} is {KINDS[family]}, which training.task {task} cannot train; set it to "
        f"{', '.join(fitting)} or auto, or choose another model."
    )


def head_of(task: Task, config: Any, settings: TrainingSettings | None = None) -> Head:
    """What the model must end in for a task. `settings`, resolved, say the labels of a classifier
    and the seed that a head the checkpoint lacks begins from.

    Raises:
        TrainingError: where its architecture has no such head.
    """
    head = HEADS.get(task, Head("causal"))
    if not can_have(config, head.kind):
        raise TrainingError(
            f"transformers has no {head.kind} model of the architecture {config.model_type}; "
            "choose another model or another training.task."
        )
    settings = settings or TrainingSettings()
    if task == "classification":
        chosen = settings.classification
        if chosen.problem_type != "auto":
            head = replace(head, problem=chosen.problem_type, labels=tuple(chosen.labels))
    return made_for(config, head, settings.seed) if head.reads else head
