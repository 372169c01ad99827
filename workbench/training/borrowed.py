"""TRL's Trainers within a run's loop: their losses, our rows, steps, checkpoints and records.

Mixed in before a Trainer of TRL's: `class PairTrainer(Borrowed, DPOTrainer)`. The loss is the
Trainer's; the rows come as the token view shows them. Evaluations can be stopped between two
batches, and after the run the model is as it was.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from workbench.inference.model import LoadedModel
from workbench.session import TrainingSettings
from workbench.training.completion import mixed_precision
from workbench.training.errors import TrainingError
from workbench.training.log_probs import LogProbs
from workbench.training.recipe import Recipe
from workbench.training.recorder import Recorder
from workbench.training.trainer import Watched
from workbench.training.untouched import Untouched

Made = TypeVar("Made")


def usual(settings: TrainingSettings) -> dict[str, Any]:
    """Arguments of all TRL's Trainers. What they choose by themselves is not what a session says:
    mixed precision is ours (`mixed_precision`), and activations are kept unless it says not."""
    return {"bf16": False, "activation_checkpointing": settings.activation_checkpointing}


class Renamed(TrainerCallback):
    """Gives TRL's figures the names of `runs.METRICS`, before they are written down."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        for theirs, ours in self.names.items():
            if logs and logs.get(theirs) is not None:
                logs[ours] = logs[theirs]


class Borrowed(Watched):
    """What all of TRL's Trainers need here; `figures_named` renames what they log."""

    figures_named: ClassVar[dict[str, str]] = {}
    refers: ClassVar[bool] = False  # the loss holds the model to what it was
    untouched: Untouched
    log_probs: LogProbs
    precompute_ref_logps: bool = False
    compute_ref_log_probs: Any  # TRL's, of the Trainers that refer
    _metrics: dict[str, dict[str, list[float]]]

    @contextmanager
    def made(self, recipe: Recipe, recorder: Recorder, temperature: float = 1.0) -> Iterator[Any]:
        """Around TRL's own `__init__`: yields the tokenizer for it. Afterwards the Trainer is
        watched, with the recipe's rows in place of the one that it was made with.

        Raises:
            TrainingError: for what TRL refuses.
        """
        loaded = recipe.loaded
        check_head(loaded, recipe.settings.task)
        self.untouched = Untouched(loaded)
        try:
            yield padding_tokenizer(loaded)
            if loaded.head.kind == "causal":
                self.log_probs = LogProbs(loaded.base, temperature)
        except BaseException:
            self.untouched.restore()
            raise
        self.train_dataset = recipe.examples
        self.watch(recipe, recorder)
        self.callback_handler.callbacks.insert(0, Renamed(self.figures_named))

    @override
    def train(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().train(*arguments, **named)
        finally:
            self.untouched.restore()

    def _send_telemetry(self) -> None:
        """Nothing leaves the machine."""

    def precision(self) -> Any:
        """In what numbers products are made."""
        return mixed_precision(self.loaded)

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        with self.precision():
            return super().compute_loss(*arguments, **named)

    # --- evaluation -------------------------------------------------------------------------

    def batches(self, rows: Any) -> list[list[int]]:
        """Those rows by their numbers, batch by batch: the longest first."""
        order = sorted(range(len(rows)), key=lambda row: -rows.lengths[row])
        return parted(order, self.args.per_device_eval_batch_size)

    def each_batch(self, visit: Callable[[list[int], Any], None]) -> bool:
        """Have each batch of evaluation rows visited, without gradients; False where a stop cuts
        it short. Where the model is held to what it was, a batch brings what that gives."""
        evaluation = self.recipe.evaluation
        for rows in self.batches(evaluation):
            if self.interrupted():
                return False
            with self.loaded.answering("tuned"), self.precision():
                self.refer(evaluation, rows)
                with self.knowing_reference():
                    visit(rows, self.batch(evaluation, rows))
        return True

    def batch(self, rows: Any, chosen: list[int]) -> Any:
        return self._prepare_inputs(self.data_collator([rows[row] for row in chosen]))

    def own_loss(self, batch: Any) -> float:
        """TRL's loss of a batch of evaluation rows; `log_probs.last` are those of its answers."""
        model: Any = self.model
        loss: Any = super().compute_loss(model, batch)
        self._metrics["eval"].clear()
        return float(loss)

    # --- what the model gave before the run -------------------------------------------------

    def refer(self, rows: Any, chosen: list[int]) -> None:
        """Note in `rows.reference` the log-probabilities that the model gave before the run."""
        if not self.refers or all(row in rows.reference for row in chosen):
            return
        with self.precision():
            both = self.compute_ref_log_probs(self.model, self.batch(rows, chosen))
        for row, one, other in zip(chosen, *(each.tolist() for each in both), strict=True):
            rows.reference[row] = one, other

    def refer_beforehand(self) -> None:
        """Note it for all rows, before a step moves the weights that it is computed with.

        Raises:
            StopRequested: when it was asked for.
        """
        recipe = self.recipe
        total, done = len(recipe.examples) + len(recipe.evaluation), 0
        for rows in (recipe.examples, recipe.evaluation):
            for chosen in self.batches(rows):
                recipe.work.pause("noting what the model gives before", done, total)
                self.refer(rows, chosen)
                done += len(chosen)
        self.precompute_ref_logps = True

    @contextmanager
    def knowing_reference(self) -> Iterator[None]:
        """Inside, batches bring what the model gave before."""
        before, self.precompute_ref_logps = self.precompute_ref_logps, True
        try:
            yield
        finally:
            self.precompute_ref_logps = before


def check_head(loaded: LoadedModel, task: str) -> None:
    """Raise TrainingError where an adapter lies on the head, past which TRL computes."""
    head = loaded.base.get_output_embeddings()
    if isinstance(head, BaseTunerLayer):
        raise TrainingError(
            f"{task} cannot train an adapter on the language-model head; take it out of "
            "training.target_modules."
        )


def pad_token(loaded: LoadedModel) -> int:
    """The token that pads a batch: the one that the model knows as padding."""
    known = loaded.base.config.get_text_config().pad_token_id
    return int(loaded.pad_token if known is None else known)


def padding_tokenizer(loaded: LoadedModel) -> Any:
    """The tokenizer; a copy that pads with the model's token where its own is another."""
    wanted = pad_token(loaded)
    if loaded.tokenizer.pad_token_id == wanted:
        return loaded.tokenizer
    tokenizer = copy.deepcopy(loaded.tokenizer)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(wanted)
    return tokenizer


def parted(order: Sequence[Made], size: int) -> list[list[Made]]:
    """In batches of that size, the last may be smaller."""
    return [list(order[at : at + size]) for at in range(0, len(order), size)]


def mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean."""
    share = torch.tensor(weights, dtype=torch.float64)
    return float((torch.tensor(values, dtype=torch.float64) * share).sum() / share.sum())


def won(better: torch.Tensor, worse: torch.Tensor) -> float:
    """The share of comparisons in which the better has more; a draw is half of one."""
    return float(((better > worse).double() + 0.5 * (better == worse).double()).mean())


def preferred(better: torch.Tensor, worse: torch.Tensor) -> dict[str, float]:
    """Figures over the rewards of pairs of answers, each [pairs]."""
    return {
        "eval_reward_accuracy": won(better, worse),
        "eval_reward_margin": float((better - worse).mean()),
        "eval_reward_chosen": float(better.mean()),
        "eval_reward_rejected": float(worse.mean()),
    }
