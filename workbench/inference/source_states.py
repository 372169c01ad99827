"""What an encoder-decoder holds of rows: what the encoder read, and what is written so far.

Knows token ids, masks and caches; knows nothing of prompts or of how the next token is chosen.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from workbench.inference.loaded import LoadedModel


def target_shifted(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """What the decoder gets to predict labels [rows, tokens], in which -100 is padding: each token
    after the one before it."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        shifted: torch.Tensor = model.prepare_decoder_input_ids_from_labels(labels=labels)
        return shifted
    config = model.config
    shifted = labels.new_full(labels.shape, config.pad_token_id)
    shifted[:, 1:] = labels[:, :-1]
    shifted[:, 0] = config.decoder_start_token_id
    return shifted.masked_fill(shifted == -100, config.pad_token_id)


def decoder_start(loaded: LoadedModel) -> int:
    """The token that the decoder begins with; mBART's names the language."""
    empty = loaded.tokenizer(text_target="")["input_ids"] or [loaded.pad_token]
    return int(target_shifted(loaded.base, torch.tensor([empty]))[0, 0])


def forced(tokenizer: Any) -> list[int]:
    """What the tokenizer puts before each target, such as the token of its language: given, not
    written."""
    found = []
    for token in tokenizer(text_target="")["input_ids"]:
        if token == tokenizer.eos_token_id:
            break
        found.append(int(token))
    return found


class SourceStates:
    """Rows under way in an encoder-decoder. Call it inside `loaded.answering(…)`.

    `source`, `mask` [rows, longest]: what is read, padded on the right; `never` are tokens that
    the model's own settings rule out, such as Marian's padding.
    """

    def __init__(
        self, loaded: LoadedModel, rows: Sequence[Sequence[int]], read: bool = True
    ) -> None:
        self.loaded = loaded
        self.source, self.mask = pad_right(rows, loaded.pad_token)
        self.source, self.mask = self.source.to(loaded.device), self.mask.to(loaded.device)
        self.never = ruled_out(loaded)
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self.encoded: Any = None
        if read:
            encoder = loaded.base.get_encoder()
            self.encoded = encoder(input_ids=self.source, attention_mask=self.mask)[0]

    @property
    def rows(self) -> int:
        return int(self.mask.shape[0])

    def begin(self, written: Sequence[Sequence[int]], keep: int = 1) -> torch.Tensor:
        """What stands before each answer, of one length; logits of what comes after the last
        `keep` tokens of it, float32 [rows, keep, words]."""
        return self.forward(torch.tensor(written, dtype=torch.long))[:, -keep:]

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """One more token for each row; logits of what comes next, float32 [rows, words]."""
        return self.forward(torch.tensor(tokens, dtype=torch.long)[:, None])[:, 0]

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        name = "cache" if "cache" in self.loaded.accepts else "past_key_values"
        logits: torch.Tensor = self.loaded.base(
            encoder_outputs=BaseModelOutput(last_hidden_state=self.encoded),
            attention_mask=self.mask,
            decoder_input_ids=ids.to(self.loaded.device),
            use_cache=True,
            **{name: self.cache},
        ).logits.float()
        if self.never:
            logits[..., self.never] = float("-inf")
        return logits

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order; a row may be there more than once."""
        chosen = torch.tensor(rows, dtype=torch.long, device=self.loaded.device)
        self.mask, self.encoded = (one.index_select(0, chosen) for one in (self.mask, self.encoded))
        if self.cache.get_seq_length():
            self.cache.reorder_cache(chosen)  # type: ignore[arg-type]  # any int64 tensor is one

    def scores(self, targets: Sequence[Sequence[int]], given: int) -> list[float]:
        """The log-probability of each row's target, without its first `given` tokens."""
        labels, there = pad_right(targets, -100)
        logits: torch.Tensor = self.loaded.base(
            encoder_outputs=BaseModelOutput(last_hidden_state=self.encoded),
            attention_mask=self.mask,
            decoder_input_ids=target_shifted(self.loaded.base, labels).to(self.loaded.device),
            use_cache=False,
        ).logits.float()
        there[:, :given] = 0
        labels = labels.clamp_min(0).to(logits.device)
        found = logits.log_softmax(-1).gather(2, labels[:, :, None])[:, :, 0]
        scores: list[float] = (found * there.to(found.device)).sum(1).tolist()
        return scores


def ruled_out(loaded: LoadedModel) -> list[int]:
    """Single tokens that the model came with as never to be written."""
    said = getattr(loaded, "generation_config", None)
    words = getattr(said, "bad_words_ids", None) or []
    return [int(one[0]) for one in words if len(one) == 1]


def pad_right(rows: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and their mask, each [rows, longest]."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[number, : len(row)] = 1
    return ids, mask
