"""GRPO's Trainer within a run's loop: it draws answers, has them scored, and learns.

Generation is transformers' own, from the weights as they are. Between two tokens and between two
rewards others get their turn.
"""

import copy
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import RepeatSampler
from typing_extensions import override

from workbench.training.borrowed import Borrowed, parted
from workbench.training.grpo import Reinforcement
from workbench.training.log_probs import LogProbs
from workbench.training.recorder import Recorder
from workbench.training.rewarding import Given

# Of TRL's figures, by the names of runs.METRICS.
FIGURES = {
    "reward": "reward",
    "reward_std": "reward_std",
    "kl": "kl",
    "completions/mean_length": "completion_length",
    "completions/clipped_ratio": "completion_cut",
}
ALIKE = 3  # steps in which no two answers were told apart, after which that is said
EPOCHS_APART = 1_000_003  # as in EpochSampler


class EpochPrompts(RepeatSampler):
    """TRL's order of the prompts, each epoch's drawn from the seed and the epoch alone: a run that
    is resumed goes on in the same."""

    def set_epoch(self, epoch: int) -> None:
        self.generator.manual_seed((self.seed or 0) + EPOCHS_APART * epoch)


@dataclass(frozen=True)
class Drawn:
    """An answer that was drawn, and its reward."""

    place: int  # of its prompt among the recipe's
    text: str
    reward: float


class DrawingTrainer(Borrowed, GRPOTrainer):  # type: ignore[misc]
    """GRPO on the prompts of `recipe.examples`, with the recipe's reward."""

    figures_named = FIGURES

    def __init__(self, recipe: Reinforcement, args: Any, recorder: Recorder) -> None:
        self.drawn: list[Drawn] = []  # at the last step
        self.alike = 0  # steps in a row in which all answers to each prompt got the same
        self.serving = False
        given = recipe.settings.reinforcement
        with self.made(recipe, recorder, given.temperature) as tokenizer:
            super().__init__(
                model=recipe.loaded.model,
                reward_funcs=[self.score],
                args=args,
                train_dataset=Dataset.from_dict({"prompt": [""]}),  # `made` puts the rows here
                processing_class=tokenizer,
            )
        self.task = recipe
        self.beta = given.beta
        if self.beta and not recipe.loaded.has_adapter:
            self.ref_model = copy.deepcopy(recipe.loaded.base).eval().requires_grad_(False)
            LogProbs(self.ref_model, given.temperature)

    @override
    def train(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().train(*arguments, **named)
        finally:
            self.task.reward.close()  # it starts again where it is needed again
            self.ref_model = None

    # --- prompts -----------------------------------------------------------------------------

    @override
    def _get_train_sampler(self, dataset: Any = None) -> Any:
        args: Any = self.args
        return EpochPrompts(
            self.task.examples,
            mini_repeat_count=args.num_generations,
            batch_size=args.generation_batch_size // args.num_generations,
            repeat_count=args.num_iterations * args.steps_per_generation,
            seed=args.seed,
        )

    def _tokenize_prompts(self, prompts: list[list[int]]) -> tuple[list[list[int]], None, Any]:
        return prompts, None, {}  # they are tokens already

    @override
    def count(self, inputs: Any) -> int:
        return 0  # answers are counted once they are drawn

    # --- answers -----------------------------------------------------------------------------

    def serve(self) -> None:
        """Give others their turn in the middle of a step, from the weights as they are."""
        if not self.serving:
            self.serving = True
            try:
                self.recorder.serve()
            finally:
                self.serving = False

    @contextmanager
    def between_tokens(self) -> Iterator[None]:
        """Inside, others get their turn after each token."""
        hook = self.loaded.base.register_forward_hook(lambda *_: self.serve())
        try:
            yield
        finally:
            hook.remove()

    def _generate_single_turn(self, *arguments: Any, **named: Any) -> Any:
        with self.between_tokens():
            return super()._generate_single_turn(*arguments, **named)  # type: ignore[no-untyped-call]

    def score(self, completions: list[str], place: list[int], **_: Any) -> list[float | None]:
        """The rewards of answers to prompts at those places."""
        rows = self.task.examples
        pairs = list(zip(completions, place, strict=True))
        given = [Given(text, rows.numbers[at], rows.values[at]) for text, at in pairs]
        found = self.task.reward.of(given, self.serve)
        self.drawn = [
            Drawn(at, text, value) for (text, at), value in zip(pairs, found, strict=True)
        ]
        return list(found)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        made = super()._generate_and_score_completions(inputs)
        self.recorder.tokens += int(made["prompt_mask"].sum() + made["completion_mask"].sum())
        self.note(made["advantages"].tolist())
        return made

    def note(self, advantages: list[float]) -> None:
        """Write down what the first prompt's answers got, and say where nothing can be learnt."""
        step, rows = self.state.global_step + 1, self.task.examples
        shown = zip(self.drawn, advantages, strict=True)
        for one, advantage in list(shown)[: self.task.settings.reinforcement.num_generations]:
            self.recorder.run.sample(
                step=step,
                weights="tuned",
                drawn=True,
                number=rows.numbers[one.place],
                prompt=self.task.work.session.prompt().name,
                asked=self.task.asked(rows.values[one.place]),
                text=one.text,
                reward=one.reward,
                advantage=round(advantage, 4),
            )
        wanted = self.task.settings.reinforcement.num_generations
        groups = parted([one.reward for one in self.drawn], wanted)
        told_apart = any(len(set(group)) > 1 for group in groups)
        self.alike = 0 if told_apart else self.alike + 1
        if self.alike == ALIKE:
            same = statistics.fmean(one.reward for one in self.drawn)
            self.recorder.run.event(
                "nothing_to_learn",
                step=self.state.global_step,
                message=f"In {ALIKE} steps all answers to each prompt got the same reward (in the "
                f"mean {same:.4g}), so there is nothing to learn; have the reward tell answers "
                "apart, or raise training.reinforcement.temperature or num_generations.",
            )

    def _get_per_token_logps_and_entropies(self, *arguments: Any, **named: Any) -> Any:
        with self.precision():
            return super()._get_per_token_logps_and_entropies(*arguments, **named)

    # --- evaluations -------------------------------------------------------------------------

    def evaluation_loss(self) -> dict[str, float]:
        rows = self.task.evaluation
        rewards: list[float] = []
        lengths: list[int] = []
        cut = 0
        for places in self.batches(rows):
            if self.interrupted():
                return {}
            answers = self.task.likeliest(places)
            if len(answers) < len(places):
                return {}
            given = [
                Given(answer.text, rows.numbers[place], rows.values[place])
                for place, answer in zip(places, answers, strict=True)
            ]
            rewards += self.task.reward.of(given, self.serve)
            lengths += [answer.tokens for answer in answers]
            cut += sum(answer.reason == "length" for answer in answers)
        reward = statistics.fmean(rewards)
        return {
            "eval_loss": 0.0 - reward,
            "eval_reward": reward,
            "eval_reward_std": statistics.pstdev(rewards),
            "eval_completion_length": statistics.fmean(lengths),
            "eval_completion_cut": cut / len(rewards),
        }
