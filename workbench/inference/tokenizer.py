"""The tokenizer of a model, and text from tokens as they come."""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from workbench.inference.errors import ModelError, reason
from workbench.inference.locate import locate
from workbench.session import ModelSettings

Report = Callable[[str, float, float, str], None]


def quiet() -> None:
    """Keep the libraries from drawing bars and advice: both belong to nobody here."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    disable_progress_bars()


def load_tokenizer(
    settings: ModelSettings, folder: Path, report: Report
) -> PreTrainedTokenizerFast:
    """The tokenizer of the session's model; relative names start in `folder`.

    Raises:
        ModelError: when there is none, or it cannot be read.
    """
    quiet()
    return tokenizer_in(settings, locate(settings, folder, report, weights=False))


def tokenizer_in(settings: ModelSettings, folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer in a model's folder."""
    check_code(settings, folder)
    try:
        with warnings.catch_warnings():  # Marian's recommends a package
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=settings.trust_remote_code
            )
    except Exception as error:  # whatever a broken file makes of the parser
        raise ModelError(
            f"The tokenizer of {settings.name} cannot be read ({reason(error)}); "
            "fetch the model again or use another."
        ) from error
    kind, made = encoder_decoder(settings, folder), cast(Any, tokenizer)
    if not hasattr(tokenizer, "backend_tokenizer"):
        if not kind:
            raise ModelError(
                f"{settings.name} has a tokenizer of an old kind, without tokenizer.json; "
                "use a model that has one."
            )
        made.backend_tokenizer = SlowBackend(tokenizer)
    made.encoder_decoder = kind  # what the data's side knows of the model
    return cast(PreTrainedTokenizerFast, tokenizer)


def encoder_decoder(settings: ModelSettings, folder: Path) -> str:
    """The architecture of a model that reads a text and writes another; else empty."""
    try:
        config = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except Exception:  # whoever needs the model itself says what is wrong with it
        return ""
    return str(config.model_type) if config.is_encoder_decoder else ""


class SlowBackend:
    """What is used of the tokenizers library, by a tokenizer that is written in Python: Marian's
    and M2M100's have one vocabulary for reading and one for writing."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))

    def encode_batch_fast(
        self, texts: Sequence[str], add_special_tokens: bool = True
    ) -> list[list[int]]:
        made = self.tokenizer(list(texts), add_special_tokens=add_special_tokens)
        return [list(ids) for ids in made["input_ids"]]

    def no_truncation(self) -> None:
        """It does none unasked."""

    def no_padding(self) -> None:
        """It does none unasked."""


def check_code(settings: ModelSettings, folder: Path) -> None:
    """Raise ModelError for a model that brings code which the session does not allow."""
    if settings.trust_remote_code:
        return
    for name in ("config.json", "tokenizer_config.json"):
        try:
            text = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{settings.name}: {name} cannot be read ({reason(error)}); fetch the model again."
            ) from error
        if isinstance(text, dict) and is_foreign(text):
            raise ModelError(
                f"{settings.name} comes with Python code of its own; read it, then allow it with "
                "model.trust_remote_code = true, or use another model."
            )


def is_foreign(config: dict[str, Any]) -> bool:
    """Whether a configuration needs code that comes with the model."""
    if not config.get("auto_map"):
        return False
    from transformers import CONFIG_MAPPING

    return config.get("model_type") not in CONFIG_MAPPING
