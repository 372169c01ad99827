"""The lines of a script that bring the rows, their order and the Trainer together."""

from collections.abc import Mapping
from typing import Any

from workbench.ejecting.made import Made
from workbench.ejecting.source import Raw, assigned

EXAMPLES = """\
    train = examples_of(tokenizer, "train")
    evaluation = examples_of(tokenizer, "evaluation")
"""


def examples(what: str = "rows", arranged: str = "") -> str:
    """Lines that make `train` and `evaluation` and say how many there are; `arranged` are lines
    that change both."""
    counted = f'    print(len(train), "{what} to train on,", len(evaluation), "to evaluate on")\n'
    return EXAMPLES + arranged + counted


def pad_token(pad: int | str) -> str:
    """`pad` is a token's id, or the name of one: TRL asks the tokenizer what it pads with."""
    return f"    tokenizer.pad_token = tokenizer.convert_ids_to_tokens({pad})\n"


def sampler(made: Made, size: str, each: str = "one") -> str:
    """The order of the rows; `size` is said of `each` of `train`."""
    grouped = made.settings.train_sampling_strategy == "group_by_length"
    return f"""\
    sampler = EpochSampler(
        len(train),
        args.train_batch_size * args.gradient_accumulation_steps,
        args.seed,
        {f"[{size} for {each} in train]" if grouped else "[]"},
    )
"""


def trainer(name: str, batch: str, *prepared: str) -> str:
    """A Trainer of the script's own, with what it takes beside a Trainer's arguments; `batch` is
    said of `rows`."""
    named = {
        "model": Raw("model"),
        "args": Raw("args"),
        "data_collator": Raw(f"lambda rows: {batch}"),
        "train_dataset": Raw("train"),
    }
    return assigned("trainer", name, named) + prepare(*prepared)


def by_trl(made: Made, named: Mapping[str, Any], *prepared: str) -> str:
    """One of TRL's Trainers, which lays the adapter over the model, if there is one."""
    method = {} if made.settings.method == "full" else {"peft_config": Raw("config")}
    whole = {"model": Raw("model"), "args": Raw("args"), **named}
    whole |= {"processing_class": Raw("tokenizer"), **method}
    return assigned("trainer", "RunTrainer", whole) + prepare(*prepared)


def prepare(*given: str) -> str:
    return f"    trainer.prepare({', '.join(given)})\n"
