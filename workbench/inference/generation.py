"""Text from a model, token by token, that can be stopped at any of them: one prompt, one answer."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import GenerationConfig

from workbench.inference.decoding import Writing, decode
from workbench.inference.errors import ModelError, reason
from workbench.inference.model import LoadedModel
from workbench.inference.sampling import Sampler
from workbench.inference.states import States
from workbench.protocol import Weights
from workbench.session import GenerationSettings


@dataclass(frozen=True)
class Generation:
    """An answer: `tokens` counts all that were made, the one that ends it included."""

    text: str
    tokens: int
    seconds_to_first: float
    tokens_per_second: float  # after the first token
    reason: Literal["end", "length", "stopped"]


def generate(  # noqa: PLR0917
    loaded: LoadedModel,
    input_ids: list[int],
    settings: GenerationSettings,
    weights: Weights,
    stopped: threading.Event,
    on_text: Callable[[str, int], None],
) -> Generation:
    """Answer a prompt of token ids; the text goes to `on_text(text, tokens)` as it comes.

    Sampling is seeded by the settings and leaves the process's random numbers as they were.

    Raises:
        ModelError: when the prompt and the answer do not fit in the context, or in memory.
    """
    check_length(loaded, len(input_ids), settings.max_new_tokens, weights)
    begun = time.perf_counter()
    sampler = Sampler(settings, loaded.device)
    writing = Writing(
        loaded,
        input_ids,
        settings.max_new_tokens,
        random=sampler.random(),
        on_piece=lambda text, count, _tokens: on_text(text, count),
    )
    with telling(loaded, len(input_ids)):
        if not stopped.is_set():
            with loaded.answering(weights):
                states = States(loaded, 1)
                logits = states.read([input_ids])[:, 0]
                decode(states, logits, [writing], sampler, stopped, lambda _writing: None)
    times = writing.times
    after = times[-1] - times[0] if times else 0.0
    return Generation(
        text=writing.text,
        tokens=len(writing.ids),
        seconds_to_first=times[0] - begun if times else 0.0,
        tokens_per_second=(len(times) - 1) / after if after > 0 else 0.0,
        reason=writing.reason,
    )


@contextmanager
def telling(loaded: LoadedModel, tokens: int) -> Iterator[None]:
    """What goes wrong inside becomes a sentence about an answer to so many tokens.

    Raises:
        ModelError: in place of what torch raises.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if out_of_memory(error):
            raise ModelError(
                f"There is not enough memory on {loaded.device} for {tokens:,} tokens and "
                "their answer; shorten the prompt or generation.max_new_tokens."
            ) from error
        raise ModelError(
            f"The model could not answer ({reason(error)}); change the generation settings."
        ) from error


def out_of_memory(error: BaseException) -> bool:
    """Memory ran out, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower()
    return "out of memory" in said or "not enough memory" in said or "alloc_cpu" in said


def check_length(loaded: LoadedModel, prompt: int, new: int, weights: Weights = "base") -> None:
    """Raise ModelError where the prompt and its answer are longer than the context."""
    context = loaded.room(weights)
    if prompt + new > context:
        room = context - new
        raise ModelError(
            f"The prompt has {prompt:,} tokens and {loaded.settings.name} has room for "
            f"{max(room, 0):,} of its {context:,} beside an answer of {new:,}; "
            "shorten the prompt or lower generation.max_new_tokens."
        )


def configuration(loaded: LoadedModel, settings: GenerationSettings) -> GenerationConfig:
    """What `generate` is told: the session's settings and nothing else."""
    sampling: dict[str, Any] = {}
    if settings.do_sample:
        sampling = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
        }
    return GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        do_sample=settings.do_sample,
        repetition_penalty=settings.repetition_penalty,
        eos_token_id=loaded.end_tokens or None,
        pad_token_id=loaded.pad_token,
        use_cache=True,
        **sampling,
    )
