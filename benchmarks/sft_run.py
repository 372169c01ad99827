"""One supervised fine-tune, by one tool, in a process of its own; for `benchmarks/sft.py`.

    python sft_run.py SPEC.json

Needs nothing of the workbench but for the tool "ours", so it runs in another environment, too.
Prints JSON, a number a step: seconds by the clock and of processor time at its beginning, tokens of
text, loss.
"""

import json
import os
import sys
import time
from typing import Any

SPEC: dict[str, Any] = {}


def watch() -> dict[str, list[float]]:
    """Note from now on what happens in transformers' Trainer, whoever made a class of it."""
    import torch
    from transformers import Trainer

    seen: dict[str, list[float]] = {
        "clock": [],
        "cpu": [],
        "tokens": [],
        "losses": [],
        "threads": [],
    }
    step, log = Trainer.training_step, Trainer.log

    def training_step(self: Any, model: Any, inputs: Any, *others: Any, **named: Any) -> Any:
        seen["clock"].append(time.perf_counter())
        seen["threads"].append(torch.get_num_threads())
        seen["cpu"].append(time.process_time())
        if "lengths" in inputs:  # flat: what all rows begin with is there once
            lengths = inputs["lengths"]
            seen["tokens"].append(sum(lengths) + inputs["shared"] * len(lengths))
        elif "attention_mask" in inputs:
            seen["tokens"].append(int(inputs["attention_mask"].ne(0).sum()))
        else:
            seen["tokens"].append(inputs["input_ids"].numel())
        return step(self, model, inputs, *others, **named)

    def logged(self: Any, logs: dict[str, float], *others: Any, **named: Any) -> Any:
        if "loss" in logs:
            seen["losses"].append(float(logs["loss"]))
        return log(self, logs, *others, **named)

    Trainer.training_step, Trainer.log = training_step, logged
    return seen


def ours() -> None:
    """`workbench train`, the worker in this process."""
    from workbench.cli import main

    sys.argv = ["workbench", "train", SPEC["session"], "--in-process"]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise


def trl() -> None:
    from datasets import Dataset
    from peft import LoraConfig
    from torch.utils.data import SequentialSampler
    from trl import SFTConfig, SFTTrainer

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, *_: Any) -> Any:
            return SequentialSampler(self.train_dataset)

    rows = [{name: row[name] for name in ("input_ids", "completion_mask")} for row in SPEC["rows"]]
    kind = InOrder if SPEC["in_order"] else SFTTrainer
    trainer = kind(
        model=SPEC["model"],
        args=SFTConfig(**SPEC["arguments"]),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=SPEC["rank"],
            lora_alpha=SPEC["alpha"],
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    trainer.train()


def llamafactory() -> None:
    folder = SPEC["folder"]
    rows = [
        {"system": one["system"], "instruction": one["prompt"], "output": one["completion"]}
        for one in SPEC["rows"]
    ]
    with open(os.path.join(folder, "rows.json"), "w", encoding="utf-8") as file:
        json.dump(rows, file)
    columns = {"system": "system", "prompt": "instruction", "response": "output"}
    about = {"reviews": {"file_name": "rows.json", "columns": columns}}
    with open(os.path.join(folder, "dataset_info.json"), "w", encoding="utf-8") as file:
        json.dump(about, file)
    from llamafactory.train.tuner import run_exp

    run_exp(SPEC["arguments"])


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        SPEC.update(json.load(file))
    out = os.dup(1)  # libraries print what they please
    os.dup2(2, 1)
    if SPEC["tool"] == "ours":
        from workbench.worker.environment import prepare_environment

        prepare_environment()
    seen = watch()
    {"ours": ours, "trl": trl, "llamafactory": llamafactory}[SPEC["tool"]]()
    result = {**seen, "threads": max(seen["threads"])}
    os.write(out, json.dumps(result).encode() + b"\n")


if __name__ == "__main__":
    main()
