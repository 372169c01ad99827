"""What those who answer from a model in memory have in common.

Knows questions and answers; knows nothing of rows, metrics or screens.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from workbench.inference.answering import Answer, OnAnswer, Question
from workbench.inference.decoding import Writing
from workbench.inference.device import describe
from workbench.inference.errors import ModelError
from workbench.inference.fingerprints import fingerprint
from workbench.inference.loaded import LoadedModel
from workbench.inference.prefixes import Prefixes
from workbench.protocol import Weights

MOST_ROWS = 64  # at once


class Resident:
    """A model in memory, with its own weights or the tuned ones.

    `prefixes` keeps what was read from one request to the next, where a model reads from left to
    right; `folder` is the workspace, where the file of a JSON schema and the run of the tuned
    weights are looked for; `most` are the rows read at once.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        weights: Weights,
        prefixes: Prefixes | None = None,
        folder: Path = Path(),
        most: int = MOST_ROWS,
    ) -> None:
        self.loaded, self.weights, self.folder, self.most = loaded, weights, folder, most
        self.prefixes = Prefixes() if prefixes is None else prefixes
        self.name = loaded.settings.name
        self.device = describe(loaded.device)

    @property
    def fingerprint(self) -> str:
        """Of the weights as they are now."""
        return fingerprint(self.loaded, self.weights)

    def check(self, question: Question, new: int) -> None:
        """Raise ModelError where a prompt and an answer of `new` tokens are longer than what the
        model reads."""
        raise NotImplementedError

    def fitting(self, questions: Sequence[Question], new: int, on_answer: OnAnswer) -> list[int]:
        """Positions of the questions that fit with their answer; the others are told."""
        found = []
        for position, question in enumerate(questions):
            try:
                self.check(question, new)
            except ModelError as error:
                on_answer(position, Answer(reason="failed", problem=str(error)))
            else:
                found.append(position)
        return found


def answered(writing: Writing, begun: float) -> Answer:
    """What was written, from the time when it was begun."""
    return Answer(
        text=writing.text,
        tokens=len(writing.ids),
        reason=writing.reason,
        logprob=writing.logprob,
        detail=writing.detail,
        seconds_to_first=writing.times[0] - begun if writing.times else 0.0,
        seconds=time.perf_counter() - begun,
    )
