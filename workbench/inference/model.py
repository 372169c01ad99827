"""One model in memory, with or without an adapter, and how it gets there.

Knows weights, devices and adapters; knows nothing of prompts, rows or training.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from workbench import runs
from workbench.inference.device import choose_device, choose_dtype, describe
from workbench.inference.errors import ModelError, reason
from workbench.inference.heads import Head, Kind, family_of, own_head
from workbench.inference.locate import check_weights, locate
from workbench.inference.tokenizer import quiet, tokenizer_in
from workbench.protocol import ModelStatus, Weights
from workbench.session import ModelSettings

__all__ = ["LoadedModel", "ModelError", "load_model"]

Report = Callable[[str, float, float, str], None]
CLASSES: dict[Kind, Any] = {
    "causal": AutoModelForCausalLM,
    "masked": AutoModelForMaskedLM,
    "classifier": AutoModelForSequenceClassification,
    "seq2seq": AutoModelForSeq2SeqLM,
}


class LoadedModel:
    """A model and its tokenizer; at most one adapter lies over its weights."""

    def __init__(
        self,
        settings: ModelSettings,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        dtype_reason: str = "",
        head: Head | None = None,
    ) -> None:
        self.settings, self.head = settings, head or Head()
        self.model: Any = model.eval().requires_grad_(False)
        self.tokenizer: Any = tokenizer
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype
        self.dtype_reason = dtype_reason
        self.adapter = ""  # where the adapter in memory comes from
        self.context_length = context_length(model.config, tokenizer)
        self.end_tokens = end_tokens(model, tokenizer)
        self.pad_token: int = first(tokenizer.pad_token_id, *self.end_tokens, 0)
        # What a repository's generation_config.json says must not leak into what the session says.
        if self.head.kind == "causal":
            model.generation_config = GenerationConfig(
                eos_token_id=self.end_tokens or None, pad_token_id=self.pad_token
            )
        if head := model.get_output_embeddings():
            head.register_forward_pre_hook(contiguous)
        parameters = inspect.signature(model.forward).parameters
        self.accepts = frozenset(parameters)  # names that the model's forward takes

    @property
    def has_adapter(self) -> bool:
        return hasattr(self.model, "peft_config")

    def status(self) -> ModelStatus:
        parameters = list(self.model.parameters())
        adapter = sum(p.numel() for name, p in self.model.named_parameters() if "lora_" in name)
        return ModelStatus(
            name=self.settings.name,
            parameters=sum(p.numel() for p in parameters) - adapter,
            device=describe(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            context_length=self.context_length,
            adapter=self.adapter,
            trainable=sum(p.numel() for p in parameters if p.requires_grad),
            chat=bool(self.tokenizer.chat_template),
        )

    @contextmanager
    def weights(self, which: Weights) -> Iterator[None]:
        """Compute with the base model's weights alone, or with the adapter over them.

        Raises:
            ModelError: for "tuned" where there is no adapter.
        """
        if which == "tuned" and not self.has_adapter:
            raise ModelError("There is no adapter in memory; train one or set model.adapter.")
        if which == "tuned" or not self.has_adapter:
            yield
            return
        with self.model.disable_adapter():
            yield

    @contextmanager
    def answering(self, which: Weights) -> Iterator[None]:
        """As `weights`, without dropout or gradients; a training model goes on as it was."""
        training = self.model.training
        self.model.eval()
        try:
            # not inference_mode: what a module keeps from it cannot take part in a training step
            with torch.no_grad(), self.weights(which):
                yield
        finally:
            self.model.train(training)

    def attach_adapter(self, name: str, folder: Path) -> None:
        """Lay a LoRA adapter over the weights, in place of the one there is.

        `name` is a run of the workspace `folder` (its last checkpoint), or a folder.

        Raises:
            ModelError: when there is no such adapter, or it does not fit this model.
        """
        from peft import PeftModel

        path = adapter_folder(name, folder)
        check_adapter(path)
        self.detach_adapter()
        base = self.model
        try:
            self.model = PeftModel.from_pretrained(base, str(path)).eval()
        except Exception as error:  # a broken or foreign file, in whatever way
            strip_adapter(base)
            raise ModelError(
                f"The adapter in {path} does not fit {self.settings.name} ({reason(error)}); "
                "use the model that it was trained on."
            ) from error
        self.adapter = name
        self.settings = msgspec.structs.replace(self.settings, adapter=name)

    def detach_adapter(self) -> None:
        """Take the adapter away: what is left are the base model's weights as they were loaded."""
        if self.has_adapter:
            self.model = self.model.unload().eval()
        self.adapter = ""
        self.settings = msgspec.structs.replace(self.settings, adapter="")


