"""How many steps a run has."""

import math

from workbench.session import TrainingSettings


def steps_of(settings: TrainingSettings, rows: int) -> int:
    """Optimiser steps, as the Trainer counts them."""
    if settings.max_steps > 0:
        return settings.max_steps
    if settings.task == "grpo":  # a batch is answers, several to a row
        rows *= settings.reinforcement.num_generations
    a_batch = max(1, settings.per_device_train_batch_size)
    accumulated = settings.gradient_accumulation_steps
    an_epoch = max(1, math.ceil(math.ceil(rows / a_batch) / accumulated))
    return math.ceil(an_epoch * settings.num_train_epochs)
