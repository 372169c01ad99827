"""What transformers' Trainer is told of a run."""

from typing import Any

import torch
from transformers import TrainingArguments

from workbench.runs import Run
from workbench.training.recipe import Recipe


def arguments(recipe: Recipe, run: Run) -> TrainingArguments:
    """When to evaluate, save and stop is not in here: that is the recorder's to say."""
    settings, loaded = recipe.settings, recipe.loaded
    if loaded.device.type == "cuda":
        torch.cuda.set_device(loaded.device)
    kind, more = recipe.arguments()
    usual: dict[str, Any] = {
        "output_dir": str(run.checkpoints),
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.num_train_epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": settings.per_device_train_batch_size,
        "per_device_eval_batch_size": settings.per_device_train_batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "warmup_steps": settings.warmup_steps,
        "lr_scheduler_type": settings.lr_scheduler_type,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "logging_steps": settings.logging_steps,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "eval_strategy": "no",
        "save_strategy": "no",
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "use_cpu": loaded.device.type == "cpu",
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": loaded.device.type == "cuda",
        "remove_unused_columns": False,
        "optim": settings.optim,
    }
    args = kind(**(usual | more))
    args._n_gpu = min(args.n_gpu, 1)  # more GPUs need a launcher; DataParallel is slower than one
    args.__dict__["_setup_devices"] = loaded.device
    return args
