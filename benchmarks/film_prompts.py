"""What the benchmarks of prompting ask: film reviews after 16 examples, for the starter model."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workspace import ROOT
from workbench import session as sessions
from workbench.data.prompting import chat_text, messages
from workbench.data.sources import open_dataset
from workbench.inference.answering import Question
from workbench.inference.local import LocalAnswerer
from workbench.inference.model import LoadedModel, load_model
from workbench.inference.prefixes import Prefixes
from workbench.session import ModelSettings, Prompt

LABELS = ["positive", "negative"]
EXAMPLES = 16


def nothing(*_: Any) -> None:
    pass


@dataclass
class Asked:
    """Rows of the evaluation side, each as a prompt with the same examples before it."""

    loaded: LoadedModel
    prompt: Prompt
    rows: list[dict[str, Any]]
    examples: list[dict[str, Any]]

    @property
    def answerer(self) -> LocalAnswerer:
        """One that has read nothing yet."""
        return LocalAnswerer(self.loaded, "base", Prefixes())

    @property
    def questions(self) -> list[Question]:
        answerer = self.answerer
        return [answerer.question(self.turns(row)) for row in self.rows]

    @property
    def texts(self) -> list[str]:
        """The same prompts as the text that they are tokens of."""
        return [chat_text(self.loaded.tokenizer, self.turns(row), head=True) for row in self.rows]

    def turns(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        return list(messages(self.prompt, row, self.examples))

    def accuracy(self, chosen: list[int]) -> float:
        right = [LABELS[one] == row["label"] for one, row in zip(chosen, self.rows, strict=True)]
        return sum(right) / len(right)


def made_prompts(rows: int, loaded: LoadedModel) -> Asked:
    """The same with a few short reviews again and again: for a machine that has no rows."""
    from tests.tiny import reviews

    made = sessions.load(ROOT / "sessions" / "film-reviews.toml")
    everything = reviews(EXAMPLES + rows)
    return Asked(loaded, made.named("label"), everything[EXAMPLES:], everything[:EXAMPLES])


def film_prompts(
    session: Path, rows: int, dtype: str, seed: int, *, model: str = "", device: str = "cpu"
) -> Asked:
    """The first `rows` evaluation rows, after 16 rows to train on that `seed` draws; for the
    session's model unless another is named."""
    made, folder = sessions.load(session), sessions.workspace(session)
    data = open_dataset(made.dataset, folder, nothing)
    drawn = random.Random(seed).sample(range(len(data.train)), EXAMPLES)
    return Asked(
        load_model(
            ModelSettings(name=model or made.model.name, dtype=dtype, device=device),
            folder,
            nothing,
        ),
        made.named("label"),
        [data.evaluation[n] for n in range(min(rows, len(data.evaluation)))],
        [data.train[n] for n in drawn],
    )
