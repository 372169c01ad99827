"""The same fine-tune as plain transformers does it: padded right, every logit computed."""

from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments, set_seed
from typing_extensions import override

from workbench.data.examples import Example
from workbench.data.sources import Dataset
from workbench.inference.model import LoadedModel
from workbench.session import Session
from workbench.training.methods import lay
from workbench.training.sampler import EpochSampler
from workbench.training.sft import encoder_for


def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(one["input_ids"]) for one in batch)
    return {
        name: torch.tensor([one[name] + [fill] * (longest - len(one[name])) for one in batch])
        for name, fill in (("input_ids", 0), ("labels", -100), ("attention_mask", 0))
    }


def examples_of(loaded: LoadedModel, made: Session, data: Dataset) -> list[Example]:
    """What is learnt, in the rows' order; of a preference the chosen answer."""
    encoder = encoder_for(loaded, data, made, made.training.max_length)
    return [
        example
        for row in data.train
        for example in encoder.encode(row)
        if example.name != "rejected" and not example.answer_lost
    ]


def plain_losses(loaded: LoadedModel, session: Session, data: Dataset, folder: Path) -> list[float]:
    made, examples = session.training, examples_of(loaded, session, data)

    class Plain(Trainer):
        @override
        def _get_train_sampler(self, train_dataset=None):
            size = made.per_device_train_batch_size * made.gradient_accumulation_steps
            lengths = [len(one.input_ids) for one in examples]
            return EpochSampler(len(examples), size, made.seed, lengths)

    set_seed(made.seed)
    lay(loaded, made, session)
    trainer = Plain(
        model=loaded.model,
        args=TrainingArguments(
            output_dir=str(folder),
            learning_rate=made.learning_rate,
            num_train_epochs=made.num_train_epochs,
            per_device_train_batch_size=made.per_device_train_batch_size,
            gradient_accumulation_steps=made.gradient_accumulation_steps,
            warmup_steps=made.warmup_steps,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            remove_unused_columns=False,
            save_strategy="no",
            disable_tqdm=True,
        ),
        data_collator=collate,
        train_dataset=[
            {
                "input_ids": one.input_ids,
                "labels": one.labels,
                "attention_mask": [1] * len(one.input_ids),
            }
            for one in examples
        ],
    )
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]
