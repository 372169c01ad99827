"""A classifier answers: with a label, several, or a number."""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional
from typing_extensions import override

from workbench.inference.errors import ModelError
from workbench.inference.reader import Reader
from workbench.protocol import Option, Token


class ClassifierAnswerer(Reader):
    """Answers with the likeliest label; with all of several from the run's threshold on, separated
    by commas; or with a number."""

    @property
    @override
    def scores(self) -> bool:
        """One of several labels is given or not by itself, and a number has no probability."""
        return self.loaded.head.problem == "single_label"

    @property
    def threshold(self) -> float:
        """The probability from which on one of several labels is given."""
        return self.run.training.classification.threshold if self.run else 0.5

    @override
    def tokens(self, rows: Sequence[Sequence[int]], alternatives: int) -> list[list[Token]]:
        logits = self.logits(rows)
        match self.loaded.head.problem:
            case "regression":
                return [[Token(0, f"{value:.4g}", 0.0)] for value in logits[:, 0].tolist()]
            case "multi_label":
                return [self.given(row) for row in functional.logsigmoid(logits).tolist()]
        return [self.likeliest(row, alternatives) for row in logits.log_softmax(-1)]

    def likeliest(self, logprobs: torch.Tensor, alternatives: int) -> list[Token]:
        labels = self.loaded.head.labels
        order = logprobs.argsort(descending=True).tolist()
        options = [Option(n, labels[n], float(logprobs[n])) for n in order[:alternatives]]
        best = order[0]
        return [Token(best, labels[best], float(logprobs[best]), options)]

    def given(self, logprobs: list[float]) -> list[Token]:
        """Of several labels those that are given, each with its own probability."""
        least = math.log(self.threshold) if self.threshold else -math.inf
        labels = zip(self.loaded.head.labels, logprobs, strict=True)
        return [Token(n, name, one) for n, (name, one) in enumerate(labels) if one >= least]

    @override
    def joined(self, tokens: Sequence[Token]) -> str:
        return ", ".join(token.text for token in tokens)

    def in_order(self, expected: str) -> str:
        """A right answer as it would be written here: of several labels, in the head's order."""
        if self.loaded.head.problem != "multi_label":
            return expected
        given = {part.strip() for part in expected.split(",")} - {""}
        known = [label for label in self.loaded.head.labels if label in given]
        return ", ".join([*known, *sorted(given - set(known))])

    @override
    def log_probabilities(
        self, rows: Sequence[Sequence[int]], answers: Sequence[str]
    ) -> list[list[float]]:
        head = self.loaded.head
        if not self.scores:
            what = "it answers with a number" if head.problem == "regression" else "several labels"
            raise ModelError(
                f"{self.name} gives no probability of an answer, for a row has {what}; leave "
                "perplexity out of evaluation.metrics."
            )
        for answer in answers:
            if answer.strip() not in head.labels:
                raise ModelError(
                    f'"{answer[:40]}" is none of the labels that {self.name} was trained for '
                    f"({', '.join(head.labels[:6])}); set evaluation.labels to these, or correct "
                    "the rows."
                )
        places = [head.labels.index(answer.strip()) for answer in answers]
        found: list[list[float]] = self.logits(rows).log_softmax(-1)[:, places].tolist()
        return found