def contiguous(_head: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[Any, ...]:
    """Hand the language-model head its positions in one block.

    The few that `logits_to_keep` leaves are a slice, for which a CPU copies the head's whole matrix
    once a row: measured, 5 of the 10 seconds of a training step with 16 rows.
    """
    return (inputs[0].contiguous(), *inputs[1:])


def load_model(
    settings: ModelSettings, folder: Path, report: Report, head: Head | None = None
) -> LoadedModel:
    """The session's model in memory; relative names start in `folder`, the workspace.

    It ends in `head`, else in the one that its checkpoint has.

    Raises:
        ModelError: when it cannot be had, read or held; the text says what to do.
    """
    quiet()
    device = choose_device(settings.device)
    dtype, why = choose_dtype(settings.dtype, device)
    if settings.adapter:  # before the long part
        check_adapter(adapter_folder(settings.adapter, folder))
    path = locate(settings, folder, report)
    check_weights(settings.name, path)
    tokenizer = tokenizer_in(settings, path)
    config = read_config(settings, path)
    head = head or written(settings.name, config)
    if head.kind == "classifier":
        label(config, head)
    check_memory(settings.name, path, device, dtype)
    report(f"loading {settings.name}", 0, 0, "")
    try:
        model = CLASSES[head.kind].from_pretrained(
            path,
            config=config,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=settings.trust_remote_code,
        )
        model.to(device)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise no_memory(settings.name, device) from error
    except Exception as error:  # of many kinds: a corrupt file, an unknown architecture
        if "not enough memory" in str(error):
            raise no_memory(settings.name, device) from error
        raise ModelError(
            f"{settings.name} cannot be loaded from {path} ({reason(error)}); "
            "fetch it again or use another model."
        ) from error
    loaded = LoadedModel(settings, model, tokenizer, why, head)
    if settings.adapter:
        loaded.attach_adapter(settings.adapter, folder)
    return loaded


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


def written(name: str, config: Any) -> Head:
    """The head of a model that writes text; ModelError for an encoder and the like."""
    head = own_head(config)
    if head is None or head.kind != "causal":
        encodes = family_of(config) == "encoder"
        kind = "an encoder" if encodes else "an encoder-decoder"
        raise ModelError(
            f"{name} is {kind} ({config.model_type}) and writes no text by itself; "
            "choose a causal language model, such as smollm2-135m-instruct."
        )
    return head


def label(config: Any, head: Head) -> None:
    """Say in the configuration what a classifier's outputs are."""
    config.num_labels = head.outputs
    if head.labels:
        config.id2label = dict(enumerate(head.labels))
        config.label2id = {name: n for n, name in enumerate(head.labels)}
    names = {"multi_label": "multi_label_classification", "regression": "regression"}
    config.problem_type = names.get(head.problem, "single_label_classification")


def check_memory(name: str, path: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Raise ModelError where the weights cannot fit: the system would end the process instead."""
    stored = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    needed = stored * dtype.itemsize / 2  # nearly all weights are stored as 16 bit numbers
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


def adapter_folder(name: str, folder: Path) -> Path:
    """The folder of an adapter: a run's last checkpoint, else a folder.

    Raises:
        ModelError: when there is neither.
    """
    run = folder / "runs" / name
    if (run / "session.toml").exists():
        if last := runs.last_checkpoint(run):
            return last[1]
        raise ModelError(
            f'model.adapter: the run "{name}" has no checkpoint yet; '
            "let it train to its first, or choose another."
        )
    path = folder / Path(name).expanduser()
    if path.is_dir():
        return path
    raise ModelError(
        f'model.adapter: there is neither a run nor a folder "{name}" in {folder}; '
        "correct it, or leave it empty."
    )


def check_adapter(path: Path) -> None:
    """Raise ModelError where the folder holds no LoRA adapter that is safe to read."""
    config = path / "adapter_config.json"
    if not config.exists() or not (path / "adapter_model.safetensors").exists():
        pickled = (path / "adapter_model.bin").exists()
        why = "it only as a pickle, which can run code" if pickled else "none"
        raise ModelError(
            f"{path} should hold a LoRA adapter (adapter_config.json and "
            f"adapter_model.safetensors) and has {why}; name a run or another folder."
        )
    try:
        kind = json.loads(config.read_text(encoding="utf-8")).get("peft_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{config} cannot be read ({reason(error)}); use another.") from error
    if kind != "LORA":
        raise ModelError(f"{path} holds an adapter of kind {kind}; use one made with LoRA.")


def strip_adapter(model: Any) -> None:
    """Put back the layers that an attempt to attach an adapter wrapped before it failed."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.get_base_layer())
    for attribute in ("peft_config", "_hf_peft_config_loaded"):
        if attribute in vars(model):
            delattr(model, attribute)


def context_length(config: Any, tokenizer: Any) -> int:
    """The most tokens that the model can attend to, prompt and answer together."""
    text = config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        if isinstance(value := getattr(text, name, None), int) and value > 0:
            return value
    longest = tokenizer.model_max_length
    return int(longest) if longest < 10**9 else 2048


def end_tokens(model: PreTrainedModel, tokenizer: Any) -> list[int]:
    """The ids that end an answer: of the generation configuration, the tokenizer, the chat."""
    from workbench.data.prompting import end_of_turn

    said = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = said if isinstance(said, list) else [said]
    found = [*ids, tokenizer.eos_token_id, *end_of_turn(tokenizer)]
    return list(dict.fromkeys(int(one) for one in found if one is not None))


def first(*values: int | None) -> int:
    return next(int(value) for value in values if value is not None)
