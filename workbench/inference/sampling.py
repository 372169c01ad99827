"""How the next token is chosen from what a model says of all tokens.

By transformers' own processors and in their order, so that a seed gives what `generate` gives.
"""

from collections.abc import Sequence

import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from workbench.inference.constraints import Matcher
from workbench.session import GenerationSettings


class Sampler:
    """Chooses a token for each row, as the settings say. A row's random numbers are its own: its
    answer does not depend on those beside it."""

    def __init__(self, settings: GenerationSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.warpers = LogitsProcessorList()
        if settings.do_sample:
            if settings.temperature != 1.0:
                self.warpers.append(TemperatureLogitsWarper(settings.temperature))
            if settings.top_k:
                self.warpers.append(TopKLogitsWarper(settings.top_k))
            if settings.top_p < 1.0:
                self.warpers.append(TopPLogitsWarper(settings.top_p))

    @property
    def remembers(self) -> bool:
        """What was said before matters."""
        return self.settings.repetition_penalty != 1.0

    def random(self) -> torch.Generator | None:
        """A row's random numbers."""
        if not self.settings.do_sample:
            return None
        return torch.Generator(self.device).manual_seed(self.settings.seed)

    def choose(
        self,
        logits: torch.Tensor,
        before: Sequence[Sequence[int]],
        randoms: Sequence[torch.Generator | None],
        matchers: Sequence[Matcher | None],
    ) -> list[int]:
        """The next token of each row, from float32 [rows, words]; `before` are all tokens so far,
        the prompt's too."""
        scores = logits
        if self.remembers:
            penalty = RepetitionPenaltyLogitsProcessor(self.settings.repetition_penalty)
            rows = [
                penalty(torch.tensor([ids], device=logits.device), logits[n : n + 1])
                for n, ids in enumerate(before)
            ]
            scores = torch.cat(rows)
        if any(matchers):
            scores = scores.clone()
            for row, matcher in enumerate(matchers):
                if matcher is not None:
                    allowed = torch.from_numpy(matcher.allowed(scores.shape[1]))
                    scores[row].masked_fill_(~allowed.to(scores.device), float("-inf"))
        if not self.settings.do_sample:
            return [int(token) for token in scores.argmax(-1)]
        shares = self.warpers(None, scores).softmax(-1)  # type: ignore[arg-type]  # ids: unused
        return [
            int(torch.multinomial(row, 1, generator=random))
            for row, random in zip(shares, randoms, strict=True)
        ]
