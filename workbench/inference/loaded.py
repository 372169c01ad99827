"""One model in memory, as it was and as it is tuned.

Knows weights, devices and adapters; knows nothing of prompts, rows or training.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from workbench.inference.adapters import (
    adapter_folder,
    check_adapter,
    misfit,
    read_json,
)
from workbench.inference.device import describe
from workbench.inference.errors import ModelError, reason
from workbench.inference.heads import Head, positions
from workbench.inference.moved import Moved
from workbench.inference.opening import Opening
from workbench.inference.wrapping import (
    check_layers,
    disabled,
    is_new,
    prepared,
    strip_adapter,
    unwrapped,
)
from workbench.protocol import ModelStatus, Weights
from workbench.session import ModelSettings


class LoadedModel:
    """A model and its tokenizer; over the base weights lie at most one kind of tuned ones.

    An adapter of peft (LoRA and its variants, a tuned prompt or prefix) lies beside them; a full
    fine-tune moves them in place, and what they were before may be kept. `again(quantised)` reads
    the base weights once more, in 4 bits where that is asked for.

    Attributes:
        model: what is computed with and trained: peft's wrapping of the model, or the model.
        moved: the weights that a full fine-tune moves; None where an adapter or nothing lies there.
        adapter: where the tuned weights in memory come from.
        active: which weights are computed with now; see `weights`.
    """

    def __init__(  # noqa: PLR0917
        self,
        settings: ModelSettings,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        dtype_reason: str = "",
        head: Head | None = None,
        again: Callable[[bool], PreTrainedModel] | None = None,
    ) -> None:
        self.settings, self.head = settings, head or Head()
        self.tokenizer: Any = tokenizer
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype
        self.dtype_reason = dtype_reason
        self.again = again
        self.quantised = False
        self.adapter = ""
        self.moved: Moved | None = None
        self.active: Weights | None = None
        self.openings = Opening(self)
        self.positions = context_length(model.config, tokenizer)
        self.reserved = 0  # for virtual tokens that are still to come
        self.end_tokens = end_tokens(model, tokenizer)
        self.pad_token: int = first(tokenizer.pad_token_id, *self.end_tokens, 0)
        # As the model came; an encoder has none.
        self.generation_config = getattr(model, "generation_config", None)
        self.model: Any = self.adopted(model)
        parameters = inspect.signature(model.forward).parameters
        self.accepts = frozenset(parameters)  # names that the model's forward takes

    def adopted(self, model: PreTrainedModel) -> PreTrainedModel:
        """The base model as it is computed with here."""
        # What a repository's generation_config.json says must not leak into what the session says.
        if self.head.kind == "causal":
            model.generation_config = GenerationConfig(
                eos_token_id=self.end_tokens or None, pad_token_id=self.pad_token
            )
        if head := model.get_output_embeddings():
            head.register_forward_pre_hook(contiguous)
        model.eval().requires_grad_(False)
        return model

    @property
    def base(self) -> Any:
        """The transformers model, without peft's wrapping."""
        return self.model.get_base_model() if self.has_adapter else self.model

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter of peft lies beside the base weights."""
        return hasattr(self.model, "peft_config")

    @property
    def has_tuned(self) -> bool:
        """Whether there are tuned weights, of whatever method."""
        return self.has_adapter or self.moved is not None

    @property
    def has_base(self) -> bool:
        """Whether the base model's own weights can answer; not after a full fine-tune that did not
        keep them."""
        return self.moved is None or self.moved.base is not None

    def has(self, which: Weights) -> bool:
        return self.has_tuned if which == "tuned" else self.has_base

    @property
    def virtual_tokens(self) -> int:
        """How many virtual tokens stand before each prompt of the tuned weights."""
        return self.openings.length

    @property
    def context_length(self) -> int:
        """The most tokens of a prompt and its answer together; virtual tokens take of them."""
        return self.positions - max(self.reserved, self.virtual_tokens)

    def room(self, which: Weights) -> int:
        """As `context_length`, for those weights."""
        return self.context_length if which == "tuned" else self.positions

    def status(self) -> ModelStatus:
        named = dict(self.model.named_parameters())
        return ModelStatus(
            name=self.settings.name,
            parameters=sum(size(p) for name, p in named.items() if not is_new(name)),
            device=describe(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            context_length=self.context_length,
            adapter=self.adapter,
            trainable=sum(size(p) for p in named.values() if p.requires_grad),
            chat=bool(self.tokenizer.chat_template),
            base=self.has_base and not self.head.fresh,
        )

    # --- which weights compute ---------------------------------------------------------------

    @contextmanager
    def weights(self, which: Weights) -> Iterator[None]:
        """Compute with the base model's weights alone, or with the tuned ones.

        Without tuned weights "base" changes nothing. What is trained is as it was afterwards,
        gradients and the optimizer's state included.

        Raises:
            ModelError: where there are no such weights.
        """
        if which == "tuned" and not self.has_tuned:
            raise ModelError("There are no tuned weights in memory; train, or set model.adapter.")
        if which == "base" and not self.has_base:
            raise ModelError(
                f"{self.settings.name} was tuned without keeping its weights from before; "
                "load it again, or train with training.keep_base."
            )
        before, self.active = self.active, which
        try:
            if self.moved is not None:
                with self.moved.shown(which):
                    yield
            elif which == "base" and self.has_adapter and before != "base":
                with disabled(self.model):
                    yield
            else:
                yield
        finally:
            self.active = before

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

    # --- tuned weights -----------------------------------------------------------------------

    def move(self, parameters: dict[str, torch.nn.Parameter], *, keep: bool) -> None:
        """Let these parameters be trained in place; `keep` what they were before.

        Raises:
            ModelError: when the base weights are no longer there and cannot be read again.
        """
        self.drop_tuned()
        self.moved = Moved(parameters, keep=keep)

    def save_tuned(self, folder: Path | str) -> None:
        """Write the tuned weights and the tokenizer to a folder: an adapter in peft's format; of a
        full fine-tune the whole model as safetensors, with its configuration, as it is trained.

        Raises:
            ModelError: where there are none.
        """
        folder = Path(folder)
        if not self.has_tuned:
            raise ModelError("There are no tuned weights in memory to save; train first.")
        if self.has_adapter:
            # "auto" asks the hub whether the vocabulary was resized; no adapter here does that
            self.model.save_pretrained(str(folder), save_embedding_layers=False)
        else:
            mine = getattr(self.model, "generation_config", None)
            if self.generation_config is not None:
                self.model.generation_config = self.generation_config
            try:
                self.model.save_pretrained(str(folder))
            finally:
                if self.generation_config is not None:
                    self.model.generation_config = mine
        self.tokenizer.save_pretrained(str(folder))

    def load_tuned(self, name: str, folder: Path) -> None:
        """Lay tuned weights over the base, in place of those that may lie there.

        `name` is a run of the workspace `folder` (its best checkpoint), or a folder: an adapter, or
        a whole model of the same architecture.

        Raises:
            ModelError: when there are none, or they do not fit this model.
        """
        path = adapter_folder(name, folder)
        kind = check_adapter(path)
        self.drop_tuned()
        if kind == "adapter":
            self.load_adapter(path)
        else:
            self.load_full(path)
        self.adapter = name
        self.settings = msgspec.structs.replace(self.settings, adapter=name)

    def load_adapter(self, path: Path) -> None:
        from peft import PeftModel

        base = self.model
        try:
            with warnings.catch_warnings(record=True):
                model = PeftModel.from_pretrained(base, str(path)).eval()
            check_layers(model, path)
            self.model = prepared(model).requires_grad_(False)
            self.openings.check()
        except Exception as error:  # a broken or foreign file, in whatever way
            self.model = base
            strip_adapter(base)
            raise ModelError(
                f"The adapter in {path} does not fit {self.settings.name} ({misfit(error)}); "
                "use the model that it was trained on."
            ) from error

    def load_full(self, path: Path) -> None:
        """Take over the weights of a whole model that differ from the base's."""
        mine, theirs = self.model.config, read_json(path / "config.json")
        if theirs.get("model_type") != mine.model_type:
            raise ModelError(
                f"The model in {path} is of the kind {theirs.get('model_type')} and "
                f"{self.settings.name} is {mine.model_type}; use the model that it was tuned from."
            )
        try:
            other = type(self.model).from_pretrained(
                path, dtype=self.dtype, local_files_only=True, use_safetensors=True
            )
            tuned = dict(other.named_parameters())
            parameters = dict(self.model.named_parameters())
            check_shapes(parameters, tuned)
        except Exception as error:  # a broken or foreign file, in whatever way
            raise ModelError(
                f"The model in {path} does not fit {self.settings.name} ({reason(error)}); "
                "use the model that it was tuned from."
            ) from error
        there = {name: one.data.to(parameters[name].device) for name, one in tuned.items()}
        changed = {
            name: parameters[name]
            for name, one in there.items()
            if not torch.equal(parameters[name].data, one)
        }
        self.moved = Moved.between(changed, [there[name] for name in changed])

    def drop_tuned(self) -> None:
        """Take the tuned weights away: what is left are the base model's as they were loaded.

        Raises:
            ModelError: when these are no longer there and cannot be read again.
        """
        if self.has_adapter:
            self.model = unwrapped(self.model).eval()
        elif self.moved is not None:
            if self.moved.base is None:
                self.read_again(self.moved)
            self.moved.put_back()
            self.moved = None
        self.model.requires_grad_(False)
        self.openings.clear()
        self.reserved = 0
        self.adapter = ""
        self.settings = msgspec.structs.replace(self.settings, adapter="")

    def read_again(self, moved: Moved) -> None:
        """Have the base weights from disk that were not kept."""
        if self.again is None:
            raise ModelError(f"The weights of {self.settings.name} are tuned; load it again.")
        for one in moved.parameters.values():  # their memory is needed
            one.data = torch.empty(0, dtype=one.dtype, device=one.device)
        fresh = dict(self.again(False).named_parameters())
        pairs = zip(moved.parameters, moved.dtypes, strict=True)
        moved.base = [fresh[name].data.to(self.device, dtype) for name, dtype in pairs]

    def quantise(self, wanted: bool = True) -> None:
        """Have the base weights in 4 bits, or no longer, read from disk again.

        Raises:
            ModelError: where they cannot be read again.
        """
        if self.quantised == wanted:
            return
        if self.again is None:
            raise ModelError(f"The weights of {self.settings.name} cannot be read again; load it.")
        self.drop_tuned()
        self.model = None  # its memory is needed
        self.model = self.adopted(self.again(wanted))
        self.quantised = wanted


