"""The same fine-tune as a plain script: a Trainer, no worker, no screen, nothing between steps.

    python -m benchmarks.plain_trainer SESSION.toml

Prints JSON: tokens of text a second, from the end of the first step to the end of the last, and
the losses.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workbench.worker.environment import prepare_environment

prepare_environment()

import torch
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from workbench import session as sessions
from workbench.data.sources import open_dataset
from workbench.inference.model import load_model
from workbench.training.arranged import arranged
from workbench.training.completion import attention_for, collator_for, learnt, loss_of
from workbench.training.examples import choose_rows, prepare_examples
from workbench.training.methods import lay
from workbench.training.sampler import EpochSampler
from workbench.training.sft import encoder_for


class Clock(TrainerCallback):
    """Notes when each step ended, and its loss."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.losses: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())

    def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
        if "loss" in logs:
            self.losses.append(logs["loss"])


class PlainTrainer(Trainer):
    tokens: list[int]
    sampler: EpochSampler
    loaded: Any

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self.sampler

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self.tokens.append(inputs.pop("tokens"))
        with attention_for(self.loaded, inputs):
            return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        return loss_of(model, inputs, self.loaded) / learnt(inputs)


def nothing(*_: Any) -> None:
    pass


def main() -> None:
    path = Path(sys.argv[1])
    session, folder = sessions.load(path), sessions.workspace(path)
    settings = session.training
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    loaded = load_model(session.model, folder, nothing)
    data = open_dataset(session.dataset, folder, nothing)
    rows = choose_rows(len(data.train), settings.rows, settings.seed)
    encoder = encoder_for(loaded, data, session, settings.max_length)
    examples = prepare_examples(data.train, rows, encoder, pause=nothing)
    set_seed(settings.seed)
    lay(loaded, settings, session)
    clock = Clock()
    with tempfile.TemporaryDirectory() as output:
        trainer = PlainTrainer(
            model=loaded.model,
            args=TrainingArguments(
                output_dir=output,
                learning_rate=settings.learning_rate,
                max_steps=settings.max_steps,
                per_device_train_batch_size=settings.per_device_train_batch_size,
                warmup_steps=settings.warmup_steps,
                max_grad_norm=settings.max_grad_norm,
                logging_steps=1,
                seed=settings.seed,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=loaded.device.type == "cpu",
                remove_unused_columns=False,
            ),
            data_collator=collator_for(loaded, settings, max(examples.lengths)),
            train_dataset=examples,
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.loaded, trainer.tokens = loaded, []
        trainer.sampler = EpochSampler(
            len(examples), settings.per_device_train_batch_size, settings.seed, examples.lengths
        )
        with arranged(loaded, settings):
            trainer.train()
    seconds = clock.times[-1] - clock.times[0]
    rate = sum(trainer.tokens[1 : len(clock.times)]) / seconds
    result = {
        "tokens_per_second": rate,
        "losses": clock.losses,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
