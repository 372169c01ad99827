"""A GGUF file turned, once, into a folder of bfloat16 safetensors that loads in seconds.

Knows the file and the folder; knows nothing of where either comes from.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workbench.inference.errors import ModelError, reason

Report = Callable[[str, float, float, str], None]
STAGES = 3.0


def convert(gguf_file: Path, folder: Path, report: Report) -> None:
    """Write the model of a GGUF file, dequantised, and its tokenizer to `folder`.

    The folder appears whole or not at all: it is written beside its place, then renamed.

    Raises:
        ModelError: when the file cannot be read, or the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        write(gguf_file, temporary, report)
        temporary.chmod(0o755)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except OSError as error:
        if error.errno is None:  # transformers says so of a file it does not understand
            raise unreadable(gguf_file, error) from error
        raise ModelError(
            f"{folder} cannot be written ({error.strerror}); make room there and try again."
        ) from error
    except ModelError:
        raise
    except Exception as error:
        raise unreadable(gguf_file, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write(gguf_file: Path, folder: Path, report: Report) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers.utils import logging


    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if not gguf_file.is_file():
        raise ModelError(f"There is no file {gguf_file}; name a GGUF file that is there.")
    report(f"converting {gguf_file.name}: its tokenizer", 0, STAGES, "stages")
    tokenizer = AutoTokenizer.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name)
    report(f"converting {gguf_file.name}: its weights", 1, STAGES, "stages")
    read = AutoModelForCausalLM.from_pretrained(
        gguf_file.parent,
        gguf_file=gguf_file.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    report(f"converting {gguf_file.name}: writing safetensors", 2, STAGES, "stages")
    # A model read from GGUF refuses save_pretrained, so its weights move into one that does not.
    config = read.config
    for attribute in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(config, attribute):
            delattr(config, attribute)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    report(f"converting {gguf_file.name}", STAGES, STAGES, "stages")


def unreadable(gguf_file: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{gguf_file} cannot be read as a GGUF model ({reason(error)}); "
        "it may be cut short or of an unknown architecture: fetch it again or use another model."
    )
