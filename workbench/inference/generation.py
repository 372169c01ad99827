"""Text from a model, token by token, that can be stopped at any of them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from tokenizers.decoders import DecodeStream
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer
from typing_extensions import override

from workbench.inference.errors import ModelError, reason
from workbench.inference.model import LoadedModel
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


class Decoder(BaseStreamer):
    """Takes tokens as `generate` makes them and hands on text as soon as it is whole characters.

    `on_text` gets the text (maybe empty) and the number of tokens that it came from.
    """

    def __init__(self, tokenizer: Any, on_text: Callable[[str, int], None]) -> None:
        self.tokenizer = tokenizer.backend_tokenizer
        self.stream = DecodeStream(skip_special_tokens=True)
        self.on_text = on_text
        self.ids: list[int] = []
        self.times: list[float] = []
        self.text = ""
        self.prompt = True

    def put(self, value: torch.Tensor) -> None:
        if self.prompt:  # generate hands over the prompt first
            self.prompt = False
            return
        now = time.perf_counter()
        for token in value.flatten().tolist():
            self.ids.append(token)
            self.times.append(now)
            piece = self.stream.step(self.tokenizer, token) or ""
            self.text += piece
            self.on_text(piece, 1)

    def end(self) -> None:
        """What is left of an unfinished character is shown as it decodes."""
        rest = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if len(rest) > len(self.text) and rest.startswith(self.text):
            self.on_text(rest[len(self.text) :], 0)
            self.text = rest


class Stop(StoppingCriteria):
    """Ends the answer after the token at which the event is set."""

    def __init__(self, stopped: threading.Event) -> None:
        self.stopped = stopped

    @override
    def __call__(self, input_ids: torch.Tensor, scores: Any, **_kwargs: Any) -> torch.Tensor:
        ends = self.stopped.is_set()
        return torch.full((input_ids.shape[0],), ends, device=input_ids.device, dtype=torch.bool)


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
    check_length(loaded, len(input_ids), settings.max_new_tokens)
    decoder = Decoder(loaded.tokenizer, on_text)
    ids = torch.tensor([input_ids], device=loaded.device)  # [1, tokens]
    begun = time.perf_counter()
    try:
        if not stopped.is_set():
            with loaded.answering(weights), seeded(settings.seed, loaded.device):
                loaded.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=configuration(loaded, settings),
                    streamer=decoder,
                    stopping_criteria=StoppingCriteriaList([Stop(stopped)]),
                )
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(
            f"There is not enough memory on {loaded.device} for {len(input_ids)} tokens and "
            "their answer; shorten the prompt or generation.max_new_tokens."
        ) from error
    except RuntimeError as error:
        raise ModelError(
            f"The model could not answer ({reason(error)}); change the generation settings."
        ) from error
    return result(loaded, decoder, settings, begun)


def result(
    loaded: LoadedModel, decoder: Decoder, settings: GenerationSettings, begun: float
) -> Generation:
    ended = bool(decoder.ids) and decoder.ids[-1] in loaded.end_tokens
    full = len(decoder.ids) >= settings.max_new_tokens
    times = decoder.times
    after = times[-1] - times[0] if times else 0.0
    return Generation(
        text=decoder.text,
        tokens=len(decoder.ids),
        seconds_to_first=times[0] - begun if times else 0.0,
        tokens_per_second=(len(times) - 1) / after if after > 0 else 0.0,
        reason="end" if ended else "length" if full else "stopped",
    )


def check_length(loaded: LoadedModel, prompt: int, new: int) -> None:
    """Raise ModelError where the prompt and its answer are longer than the context."""
    if prompt + new > loaded.context_length:
        room = loaded.context_length - new
        raise ModelError(
            f"The prompt has {prompt:,} tokens and {loaded.settings.name} has room for "
            f"{max(room, 0):,} of its {loaded.context_length:,} beside an answer of {new:,}; "
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


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers from this seed inside; outside they go on as if nothing had been drawn."""
    kind = device.type if device.type != "cpu" else "cuda"
    devices = [device] if device.type != "cpu" else []
    with torch.random.fork_rng(devices=devices, device_type=kind):
        torch.manual_seed(seed)
        yield
