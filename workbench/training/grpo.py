"""Reinforcement by a function of the person's own, or by a reward model: answers are drawn and
scored, and good ones made likelier.

GRPO (Shao et al., 2024; arXiv 2402.03300) through TRL: of several answers to a prompt each is
compared with the mean of their rewards. There is no loss to evaluate; `eval_loss` is minus the mean
reward of the likeliest answers to the evaluation rows.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainingArguments
from trl.trainer.grpo_config import GRPOConfig
from typing_extensions import override

from workbench.data.prompting import ADVICE, PromptError
from workbench.data.selection import Selection
from workbench.inference.answerers import answerer_for
from workbench.inference.answering import Answer, Answerer
from workbench.inference.prefixes import Prefixes
from workbench.protocol import Values
from workbench.session import GenerationSettings
from workbench.training.borrowed import usual
from workbench.training.errors import TrainingError
from workbench.training.examples import EVERY, choose_rows, read
from workbench.training.recipe import Recipe
from workbench.training.recorder import Recorder
from workbench.training.rewarding import Given, Rewards
from workbench.training.steps import answers_at_once, prompts_a_step
from workbench.training.trainer import Watched

TOO_LONG = "the prompt is longer than max_length"


@dataclass
class Prompts:
    """Prompts as token ids, with their rows; reads like a list, for a data loader."""

    ids: list["array[int]"] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of the rows in their table
    values: list[Values] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)  # why rows were left out
    cut: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"prompt": self.ids[index].tolist(), "place": index}

    @property
    def left_out(self) -> int:
        return self.reasons.total()

    @property
    def lengths(self) -> list[int]:
        return list(map(len, self.ids))

    @property
    def tokens(self) -> int:
        return sum(self.lengths)


class Reinforcement(Recipe):
    """`reward` scores answers, once prepared."""

    task = "grpo"
    reward: Rewards

    @override
    def prepare(self) -> None:
        work = self.work
        self.examples, self.evaluation = Prompts(), Prompts()
        if not len(work.data.train):
            raise TrainingError("There are no rows to train on; choose another dataset.split.")
        self.reward = Rewards(work.session, self.asking, work.folder)
        try:
            self.rows()
            self.check_steps()
            if (function := self.reward.function) is not None:  # before the first step
                one = self.first()
                function(one.answer, one.number, one.values)
        except BaseException:
            self.reward.close()
            raise

    def first(self) -> Given:
        """The first row, with its right answer where it says one."""
        rows = self.examples
        return Given(self.expected(rows.values[0]) or "?", rows.numbers[0], rows.values[0])

    def rows(self) -> None:
        """The prompts of the rows.

        Raises:
            TrainingError: where there are none.
        """
        work, settings = self.work, self.settings
        chosen = choose_rows(len(work.data.train), settings.rows, settings.seed)

        def pause(done: int) -> None:
            work.pause("preparing", done, len(chosen))

        self.examples = self.prompts(work.data.train, chosen, pause)
        if not len(self.examples):
            raise TrainingError(self.too_long(len(chosen)))
        if work.data.evaluation is not None and settings.evaluation_rows:
            count = min(settings.evaluation_rows, len(work.data.evaluation))
            self.evaluation = self.prompts(work.data.evaluation, range(count), pause)

    @property
    def longest(self) -> int:
        """Tokens of a prompt beside which an answer has room."""
        room = self.loaded.context_length - self.settings.reinforcement.max_completion_length
        return min(self.settings.max_length, room)

    def too_long(self, count: int) -> str:
        """That no prompt is short enough, and which setting keeps it from being so."""
        answer, context = (
            self.settings.reinforcement.max_completion_length,
            self.loaded.context_length,
        )
        lower = "training.reinforcement.max_completion_length"
        if answer >= context:
            return (
                f"{lower} is {answer:,}, and {self.loaded.settings.name} has {context:,} tokens "
                "for prompt and answer together; lower it."
            )
        limit = self.longest
        todo = (
            "raise training.max_length" if limit == self.settings.max_length else f"lower {lower}"
        )
        return f"All {count:,} prompts are longer than {limit:,} tokens; {todo}."

    def prompts(
        self, rows: Selection, indices: Sequence[int], pause: Callable[[int], None]
    ) -> Prompts:
        """The prompts of those rows, in the order of `indices`, as `workbench eval` asks them.

        Raises:
            TrainingError: naming the row that cannot be asked.
        """
        answerer = self.base_answerer()
        made = Prompts()
        found: dict[int, tuple[array[int], int, Values]] = {}
        for done, (index, number, values) in enumerate(read(rows, indices)):
            if done % EVERY == 0:
                pause(done)
            try:
                ids = self.question(answerer, values, number).ids
            except PromptError as error:
                raise TrainingError(f"Row {number + 1} of the dataset: {error} {ADVICE}") from error
            if len(ids) > self.longest:
                made.reasons[TOO_LONG] += 1
            else:
                found[index] = array("i", ids), number, values
        for index in indices:
            if index in found:
                ids_of, number, values = found[index]
                made.ids.append(ids_of)
                made.numbers.append(number)
                made.values.append(values)
        return made

    def base_answerer(self) -> Answerer:
        """Whoever words the questions; nothing is answered."""
        made = answerer_for(self.loaded, "base", Prefixes(), self.work.folder)
        assert made is not None  # a model that writes has one
        return made

    # --- steps -------------------------------------------------------------------------------

    def check_steps(self) -> None:
        """Raise TrainingError where there are too few prompts for a step."""
        needed = prompts_a_step(self.settings)
        if len(self.examples) < needed:
            raise TrainingError(
                f"A step takes {needed} prompts and there are {len(self.examples)}; "
                "lower training.per_device_train_batch_size or gradient_accumulation_steps, or "
                "take more rows."
            )

    @override
    def arguments(self) -> tuple[type[TrainingArguments], dict[str, Any]]:
        given = self.settings.reinforcement
        return GRPOConfig, usual(self.settings) | {
            "per_device_train_batch_size": answers_at_once(self.settings),
            "num_generations": given.num_generations,
            "max_completion_length": given.max_completion_length,
            "temperature": given.temperature,
            "beta": 0.0,  # or TRL would lay a second adapter over the model: see the Trainer
        }

    @override
    def trainer(self, args: TrainingArguments, recorder: Recorder) -> Watched:
        from workbench.training.drawing import DrawingTrainer

        if self.reward.model is not None:
            self.reward.model.report = lambda what, *_: self.work.pause(what, 0, 0)
            self.reward.by_model([self.first()], lambda: None)  # its weights are read here, once
        return DrawingTrainer(self, args, recorder)

    @override
    def about(self) -> dict[str, Any]:
        why = {"why_left_out": dict(self.examples.reasons)} if self.examples.reasons else {}
        return {
            **super().about(),
            **why,
            "reward": self.settings.reinforcement.reward,
            "reward_model": self.settings.reinforcement.reward_model,
            "prompts_a_step": prompts_a_step(self.settings),
            "answers_a_prompt": self.settings.reinforcement.num_generations,
        }

    # --- evaluations -------------------------------------------------------------------------

    def likeliest(self, places: Sequence[int]) -> list[Answer]:
        """The likeliest answers of the tuned weights to those evaluation rows; fewer where a stop
        cut them short."""
        answerer = self.answerer()
        assert answerer is not None  # a model that writes has one
        rows = self.evaluation
        questions = [
            self.question(answerer, rows.values[place], rows.numbers[place]) for place in places
        ]
        length = self.settings.reinforcement.max_completion_length
        settings = GenerationSettings(max_new_tokens=length, do_sample=False)
        answers: dict[int, Answer] = {}
        answerer.write(questions, settings, answers.__setitem__, self.work.stop())
        return [answers[place] for place in range(len(places)) if place in answers]
