"""What keeps a run from beginning, said before anything is loaded.

Knows settings, configurations and counts; what only rows can tell is said by the recipes.
"""

from importlib.util import find_spec
from typing import Any

from workbench.session import Session
from workbench.training.errors import TrainingError
from workbench.training.methods import check_method


def check_settings(session: Session, config: Any, rows: int, device: str) -> None:
    """Raise TrainingError where settings, model, rows and machine do not go together."""
    settings = session.training
    if session.model.url:
        raise TrainingError(
            f"{session.model.name} is on a server, and only a model in memory can be trained; "
            "empty model.url and name a model."
        )
    if not rows:
        raise TrainingError(
            "There are no rows to train on: choose another dataset.split, widen dataset.where, or "
            "hold fewer out."
        )
    check_method(settings, device)
    layers = layers_of(config)
    if layers and settings.freeze_layers >= layers:
        raise TrainingError(
            f"training.freeze_layers is {settings.freeze_layers} and {session.model.name} has "
            f"{layers} layers; set it below {layers}."
        )
    if settings.attn_implementation == "flash_attention_2":
        if device != "cuda":
            raise TrainingError(
                f"training.attn_implementation flash_attention_2 needs a CUDA GPU, and the model "
                f"is on {device}; set it to sdpa."
            )
        if find_spec("flash_attn") is None:
            raise TrainingError(
                "training.attn_implementation flash_attention_2 needs the package flash-attn, "
                "which is not installed; install it, or set it to sdpa."
            )


def layers_of(config: Any) -> int:
    """How many blocks a model of this configuration is a stack of; 0 where it does not say."""
    text = config.get_text_config()
    parts = [getattr(text, name, 0) or 0 for name in ("encoder_layers", "decoder_layers")]
    if config.is_encoder_decoder:
        return int(sum(parts)) or 2 * int(getattr(text, "num_layers", 0) or 0)
    return int(getattr(text, "num_hidden_layers", 0) or 0)
