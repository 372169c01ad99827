"""peft's tuned prompt with rows padded on either side.

peft leaves a row's positions out, which is right only where rows are padded on the right; and a
classifier that is a language model is asked at a row's last token, which peft finds only where rows
are padded on the left. Knows tensors; knows nothing of prompts.
"""

from typing import Any

import torch
from peft import PeftModelForCausalLM, PeftModelForSequenceClassification

from workbench.inference.heads import family_of


class Prompted(PeftModelForCausalLM):
    """Tokens of a row stand after the virtual ones, at the positions given."""

    positions: torch.Tensor | None = None

    def forward(self, *given: Any, position_ids: torch.Tensor | None = None, **named: Any) -> Any:
        self.positions = position_ids
        try:
            return super().forward(*given, **named)  # type: ignore[no-untyped-call]
        finally:
            self.positions = None

    def _adjust_prompt_learning_kwargs(
        self, peft_config: Any, *, kwargs: dict[str, Any], remove_token_type_ids: bool = True
    ) -> None:
        super()._adjust_prompt_learning_kwargs(
            peft_config, kwargs=kwargs, remove_token_type_ids=remove_token_type_ids
        )
        if self.positions is not None:
            kwargs["position_ids"] = after(self.positions, peft_config.num_virtual_tokens)


class PromptedClassifier(PeftModelForSequenceClassification):
    """Rows are moved to the right, so that the last token is each row's own."""

    positions: torch.Tensor | None = None

    def forward(  # type: ignore[override]
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **named: Any,
    ) -> Any:
        if input_ids is not None and attention_mask is not None:
            order = attention_mask.long().argsort(dim=1, stable=True)  # padding first
            input_ids = input_ids.gather(1, order)
            attention_mask = attention_mask.gather(1, order)
            self.positions = (attention_mask.long().cumsum(1) - 1).clamp_min(0)
        named.pop("position_ids", None)
        try:
            return super().forward(  # type: ignore[no-untyped-call]
                input_ids=input_ids, attention_mask=attention_mask, **named
            )
        finally:
            self.positions = None

    def _adjust_prompt_learning_kwargs(
        self, peft_config: Any, *, kwargs: dict[str, Any], remove_token_type_ids: bool = True
    ) -> None:
        super()._adjust_prompt_learning_kwargs(
            peft_config, kwargs=kwargs, remove_token_type_ids=remove_token_type_ids
        )
        if self.positions is not None:
            kwargs["position_ids"] = after(self.positions, peft_config.num_virtual_tokens)


def after(positions: torch.Tensor, count: int) -> torch.Tensor:
    """Positions of so many virtual tokens and of the rows' tokens after them, [rows, tokens]."""
    begun = torch.arange(count, device=positions.device).expand(positions.shape[0], -1)
    return torch.cat([begun, positions + count], 1)


def positioned(model: Any) -> None:
    """Make a tuned prompt of peft's one of these, where padding matters."""
    if isinstance(model, PeftModelForCausalLM):
        model.__class__ = Prompted
    elif isinstance(model, PeftModelForSequenceClassification):
        base = model.get_base_model()
        if family_of(base.config) == "decoder":
            model.__class__ = PromptedClassifier
