"""How a run computes: processor threads and attention as its settings say, and as before after."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from workbench.inference.errors import reason
from workbench.inference.model import LoadedModel
from workbench.processor import cores
from workbench.session import TrainingSettings
from workbench.training.errors import TrainingError


@contextmanager
def computing(loaded: LoadedModel, settings: TrainingSettings) -> Iterator[None]:
    """Compute as the settings say.

    Raises:
        TrainingError: where the model has no such attention.
    """
    threads = torch.get_num_threads()
    model, wanted = loaded.base, settings.attn_implementation
    before = getattr(model.config, "_attn_implementation", None)
    changes = wanted not in ("auto", before)
    try:
        if settings.threads:
            torch.set_num_threads(settings.threads)
        if changes:
            use_attention(loaded, wanted)
        yield
    finally:
        torch.set_num_threads(threads)
        if changes and before:
            model.set_attn_implementation(before)


@contextmanager
def leaving_one() -> Iterator[None]:
    """Compute with one thread fewer than there are processors, where it would be more: with all of
    them busy writing an answer takes ten times as long."""
    threads = torch.get_num_threads()
    fewer = min(threads, max(1, cores() - 1))
    try:
        if fewer < threads:
            torch.set_num_threads(fewer)
        yield
    finally:
        if fewer < threads:
            torch.set_num_threads(threads)


def use_attention(loaded: LoadedModel, wanted: str) -> None:
    try:
        loaded.base.set_attn_implementation(wanted)
    except (ValueError, ImportError) as error:
        raise TrainingError(
            f"{loaded.settings.name} cannot be computed with the attention {wanted} "
            f"({reason(error)}); set training.attn_implementation to auto."
        ) from error
