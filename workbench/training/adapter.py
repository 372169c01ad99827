"""The LoRA adapter that a fine-tune trains (Hu et al., 2021; arXiv 2106.09685)."""

from peft import LoraConfig, TaskType, get_peft_model

from workbench.inference.errors import reason
from workbench.inference.model import LoadedModel
from workbench.session import TrainingSettings
from workbench.training.errors import TrainingError


def fresh_adapter(loaded: LoadedModel, settings: TrainingSettings) -> None:
    """Lay a new adapter over the base weights, in place of the one there may be.

    Its weights are float32 whatever the model's are, for small steps to add up. They begin so that
    nothing changes: one of each pair of matrices is zero.

    Raises:
        TrainingError: when the model has no such modules.
    """
    loaded.detach_adapter()
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=settings.target_modules or "all-linear",
        bias="none",
    )
    try:
        loaded.model = get_peft_model(loaded.model, config)
    except ValueError as error:
        modules = sorted(
            {
                name.rpartition(".")[2]
                for name, module in loaded.model.named_modules()
                if type(module).__name__ in ("Linear", "Conv1D") and "head" not in name
            }
        )
        raise TrainingError(
            f"LoRA cannot be laid over {loaded.settings.name} ({reason(error)}); "
            f"set training.target_modules to some of: {', '.join(modules) or 'none here'}."
        ) from error
