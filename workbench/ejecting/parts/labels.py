"""Learning labels or a number of each text: batches, loss and the Trainer."""

import torch
from transformers import Trainer

PROBLEM, WEIGHTS, SMOOTHING, MIXED, USES_CACHE = "", None, 0.0, False, False  # the script's own


def encode_text(tokenizer, row, longest, overlong):
    """The token ids of a text, cut to `longest`, or none where it is dropped."""
    ids = tokenizer(row["text"])["input_ids"]
    if len(ids) <= longest:
        return ids
    if overlong == "drop":
        return None
    return tokenizer(row["text"], truncation=True, max_length=longest)["input_ids"]


def right_padded(rows, pad):
    """A batch of (token ids, label), padded on the right; no mask where nothing is padded."""
    longest = max(len(ids) for ids, _ in rows)
    whole = torch.long if PROBLEM == "single_label" else torch.float32
    batch = {
        "input_ids": torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in rows]),
        "labels": torch.tensor([label for _, label in rows], dtype=whole),
    }
    if any(len(ids) < longest for ids, _ in rows):
        counts = torch.tensor([len(ids) for ids, _ in rows])
        batch["attention_mask"] = (torch.arange(longest)[None] < counts[:, None]).long()
    return batch


class LabelTrainer(Trainer):
    """A Trainer whose loss is the mean over the rows of a step."""

    loss_is_scaled_for_ga = True

    def prepare(self, sampler, evaluation):
        """Take what is no argument of a Trainer."""
        self.sampler = sampler
        self.evaluation = sorted(evaluation, key=lambda one: -len(one[0]))

    def _get_train_sampler(self, train_dataset=None):
        return self.sampler

    def _get_num_items_in_batch(self, batch_samples, device):
        return sum(self.items(batch["labels"]) for batch in batch_samples).to(device)

    def items(self, labels):
        """What the losses of these rows are divided by."""
        if PROBLEM == "single_label" and WEIGHTS:
            return torch.tensor(WEIGHTS)[labels.cpu()].sum()
        return torch.tensor(float(labels.numel()))

    def summed(self, model, batch, smoothing):
        """The losses added up."""
        given = {name: one for name, one in batch.items() if name != "labels"}
        given |= {"use_cache": False} if USES_CACHE else {}
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=MIXED):
            logits = model(**given).logits.float()
        labels = batch["labels"]
        weights = torch.tensor(WEIGHTS).to(logits.device) if WEIGHTS else None
        functional = torch.nn.functional
        if PROBLEM == "regression":
            return functional.mse_loss(logits[:, 0], labels, reduction="sum")
        if PROBLEM == "multi_label":
            wanted = labels * (1 - smoothing) + smoothing / 2
            return functional.binary_cross_entropy_with_logits(
                logits, wanted, pos_weight=weights, reduction="sum"
            )
        return functional.cross_entropy(
            logits, labels, weight=weights, label_smoothing=smoothing, reduction="sum"
        )

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return self.summed(model, inputs, SMOOTHING) / num_items_in_batch

    def evaluate(self, *_, **__):
        """The mean loss over the evaluation rows, without smoothing."""
        size = self.args.per_device_eval_batch_size
        training, total, items = self.model.training, 0.0, 0.0
        self.model.eval()
        for at in range(0, len(self.evaluation), size):
            batch = self._prepare_inputs(self.data_collator(self.evaluation[at : at + size]))
            with torch.no_grad():
                total += float(self.summed(self.model, batch, 0.0))
            items += float(self.items(batch["labels"]))
        self.model.train(training)
        metrics = {"eval_loss": total / items}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