def size(parameter: torch.nn.Parameter) -> int:
    """How many weights it holds; of 4-bit ones there are two in a byte."""
    if type(parameter).__name__ == "Params4bit":
        return parameter.numel() * parameter.element_size() * 2
    return parameter.numel()


def check_shapes(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Raise ValueError where weights have other names or sizes."""
    odd = sorted(mine.keys() ^ theirs.keys())
    odd += [
        name for name, one in mine.items() if name in theirs and one.shape != theirs[name].shape
    ]
    if odd:
        raise ValueError(f"its layers are others, {odd[0]} for one")


def contiguous(_head: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[Any, ...]:
    """Hand the language-model head its positions in one block.

    The few that `logits_to_keep` leaves are a slice, for which a CPU copies the head's whole matrix
    once a row: measured, 5 of the 10 seconds of a training step with 16 rows.
    """
    return (inputs[0].contiguous(), *inputs[1:])


def context_length(config: Any, tokenizer: Any) -> int:
    """The most tokens that the model can attend to, prompt and answer together."""
    if found := positions(config):
        return found
    longest = tokenizer.model_max_length
    return int(longest) if longest < 10**9 else 2048


def end_tokens(model: PreTrainedModel, tokenizer: Any) -> list[int]:
    """The ids that end an answer: of the generation configuration, the tokenizer, the chat."""
    from workbench.data.prompting import end_of_turn

    said = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids = said if isinstance(said, list) else [said]
    found = [*ids, tokenizer.eos_token_id, *end_of_turn(tokenizer)]
    return list(dict.fromkeys(int(one) for one in found if one is not None))


def first(*values: int | None) -> int:
    return next(int(value) for value in values if value is not None)
