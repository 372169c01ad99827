"""LoRA over weights in 4 bits (Dettmers et al., 2023): NF4, double quantisation, products in
bfloat16. Needs bitsandbytes and a CUDA GPU."""

from importlib.util import find_spec

from workbench.inference.loaded import LoadedModel
from workbench.session import Session, TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.methods import lora
from workbench.training.methods.laid import Laid


def check(_settings: TrainingSettings, device: str) -> None:
    """Whether this machine has what 4-bit weights need."""
    import torch

    if device not in ("auto", "") and not device.startswith("cuda"):
        raise TrainingError(
            f"training.method qlora keeps weights in 4 bits, which needs a CUDA GPU, and the model "
            f"is on {device}; use training.method lora, or set model.device to cuda."
        )
    if not torch.cuda.is_available():
        raise TrainingError(
            "training.method qlora keeps weights in 4 bits, which needs a CUDA GPU, and there is "
            "none here; use training.method lora."
        )
    if find_spec("bitsandbytes") is None:
        raise TrainingError(
            "training.method qlora needs bitsandbytes, which is not installed; install it "
            "(pip install bitsandbytes), or use training.method lora."
        )


def lay(loaded: LoadedModel, settings: TrainingSettings, session: Session | None) -> Laid:
    """Have the base weights in 4 bits, and lay an adapter over them."""
    loaded.quantise()
    laid = lora.lay(loaded, settings, session)
    why = "4 bits (NF4, quantised twice) for the base weights, bfloat16 for products"
    return Laid([why, *laid.reasons], laid.about)
