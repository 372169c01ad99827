"""The same fine-tune as plain transformers does it: padded right, every logit computed."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from transformers import Trainer, TrainingArguments, set_seed
from typing_extensions import override

from workbench.data.examples import Example
from workbench.data.sources import Dataset
from workbench.inference.model import LoadedModel
from workbench.session import Session
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


def model_of(loaded: LoadedModel, session: Session) -> Any:
    """The model with the method laid over it as peft does it."""
    made, model = session.training, loaded.model
    if made.method == "full":
        return model.requires_grad_(True)
    words = "\n".join(
        (session.prompt().system, session.prompt().template.rpartition("}}")[2].strip())
    )
    ids = loaded.tokenizer(words)["input_ids"]
    if made.method == "prompt_tuning":
        config = PromptTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=len(ids),
            prompt_tuning_init="TEXT",
            prompt_tuning_init_text=words,
            tokenizer_name_or_path=loaded.tokenizer.name_or_path,
        )
        return get_peft_model(model, config)
    if made.method == "prefix_tuning":
        with torch.no_grad():
            cache = model(torch.tensor([ids]), use_cache=True).past_key_values
        tuned = get_peft_model(
            model, PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=len(ids))
        )
        rows = [
            torch.cat(
                [one[0, :, n].flatten() for la in cache.layers for one in (la.keys, la.values)]
            )
            for n in range(len(ids))
        ]
        tuned.prompt_encoder["default"].embedding.weight.data = torch.stack(rows)
        return tuned
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=made.lora_r,
        lora_alpha=made.lora_alpha,
        lora_dropout=made.lora_dropout,
        target_modules=made.target_modules or "all-linear",
        use_dora=made.method == "dora",
        use_rslora=made.method == "rslora",
    )
    return get_peft_model(model, config)


def plain_losses(loaded: LoadedModel, session: Session, data: Dataset, folder: Path) -> list[float]:
    made, examples = session.training, examples_of(loaded, session, data)

    class Plain(Trainer):
        @override
        def _get_train_sampler(self, train_dataset=None):
            size = made.per_device_train_batch_size * made.gradient_accumulation_steps
            lengths = [len(one.input_ids) for one in examples]
            return EpochSampler(len(examples), size, made.seed, lengths)

    set_seed(made.seed)
    trainer = Plain(
        model=model_of(loaded, session),
        args=TrainingArguments(
            output_dir=str(folder),
            learning_rate=made.learning_rate,
            num_train_epochs=made.num_train_epochs,
            max_steps=made.max_steps,
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
