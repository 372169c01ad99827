"""peft's tuned prompt, with the rows' own positions: peft leaves positions out, which is right only
where rows are padded on the right."""

from typing import Any

import torch
from peft import PeftModelForCausalLM


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
            count = peft_config.num_virtual_tokens
            begun = torch.arange(count, device=self.positions.device)
            begun = begun.expand(self.positions.shape[0], -1)
            kwargs["position_ids"] = torch.cat([begun, self.positions + count], 1)
