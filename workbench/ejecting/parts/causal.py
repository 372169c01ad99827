"""Learning the answers, or all of a text: batches and the Trainer."""

import torch
from transformers import Trainer

from workbench.ejecting.parts.training import summed_loss


def left_padded(examples, pad):
    """A batch, padded on the left so that all rows end at the last position, and the model's head
    is computed for no more positions than have a loss."""
    longest = max(len(ids) for ids, _ in examples)
    firsts = [next(n for n, one in enumerate(labels) if one != -100) for _, labels in examples]
    tails = [len(ids) - first for (ids, _), first in zip(examples, firsts, strict=True)]
    keep = min(max(tails) + 1, longest)
    ids = torch.full((len(examples), longest), pad)
    mask = torch.zeros_like(ids)
    labels = torch.full((len(examples), longest), -100)
    for n, (one, learnt) in enumerate(examples):
        ids[n, longest - len(one) :] = torch.tensor(one)
        mask[n, longest - len(one) :] = 1
        labels[n, longest - len(one) :] = torch.tensor(learnt)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": (mask.cumsum(1) - 1).clamp_min(0),
        "labels": labels[:, longest - keep :],
    }


def packed(rows, pad):
    """A batch of rows of several sequences, one after the other: position ids that begin anew, and
    no attention mask, keep them apart."""
    sizes = [sum(len(ids) for ids, _ in row) for row in rows]
    longest = max(sizes)
    ids = torch.full((len(rows), longest), pad)
    labels, positions = torch.full_like(ids, -100), torch.zeros_like(ids)
    for n, row in enumerate(rows):
        at = 0
        for one, learnt in row:
            stop = at + len(one)
            ids[n, at:stop] = torch.tensor(one)
            labels[n, at:stop] = torch.tensor(learnt)
            positions[n, at:stop] = torch.arange(len(one))
            at = stop
        positions[n, at:] = torch.arange(longest - at)
    return {"input_ids": ids, "position_ids": positions, "labels": labels}


class AnswerTrainer(Trainer):
    """A Trainer whose loss is the mean over the tokens of a step, not of each batch's mean.

    A row of the data is an example (token ids and labels) or, packed, a list of them; `size` says
    how many tokens it has.
    """

    loss_is_scaled_for_ga = True

    def prepare(self, sampler, evaluation, size, bfloat16):
        """Take what is no argument of a Trainer."""
        self.sampler, self.evaluation = sampler, sorted(evaluation, key=lambda one: -size(one))
        self.bfloat16 = bfloat16

    def _get_train_sampler(self, train_dataset=None):
        return self.sampler

    def _get_num_items_in_batch(self, batch_samples, device):
        return sum(batch["labels"].ne(-100).sum() for batch in batch_samples).to(device)

    def mixed(self):
        """bfloat16 products where the model is in bfloat16."""
        return torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.bfloat16)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        with self.mixed():
            return summed_loss(model, inputs) / num_items_in_batch

    def evaluate(self, *_, **__):
        """The mean loss over the tokens of the evaluation rows."""
        size = self.args.per_device_eval_batch_size
        training, total, count = self.model.training, 0.0, 0
        self.model.eval()
        for at in range(0, len(self.evaluation), size):
            batch = self._prepare_inputs(self.data_collator(self.evaluation[at : at + size]))
            with torch.no_grad(), self.mixed():
                total += float(summed_loss(self.model, batch))
            count += int(batch["labels"].ne(-100).sum())
        self.model.train(training)
        metrics = {"eval_loss": total / count}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
