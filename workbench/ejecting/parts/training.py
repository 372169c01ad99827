"""What a Trainer lacks: the loss that is asked for, and when to evaluate."""

import json
from pathlib import Path

import torch
from transformers import TrainerCallback


class Schedule(TrainerCallback):
    """Evaluates and logs at the steps of the run, changes the learning rate where the person did,
    ends where the run ended, and writes what it sees to `path`, a line a step."""

    def __init__(self, path, evaluate, *, eval_steps, save_steps, rates, rate, last_step):
        self.path = Path(path)
        self.path.write_text("")
        self.evaluate, self.eval_steps, self.save_steps = evaluate, eval_steps, save_steps
        self.rates, self.rate, self.last_step = dict(rates), rate, last_step

    def write(self, **values):
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def on_train_begin(self, args, state, control, **_):
        if self.evaluate:
            self.evaluate()

    def on_pre_optimizer_step(self, args, state, control, lr_scheduler=None, **_):
        if state.global_step in self.rates:
            factor = self.rates[state.global_step] / self.rate
            self.rate = self.rates[state.global_step]
            inner = getattr(lr_scheduler, "scheduler", lr_scheduler)
            inner.base_lrs = [one * factor for one in inner.base_lrs]
            for group in inner.optimizer.param_groups:
                group["lr"] *= factor
            inner._last_lr = [group["lr"] for group in inner.optimizer.param_groups]

    def on_step_end(self, args, state, control, **_):
        last = state.global_step in (state.max_steps, self.last_step)
        evaluate = last or (self.eval_steps and state.global_step % self.eval_steps == 0)
        save = last or (self.save_steps and state.global_step % self.save_steps == 0)
        if (evaluate and self.evaluate) or save:
            control.should_log = True
        if evaluate and self.evaluate:
            control.should_evaluate = True
        if state.global_step == self.last_step:
            control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **_):
        if logs and "loss" in logs:
            names = ("loss", "learning_rate", "grad_norm")
            self.write(step=state.global_step, **{name: logs.get(name) for name in names})

    def on_evaluate(self, args, state, control, metrics=None, **_):
        self.write(step=state.global_step, **metrics)


ACCEPTED = ()  # the script's own


def summed_loss(model, batch):
    """Cross-entropy summed over the labels that are not -100, in float32."""
    labels = batch["labels"]  # [rows, keep]: of the last positions, from the first with a loss on
    keep = labels.shape[1]
    given = {name: one for name, one in batch.items() if name != "labels"}
    given |= {"use_cache": False, "logits_to_keep": keep}
    given = {name: one for name, one in given.items() if name in ACCEPTED}
    logits = model(**given).logits[:, -keep:]
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1),
        labels[:, 1:].flatten(),
        ignore_index=-100,
        reduction="sum",
    )
