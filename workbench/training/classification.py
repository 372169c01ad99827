"""Classification: one label of a text, several, or a number (regression).

Of encoders (BERT and its kin) and of models that write: these are asked at a text's last token.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import TrainingArguments
from typing_extensions import override

from workbench.inference.heads import Head
from workbench.training.errors import TrainingError
from workbench.training.labels import Labels, unknown
from workbench.training.reading import (
    Readings,
    RightCollator,
    by_length,
    found_in,
    mixed,
    pad_token,
    precision,
    prepare,
    reading_of,
    words_read,
)
from workbench.training.recipe import Recipe, Work
from workbench.training.recorder import Recorder
from workbench.training.scores import scores
from workbench.training.trainer import Watched


class Classification(Recipe):
    """`weights`: of each label [labels] where rare ones count more, else None."""

    task = "classification"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.examples, self.evaluation = Readings(), Readings()
        self.head: Head = self.loaded.head
        self.weights: torch.Tensor | None = None
        self.unknown = 0  # evaluation rows whose label no row that is trained on has

    def prepare(self) -> None:
        if self.head.kind != "classifier":
            raise TrainingError(
                f"{self.loaded.settings.name} is in memory without a head for labels; start the "
                "run anew."
            )
        found = found_in(self)
        labels = Labels(found, self.work.session.prompt())
        problem, names = self.head.problem, self.head.labels
        places = {name: place for place, name in enumerate(names)}

        def learnt(row: int, values: dict[str, Any], strict: bool = True) -> Any:
            value = labels.of(values, problem)
            if value is None or isinstance(value, float):
                return value
            given = value if isinstance(value, list) else [value]
            missing = [one for one in given if one not in places]
            if missing and strict:
                raise unknown(row, missing[0], names)
            if missing:
                self.unknown += 1
                return None
            if isinstance(value, str):
                return places[value]
            return [float(name in value) for name in names]

        self.examples, self.evaluation = prepare(
            self,
            reading_of(self, found, "label"),
            learnt,
            lambda row, values: learnt(row, values, strict=False),
        )
        if self.settings.classification.class_weights == "balanced":
            self.weights = balanced(self.head, self.examples.learnt)

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "ClassificationTrainer":
        return ClassificationTrainer(self, args, recorder)

    def targets(self, learnt: list[Any]) -> torch.Tensor:
        """Of one label its number [rows]; of several [rows, labels]; of a number [rows]."""
        whole = self.head.problem == "single_label"
        return torch.tensor(learnt, dtype=torch.long if whole else torch.float32)

    @override
    def asked(self, values: dict[str, Any]) -> str:
        return words_read(self, values)

    @override
    def about(self) -> dict[str, Any]:
        said: dict[str, Any] = {"labels": list(self.head.labels), "problem": self.head.problem}
        if self.weights is not None:
            named = zip(self.head.labels, self.weights.tolist(), strict=True)
            said["class_weights"] = {name: round(weight, 4) for name, weight in named}
        if self.unknown:
            said["evaluation_rows_of_unknown_labels"] = self.unknown
        return {**super().about(), **said, "precision": precision(self.loaded)}


def balanced(head: Head, learnt: list[Any]) -> torch.Tensor | None:
    """A weight for each label, the rarer the larger [labels].

    Of one label as scikit-learn has it: rows / (labels · rows of the label). Of several, how many
    rows lack the label to each that has it.
    """
    if head.problem == "regression":
        return None
    if head.problem == "multi_label":
        there = torch.tensor(learnt).sum(0)
        return (len(learnt) - there) / there.clamp(min=1)
    counts = torch.bincount(torch.tensor(learnt), minlength=head.outputs)
    present = int((counts > 0).sum())
    weights = len(learnt) / (present * counts.clamp(min=1).float())
    return torch.where(counts > 0, weights, torch.zeros(()))


class ClassificationTrainer(Watched):
    def __init__(self, recipe: Classification, args: TrainingArguments, recorder: Recorder) -> None:
        self.task = recipe
        self.pad = RightCollator(pad_token(recipe.loaded))
        super().__init__(
            model=recipe.loaded.model,
            args=args,
            data_collator=self.collate,
            train_dataset=recipe.examples,
        )
        self.watch(recipe, recorder)
        self.loss_is_scaled_for_ga = True  # by the rows of all accumulated batches
        self.weights = recipe.weights

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self.pad(rows), "labels": self.task.targets([row["learnt"] for row in rows])}

    def count(self, inputs: dict[str, Any]) -> int:
        return int(inputs.pop("tokens"))

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """What the losses of all batches of one optimiser step are divided by together."""
        if not batch_samples:
            return None
        return sum(self.items(batch["labels"]) for batch in batch_samples).to(device)

    def items(self, labels: torch.Tensor) -> Any:
        if self.task.head.problem == "single_label" and self.weights is not None:
            return self.weights[labels].sum()
        return torch.tensor(float(labels.numel()))

    @override
    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean loss over the rows of one optimiser step, this batch's share of it."""
        labels = inputs["labels"]
        if num_items_in_batch is None:
            num_items_in_batch = self.items(labels.cpu()).to(labels.device)
        logits = self.logits(model, inputs)
        smoothing = self.task.settings.label_smoothing_factor
        return self.summed(logits, labels, smoothing) / num_items_in_batch

    def logits(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        """[rows, outputs], in float32."""
        given = {name: one for name, one in inputs.items() if name not in ("labels", "tokens")}
        if "use_cache" in self.loaded.accepts:
            given["use_cache"] = False
        with mixed(self.loaded):
            found: torch.Tensor = model(**given).logits
        return found.float()

    def summed(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """The losses added up: cross-entropy over labels; over each of several labels alone;
        squares of what numbers are off by."""
        weights = None if self.weights is None else self.weights.to(logits.device)
        match self.task.head.problem:
            case "regression":
                return functional.mse_loss(logits[:, 0], labels, reduction="sum")
            case "multi_label":
                wanted = labels * (1 - smoothing) + smoothing / 2
                return functional.binary_cross_entropy_with_logits(
                    logits, wanted, pos_weight=weights, reduction="sum"
                )
        return functional.cross_entropy(
            logits, labels, weight=weights, label_smoothing=smoothing, reduction="sum"
        )

    def evaluation_loss(self) -> dict[str, float]:
        """The loss without smoothing, and the task's metrics, from the same answers."""
        found, total, items = [], 0.0, 0.0
        for rows in by_length(self.task.evaluation, self.args.eval_batch_size):
            if self.interrupted():
                return {}
            batch: Any = self._prepare_inputs(
                self.collate([self.task.evaluation[row] for row in rows])
            )
            with self.loaded.answering("tuned"):
                logits = self.logits(self.loaded.model, batch)
            total += float(self.summed(logits, batch["labels"], 0.0))
            items += float(self.items(batch["labels"].cpu()))
            found.append((logits.cpu(), batch["labels"].cpu()))
        logits, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
        measured = scores(
            self.task.head, logits, labels, self.task.settings.classification.threshold
        )
        return {"eval_loss": total / items, **{f"eval_{n}": one for n, one in measured.items()}}
