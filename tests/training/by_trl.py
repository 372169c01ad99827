"""Preference tuning as TRL alone does it, from its own tokens to its own losses."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset as Rows
from transformers import TrainingArguments, set_seed

from tests.tiny import reviews
from workbench.inference.model import LoadedModel
from workbench.session import Session
from workbench.training.methods import lay
from workbench.training.sampler import EpochSampler

# TRL learns all that a template writes after the prompt, a line break after the answer's end, too;
# here nothing comes after it.
ENDS_WITH_THE_ANSWER = (
    "{% for message in messages %}{{ '' if loop.first else '\n' }}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n<|im_start|>assistant\n' }}{% endif %}"
)
OTHER = {"positive": "negative", "negative": "positive"}


def turn(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def preferences(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Film reviews, each with the right label as the chosen answer and the other as the rejected
    one, in conversations of different length."""
    return [
        {
            "prompt": turn("user", f"{row['text']} What is it?{' Say it.' * (number % 4)}"),
            "chosen": turn("assistant", row["label"]),
            "rejected": turn("assistant", f"{OTHER[row['label']]}, I think"),
        }
        for number, row in enumerate(reviews(start + count)[start:])
    ]


def arguments(kind: type, made: Session, folder: Path, **more: Any) -> TrainingArguments:
    training = made.training
    args: TrainingArguments = kind(
        output_dir=str(folder),
        learning_rate=training.learning_rate,
        num_train_epochs=training.num_train_epochs,
        per_device_train_batch_size=training.per_device_train_batch_size,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        warmup_steps=training.warmup_steps,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        save_strategy="no",
        disable_tqdm=True,
        seed=training.seed,
        **more,
    )
    return args


def in_our_order(trainer_class: Any, lengths: Callable[[Any], int] | None) -> Any:
    """The Trainer, with the rows in the order in which a run has them."""

    class Ordered(trainer_class):  # type: ignore[misc]
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            if lengths is None:
                return super()._get_train_sampler(dataset)
            rows = self.train_dataset
            size = self.args.train_batch_size * self.args.gradient_accumulation_steps
            return EpochSampler(len(rows), size, self.args.seed, [lengths(row) for row in rows])

    return Ordered


def logged(  # noqa: PLR0917
    trainer_class: Any,
    args: TrainingArguments,
    loaded: LoadedModel,
    made: Session,
    rows: Sequence[dict[str, Any]],
    lengths: Callable[[Any], int] | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    """What the Trainer logs at each step, with the adapter that a run of the session lays."""
    set_seed(made.training.seed)
    lay(loaded, made.training, made)
    trainer = in_our_order(trainer_class, lengths)(
        model=loaded.model,
        args=args,
        train_dataset=Rows.from_list(list(rows)),
        processing_class=loaded.tokenizer,
        **more,
    )
    trainer.train()
    return [line for line in trainer.state.log_history if "loss" in line]
