"""How a model gets into memory: found, checked, read, and tuned weights laid over it.

Knows files, devices and memory; knows nothing of prompts, rows or training.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

from workbench.inference.adapters import adapter_folder, check_adapter
from workbench.inference.device import choose_device, choose_dtype
from workbench.inference.errors import ModelError, reason
from workbench.inference.heads import Head, Kind, can_have, family_of, own_head
from workbench.inference.loaded import LoadedModel
from workbench.inference.locate import check_weights, locate
from workbench.inference.tokenizer import quiet, tokenizer_in
from workbench.session import ModelSettings

__all__ = ["LoadedModel", "ModelError", "adapter_folder", "load_model"]

Report = Callable[[str, float, float, str], None]
NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)  # bytes of a weight in 4 bits, its scales quantised again
CLASSES: dict[Kind, Any] = {
    "causal": AutoModelForCausalLM,
    "masked": AutoModelForMaskedLM,
    "classifier": AutoModelForSequenceClassification,
    "seq2seq": AutoModelForSeq2SeqLM,
}


def load_model(
    settings: ModelSettings,
    folder: Path,
    report: Report,
    head: Head | None = None,
    *,
    quantised: bool = False,
) -> LoadedModel:
    """The session's model in memory; relative names start in `folder`, the workspace.

    It ends in `head`, else in the one that its checkpoint has. `quantised`: each of its weights is
    put into 4 bits as it is read, so that they are never all there in 16.

    Raises:
        ModelError: when it cannot be had, read or held; the text says what to do.
    """
    quiet()
    device = choose_device(settings.device)
    if settings.adapter:  # before the long part
        check_adapter(adapter_folder(settings.adapter, folder))
    path = locate(settings, folder, report)
    check_weights(settings.name, path)
    tokenizer = tokenizer_in(settings, path)
    config = read_config(settings, path)
    head = head or answering_head(settings.name, config)
    if head.kind == "classifier":
        label(config, head, tokenizer)
    dtype, why = number_format(settings, device, head, config)
    check_memory(settings.name, path, device, NF4 if quantised else dtype.itemsize)
    report(f"loading {settings.name}", 0, 0, "")
    how = {"config": config, "dtype": dtype, "trust_remote_code": settings.trust_remote_code}

    def read(quantised: bool = False) -> Any:
        try:
            return read_weights(head, path, device, how | in_bits(device, quantised))
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise no_memory(settings.name, device) from error
        except Exception as error:  # of many kinds: a corrupt file, an unknown architecture
            if "not enough memory" in str(error):
                raise no_memory(settings.name, device) from error
            raise ModelError(
                f"{settings.name} cannot be loaded from {path} ({reason(error)}); "
                "fetch it again or use another model."
            ) from error

    loaded = LoadedModel(settings, read(quantised), tokenizer, why, head, read)
    loaded.quantised = quantised
    if settings.adapter:
        loaded.load_tuned(settings.adapter, folder)
    return loaded


def read_weights(head: Head, path: Path, device: torch.device, how: dict[str, Any]) -> Any:
    """The model of a folder, on its device; what its head lacks there begins at random."""
    if head.fresh:
        how = {**how, "ignore_mismatched_sizes": True}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(head.seed)
        model = CLASSES[head.kind].from_pretrained(
            path, local_files_only=True, use_safetensors=True, **how
        )
    return model if "device_map" in how else model.to(device)


def in_bits(device: torch.device, quantised: bool) -> dict[str, Any]:
    """What tells transformers to put weights into 4 bits on their device as it reads them (Dettmers
    et al., 2023); needs bitsandbytes, and a CUDA GPU to be fast."""
    if not quantised:
        return {}
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def number_format(
    settings: ModelSettings, device: torch.device, head: Head, config: Any
) -> tuple[torch.dtype, str]:
    """The format of the weights' numbers, and why."""
    if settings.dtype == "auto" and head.reads and family_of(config) == "encoder":
        return torch.float32, "an encoder is small, and small steps of its weights add up"
    return choose_dtype(settings.dtype, device)


def read_config(settings: ModelSettings, path: Path) -> Any:
    """The configuration of a model; ModelError where it cannot be read."""
    try:
        return AutoConfig.from_pretrained(
            path, local_files_only=True, trust_remote_code=settings.trust_remote_code
        )
    except Exception as error:
        raise ModelError(
            f"{settings.name} is of a kind that this program does not know ({reason(error)}); "
            "use another model."
        ) from error


def model_config(settings: ModelSettings, folder: Path, report: Report) -> Any:
    """The configuration of the session's model, without its weights in memory.

    Raises:
        ModelError: when it cannot be had or read.
    """
    quiet()
    return read_config(settings, locate(settings, folder, report))


def answering_head(name: str, config: Any) -> Head:
    """The head that a checkpoint has by itself.

    Raises:
        ModelError: for a bare encoder, which answers nothing.
    """
    head = own_head(config)
    if head is None:
        raise ModelError(
            f"{name} is an encoder ({config.model_type}) without a head, so it answers nothing by "
            "itself; a run gives it one (training.task classification or masked_lm): start one, "
            "or set model.adapter to a run."
        )
    if not can_have(config, head.kind):
        raise ModelError(
            f"{name} is of a kind ({config.model_type}) that this program cannot answer with; use "
            "another model."
        )
    return head


def label(config: Any, head: Head, tokenizer: Any = None) -> None:
    """Say in the configuration what a classifier's outputs are, and how its rows are padded."""
    config.num_labels = head.outputs
    if head.labels:
        config.id2label = dict(enumerate(head.labels))
        config.label2id = {name: n for n, name in enumerate(head.labels)}
    names = {"multi_label": "multi_label_classification", "regression": "regression"}
    config.problem_type = names.get(head.problem, "single_label_classification")
    if tokenizer is None:
        return
    text = config.get_text_config()
    if tokenizer.pad_token_id is None:
        known = (text.pad_token_id, tokenizer.eos_token_id, 0)
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(
            next(one for one in known if one is not None)
        )
    # A model that writes is asked at a row's last token, which it finds by the padding after it.
    text.pad_token_id = tokenizer.pad_token_id


def check_memory(name: str, path: Path, device: torch.device, width: float) -> None:
    """Raise ModelError where weights of `width` bytes each cannot fit: the system would end the
    process instead."""
    stored = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    needed = stored * width / 2  # nearly all weights are stored as 16 bit numbers
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    elif device.type == "cpu":
        free = psutil.virtual_memory().available
    else:
        return
    if needed > free:
        raise ModelError(
            f"{name} needs about {needed / 1e9:.1f} GB on {device} and {free / 1e9:.1f} GB are "
            "free; close other programs or use a smaller model."
        )


def no_memory(name: str, device: torch.device) -> ModelError:
    return ModelError(
        f"There is not enough memory on {device} for {name}; "
        "close other programs, use a smaller model, or set model.dtype to bfloat16."
    )
