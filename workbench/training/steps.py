"""How many steps a run has."""

import math

from workbench.session import TrainingSettings


def steps_of(settings: TrainingSettings, rows: int) -> int:
    """Optimiser steps, as the Trainer counts them; of grpo as TRL's sampler, which leaves prompts
    out that do not make a whole step."""
    if settings.max_steps > 0:
        return settings.max_steps
    if settings.task == "grpo":
        an_epoch = max(1, rows // prompts_a_step(settings))
    else:
        a_batch = max(1, settings.per_device_train_batch_size)
        an_epoch = max(
            1, math.ceil(math.ceil(rows / a_batch) / settings.gradient_accumulation_steps)
        )
    return math.ceil(an_epoch * settings.num_train_epochs)


def answers_at_once(settings: TrainingSettings) -> int:
    """Of grpo: answers in memory at once, per_device_train_batch_size or the next more with
    which all answers to a prompt are in one step."""
    size = max(1, settings.per_device_train_batch_size)
    while size * settings.gradient_accumulation_steps % settings.reinforcement.num_generations:
        size += 1
    return size


def prompts_a_step(settings: TrainingSettings) -> int:
    """Of grpo."""
    answers = answers_at_once(settings) * settings.gradient_accumulation_steps
    return answers // settings.reinforcement.num_generations
