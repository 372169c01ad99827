"""How an exported model answers: its tokenizer, the tokens that end an answer, and the session's
generation settings, as transformers keeps them.

Knows tokenizers and settings; knows nothing of weights.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.data.pairing import speak
from workbench.exporting.errors import ExportError
from workbench.exporting.trained import Trained
from workbench.exporting.wording import recognised
from workbench.inference.errors import ModelError
from workbench.session import GenerationSettings
from workbench.usual import VIRTUAL


def tokenizer_of(trained: Trained) -> Any:
    """The tokenizer that the run was made with, chat template and all.

    Raises:
        ExportError: where it cannot be read.
    """
    from workbench.inference.tokenizer import tokenizer_in

    try:
        tokenizer = tokenizer_in(trained.session.model, trained.checkpoint)
    except ModelError as error:
        raise ExportError(f"{str(error).rstrip('.')} (in {trained.checkpoint}).") from error
    if hasattr(tokenizer, "tgt_lang") and (found := recognised(trained)) is not None:
        speak(tokenizer, found)
    return tokenizer


def languages_of(tokenizer: Any) -> dict[str, str]:
    """The languages that a tokenizer of many reads and writes, by the names of its attributes."""
    if not hasattr(tokenizer, "tgt_lang"):
        return {}
    return {
        name: str(value)
        for name in ("src_lang", "tgt_lang")
        if (value := getattr(tokenizer, name, None))
    }


def settings_of(trained: Trained) -> GenerationSettings:
    """The generation settings of the prompt that was trained."""
    session = trained.session
    return session.prompt().generation or session.generation


def ends_of(tokenizer: Any, base: Path | None) -> list[int]:
    """The tokens that end an answer: what the base's own settings say, the tokenizer's, and the
    chat template's; as in the workbench."""
    from transformers import GenerationConfig

    from workbench.data.prompting import end_of_turn

    said: Any = None
    if base is not None:
        with suppress(Exception):  # it has none
            said = GenerationConfig.from_pretrained(base, local_files_only=True).eos_token_id
    ids = said if isinstance(said, list) else [said]
    found = [*ids, tokenizer.eos_token_id, *end_of_turn(tokenizer)]
    return list(dict.fromkeys(int(one) for one in found if one is not None))


def generation_config(
    trained: Trained, tokenizer: Any, base: Path | None, before: Any = None
) -> Any:
    """What transformers generates with by itself: the session's settings.

    Args:
        before: the model's own, of which an encoder-decoder keeps how its answers begin.
    """
    from transformers import GenerationConfig

    from workbench.inference.source_states import forced

    settings, ends = settings_of(trained), ends_of(tokenizer, base)
    values: dict[str, Any] = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": ends[0] if len(ends) == 1 else ends or None,
        "pad_token_id": next(
            (one for one in (tokenizer.pad_token_id, *ends) if one is not None), None
        ),
        "max_new_tokens": settings.max_new_tokens,
        "do_sample": settings.do_sample,
    }
    if settings.do_sample:
        values |= {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
        }
    if settings.repetition_penalty != 1:
        values["repetition_penalty"] = settings.repetition_penalty
    if trained.method in VIRTUAL:  # peft's generate loses a tuned prefix beside a cache
        values["use_cache"] = False
    if before is not None and getattr(before, "decoder_start_token_id", None) is not None:
        for name in ("decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id"):
            values[name] = getattr(before, name, None)
        values["bad_words_ids"] = getattr(before, "bad_words_ids", None)
        if languages_of(tokenizer) and (language := forced(tokenizer)):
            values["forced_bos_token_id"] = language[0]
        if settings.num_beams > 1:
            values |= {"num_beams": settings.num_beams, "early_stopping": True}
    return GenerationConfig(**values)
