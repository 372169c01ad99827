"""Learning a text from a text with an encoder-decoder: token ids, batches and the Trainer."""

import torch
from transformers import Trainer

MIXED = False  # the script's own


def encode_pair(tokenizer, row, longest, overlong, closing):
    """The token ids of a source and its target, each within `longest` tokens; none where the row is
    dropped. A source that is cut still ends as one; a target does not, which would teach to stop
    there."""
    source = tokenizer(row["source"])["input_ids"]
    target = tokenizer(text_target=row["target"])["input_ids"]
    if overlong == "drop" and max(len(source), len(target)) > longest:
        return None
    if len(source) > longest:
        ends = source[len(source) - closing :]
        source = [*source[: longest - len(ends)], *ends]
    return source, target[:longest]


def pair_batch(rows, pad):
    """A batch of (source, target), both padded on the right."""
    longest = max(len(source) for source, _ in rows)
    ids = torch.tensor([source + [pad] * (longest - len(source)) for source, _ in rows])
    counts = torch.tensor([len(source) for source, _ in rows])
    most = max(len(target) for _, target in rows)
    return {
        "input_ids": ids,
        "attention_mask": (torch.arange(longest)[None] < counts[:, None]).long(),
        "labels": torch.tensor([one + [-100] * (most - len(one)) for _, one in rows]),
    }


class PairTrainer(Trainer):
    """A Trainer whose loss is the mean over the target tokens of a step."""

    loss_is_scaled_for_ga = True

    def prepare(self, sampler, evaluation, smoothing):
        """Take what is no argument of a Trainer."""
        self.sampler, self.smoothing = sampler, smoothing
        self.evaluation = sorted(evaluation, key=lambda one: -len(one[0]) - len(one[1]))

    def _get_train_sampler(self, train_dataset=None):
        return self.sampler

    def _get_num_items_in_batch(self, batch_samples, device):
        return sum(batch["labels"].ne(-100).sum() for batch in batch_samples).to(device)

    def summed(self, model, batch, smoothing):
        """Cross-entropy summed over the targets, in float32; from the labels the model makes what
        its decoder reads."""
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=MIXED):
            logits = model(**batch, use_cache=False).logits
            return torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1),
                batch["labels"].flatten(),
                reduction="sum",
                label_smoothing=smoothing,
            )

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return self.summed(model, inputs, self.smoothing) / num_items_in_batch

    def evaluate(self, *_, **__):
        """The mean loss over the target tokens of the evaluation rows, without smoothing."""
        size = self.args.per_device_eval_batch_size
        training, total, count = self.model.training, 0.0, 0
        self.model.eval()
        for at in range(0, len(self.evaluation), size):
            batch = self._prepare_inputs(self.data_collator(self.evaluation[at : at + size]))
            with torch.no_grad():
                total += float(self.summed(self.model, batch, 0.0))
            count += int(batch["labels"].ne(-100).sum())
        self.model.train(training)
        metrics = {"eval_loss": total / count}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
