"""Virtual tokens that begin as words, and stand at the right positions."""

import torch
from peft import PeftModelForCausalLM, PeftModelForSequenceClassification


def word_embeddings(model, ids):
    """The model's own embeddings of these tokens: a tuned prompt begins as them."""
    with torch.no_grad():
        return model.get_input_embeddings()(torch.tensor(ids, device=model.device))


def keys_and_values(model, ids):
    """The model's own keys and values of these tokens, as peft holds a prefix: [tokens, layers x 2
    x heads x size]."""
    with torch.no_grad():
        rows = torch.tensor([ids], device=model.device)
        cache = model(input_ids=rows, use_cache=True).past_key_values
    both = [one[0] for layer in cache.layers for one in (layer.keys, layer.values)]
    return torch.stack(both).permute(2, 0, 1, 3).flatten(1).float()


def begin_from(model, values):
    """Have the virtual tokens begin as these values."""
    with torch.no_grad():
        model.prompt_encoder[model.active_adapter].embedding.weight.copy_(values)


def after_virtual(positions, count):
    """Positions of so many virtual tokens and of the rows' tokens after them."""
    begun = torch.arange(count, device=positions.device).expand(positions.shape[0], -1)
    return torch.cat([begun, positions + count], 1)


class Prompted(PeftModelForCausalLM):
    """peft leaves the positions of rows out, which is wrong where they are padded on the left."""

    positions = None

    def forward(self, *given, position_ids=None, **named):
        self.positions = position_ids
        try:
            return super().forward(*given, **named)
        finally:
            self.positions = None

    def _adjust_prompt_learning_kwargs(self, peft_config, *, kwargs, **more):
        super()._adjust_prompt_learning_kwargs(peft_config, kwargs=kwargs, **more)
        if self.positions is not None:
            kwargs["position_ids"] = after_virtual(self.positions, peft_config.num_virtual_tokens)


class PromptedClassifier(PeftModelForSequenceClassification):
    """A model that writes is asked for the label at a row's last token, which peft finds where rows
    are padded on the left: they are moved there."""

    positions = None

    def forward(self, input_ids=None, attention_mask=None, **named):
        if attention_mask is not None:
            order = attention_mask.long().argsort(dim=1, stable=True)  # padding first
            input_ids = input_ids.gather(1, order)
            attention_mask = attention_mask.gather(1, order)
            self.positions = (attention_mask.long().cumsum(1) - 1).clamp_min(0)
        try:
            return super().forward(input_ids=input_ids, attention_mask=attention_mask, **named)
        finally:
            self.positions = None

    def _adjust_prompt_learning_kwargs(self, peft_config, *, kwargs, **more):
        super()._adjust_prompt_learning_kwargs(peft_config, kwargs=kwargs, **more)
        if self.positions is not None:
            kwargs["position_ids"] = after_virtual(self.positions, peft_config.num_virtual_tokens)
