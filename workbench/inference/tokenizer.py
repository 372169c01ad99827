"""The tokenizer of a model, and text from tokens as they come."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from transformers import AutoTokenizer, PreTrainedTokenizerFast
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
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except Exception as error:  # whatever a broken file makes of the parser
        raise ModelError(
            f"The tokenizer of {settings.name} cannot be read ({reason(error)}); "
            "fetch the model again or use another."
        ) from error
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ModelError(
            f"{settings.name} has a tokenizer of an old kind, without tokenizer.json; "
            "use a model that has one."
        )
    return cast(PreTrainedTokenizerFast, tokenizer)


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
