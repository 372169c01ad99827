"""Preferences as tokens, and what is added to TRL's Trainers."""

import torch

from workbench.ejecting.parts.tokens import encode_answer, encode_conversation, encode_known

MIXED = False  # the script's own


def encode_reply(tokenizer, row, name, end, longest):
    """A prompt and the reply of that name to it, a text or turns, within `longest` tokens and up to
    the last with a loss; the loss is on the reply."""
    reply = row[name]
    if f"{name}_ids" in row:  # no plain rule makes them of the texts
        known = {"input_ids": row[f"{name}_ids"], "learnt": row[f"{name}_learnt"]}
        ids, labels = encode_known(known)
    elif isinstance(reply, str):
        asked = {"prompt": row["prompt"], "completion": reply, "start": row.get("start", "")}
        ids, labels = encode_answer(tokenizer, asked, end)
    else:
        turns = {"messages": row["prompt"] + reply, "after": len(row["prompt"])}
        ids, labels = encode_conversation(tokenizer, turns)
    ids, labels = ids[:longest], labels[:longest]
    stop = 1 + max(n for n, label in enumerate(labels) if label != -100)
    return ids[:stop], labels[:stop]


def encode_two_texts(tokenizer, row, name, longest):
    """A prompt and the reply of that name as the two texts that an encoder knows; the reply's
    labels say where it is."""
    if f"{name}_ids" in row:  # no plain rule makes them of the texts
        known = {"input_ids": row[f"{name}_ids"], "learnt": row[f"{name}_learnt"]}
        return encode_known(known)
    made = tokenizer(row["prompt"], row[name], truncation="longest_first", max_length=longest)
    ids = made["input_ids"]
    start = made.sequence_ids(0).index(1)
    return ids, [-100] * start + ids[start:]


def padded(rows, pad):
    """input_ids, attention_mask and completion_mask [rows, longest] of token ids and labels, padded
    on the right."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), longest), pad)
    attention, completion = torch.zeros_like(ids), torch.zeros_like(ids)
    for n, (one, labels) in enumerate(rows):
        ids[n, : len(one)] = torch.tensor(one)
        attention[n, : len(one)] = 1
        completion[n, : len(one)] = torch.tensor(labels).ne(-100)
    return {"input_ids": ids, "attention_mask": attention, "completion_mask": completion}


def pair_batch(rows, pad):
    """TRL's batch of pairs: first all chosen replies, then the rejected ones."""
    return padded([row[name] for name in ("better", "worse") for row in rows], pad)


def score_batch(rows, pad):
    """TRL's batch for a reward model: first all chosen replies, then the rejected ones."""
    batch = padded([row[name] for name in ("better", "worse") for row in rows], pad)
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def odds_batch(rows, pad):
    """TRL's batch for ORPO: chosen and rejected replies apart, each with labels."""
    batch = {}
    for name, key in (("chosen", "better"), ("rejected", "worse")):
        made = padded([row[key] for row in rows], pad)
        mask = made.pop("completion_mask")
        made["labels"] = made["input_ids"].masked_fill(mask == 0, -100)
        batch |= {f"{name}_{part}": one for part, one in made.items()}
    return batch


def thumb_batch(rows, pad):
    """TRL's batch for KTO: replies, the same prompts with a stranger's reply (KL_), and which
    replies were found good."""
    batch = padded([row["reply"] for row in rows], pad)
    strangers = padded([row["stranger"] for row in rows], pad)
    batch |= {f"KL_{name}": one for name, one in strangers.items()}
    return batch | {"label": torch.tensor([row["good"] for row in rows])}


def with_strangers(rows, size, longest):
    """Beside each reply its prompt with the reply of the row before it in its batch: on these KTO
    measures how far the model has moved in all."""
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        for n, row in enumerate(batch):
            (ids, labels), (others, learnt) = row["reply"], batch[n - 1]["reply"]
            own = next(at for at, label in enumerate(labels) if label != -100)
            first = next(at for at, label in enumerate(learnt) if label != -100)
            row["stranger"] = [
                (ids[:own] + others[first:])[:longest],
                ([-100] * own + learnt[first:])[:longest],
            ]
    return rows


class AsInTheRun:
    """Added to a Trainer of TRL's: the rows are tokens already and come in the run's order, and an
    evaluation is the mean loss over its rows."""

    def prepare(self, sampler, evaluation):
        """Take what is no argument of a Trainer; with no sampler the rows stay in order."""
        self.sampler, self.evaluation = sampler, evaluation

    def _prepare_dataset(self, dataset, *_, **__):
        return dataset

    def tokenize_row(self, row, *_, **__):
        return row

    def _get_train_sampler(self, dataset=None):
        return self.sampler or super()._get_train_sampler(dataset)

    def _send_telemetry(self):
        """Nothing leaves the machine."""

    def compute_loss(self, *given, **named):
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=MIXED):
            return super().compute_loss(*given, **named)

    def loss_of(self, batch):
        return self.compute_loss(self.model, batch)

    def evaluate(self, *_, **__):
        size = self.args.per_device_eval_batch_size
        training, total = self.model.training, 0.0
        self.model.eval()
        for at in range(0, len(self.evaluation), size):
            rows = self.evaluation[at : at + size]
            batch = self._prepare_inputs(self.data_collator(rows))
            with torch.no_grad():
                total += float(self.loss_of(batch)) * len(rows)
        self.model.train(training)
        metrics = {"eval_loss": total / len(self.evaluation)}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
