"""A GGUF file turned, once, into a folder of bfloat16 safetensors that loads in seconds.

Knows the file and the folder; knows nothing of where either comes from.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from workbench.inference.errors import ModelError, reason

Report = Callable[[str, float, float, str], None]
STAGES = 3.0


def convert(gguf_file: Path, folder: Path, report: Report) -> None:
    """Write the model of a GGUF file, dequantised, and its tokenizer to `folder`.

    The folder appears whole or not at all: it is written beside its place, then renamed.

    Raises:
        ModelError: when the file cannot be read, or the folder cannot be written.
    """
    if not gguf_file.is_file():
        raise ModelError(f"There is no file {gguf_file}; name a GGUF file that is there.")
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        report(f"converting {gguf_file.name}: its tokenizer", 0, STAGES, "stages")
        tokenizer = read_tokenizer(gguf_file)
        report(f"converting {gguf_file.name}: its weights", 1, STAGES, "stages")
        model = read_model(gguf_file, tokenizer)
        report(f"converting {gguf_file.name}: writing safetensors", 2, STAGES, "stages")
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        temporary.chmod(0o755)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        os.replace(temporary, folder)
        report(f"converting {gguf_file.name}", STAGES, STAGES, "stages")
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{folder} cannot be written ({reason(error)}); make room there and try again."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def read_tokenizer(gguf_file: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name)
    except Exception as error:  # whatever a broken file makes of the reader
        raise unreadable(gguf_file, error) from error


def read_model(gguf_file: Path, tokenizer: Any) -> Any:
    """The model of a GGUF file, dequantised to bfloat16, as one that can be saved."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        read = AutoModelForCausalLM.from_pretrained(
            gguf_file.parent,
            gguf_file=gguf_file.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
        # A model read from GGUF refuses save_pretrained: its weights move into one that does not.
        config = read.config
        for attribute in ("quantization_config", "_pre_quantization_dtype"):
            if hasattr(config, attribute):
                delattr(config, attribute)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        model.load_state_dict(read.state_dict())
        model.tie_weights()
    except Exception as error:
        raise unreadable(gguf_file, error) from error
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def unreadable(gguf_file: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{gguf_file} cannot be read as a GGUF model ({reason(error)}); "
        "it may be cut short or of an unknown architecture: fetch it again or use another model."
    )
