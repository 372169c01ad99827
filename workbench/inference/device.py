"""Which device and number format a model runs in."""

import torch

from workbench.inference.errors import ModelError, reason
from workbench.processor import bfloat16_unit
from workbench.text import one_line

KINDS = ("cpu", "cuda", "mps", "xpu")


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto": the first GPU there is, else the processor.

    Raises:
        ModelError: when there is no such device on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        if torch.backends.mps.is_available():
            return torch.device("mps")
        if hasattr(torch, "xpu") and torch.xpu.is_available():
            return torch.device("xpu", 0)
        return torch.device("cpu")
    device = device_named(name)
    if device is None or device.type not in KINDS:
        raise ModelError(
            f'model.device: there is no device "{one_line(name, 40)}"; set it to auto, cpu, cuda, '
            "cuda:1 (the second GPU), mps or xpu."
        )
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = "torch finds none" if device.type == "mps" else reason(error)
        raise ModelError(
            f'model.device: "{name}" cannot be used here ({why}); set it to "auto" or "cpu".'
        ) from error
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    return device


def device_named(name: str) -> torch.device | None:
    """None where torch knows no such device: what it says then lists all it was ever built for."""
    try:
        return torch.device(name)
    except RuntimeError:
        return None


def choose_dtype(name: str, device: torch.device) -> tuple[torch.dtype, str]:
    """The number format of that name, and why; "auto" takes bfloat16 where it is fast."""
    named = {
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "float32": torch.float32,
    }
    if name in named:
        return named[name], "the session says so"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, "the GPU computes in bfloat16"
        return torch.float32, "the GPU does not compute in bfloat16"
    if device.type == "cpu":
        if unit := bfloat16_unit():
            return torch.bfloat16, f"the processor has {unit}"
        return torch.float32, "the processor has no unit for bfloat16"
    return torch.float32, f"float32 is safe on {device.type}"


def describe(device: torch.device) -> str:
    """The device in words: its kind, and the GPU's name."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
