"""Guessing words that are hidden: which, batches, and the Trainer."""

import numpy
import torch
from transformers import Trainer

MASK, SHARE, WHOLE_WORDS, SEED, EVALUATION, MIXED = 0, 0.0, True, 0, 0, False  # the script's own


def words_of(made):
    """The word that each token is a piece of, counted from 0; -1: of none."""
    found = [-1 if word is None else word for word in made.word_ids(0)]
    if max(found, default=0) > 0 or len(found) < 4:
        return found
    # The tokenizer takes the text for one word, and marks where words begin in its tokens.
    count, words = -1, []
    for token, word in zip(made.tokens(0), found, strict=True):
        count += word >= 0 and (token.startswith(("▁", "Ġ")) or count < 0)
        words.append(count if word >= 0 else -1)
    return words


def read_text(tokenizer, row, longest, overlong, around):
    """The token ids of a text and the word of each; a long text is cut, dropped or split in parts,
    each of which opens and closes as a text does: with so many tokens as `around` says."""
    opening, closing = around
    made = tokenizer(row["text"])
    ids, words = made["input_ids"], words_of(made)
    if len(ids) <= longest:
        return [(ids, words)]
    if overlong == "drop":
        return []
    parts, room = [], max(1, longest - opening - closing)
    last = len(ids) - closing
    for start in range(opening, last, room):
        stop = min(start + room, last)
        places = [*range(opening), *range(start, stop), *range(last, len(ids))]
        parts.append(([ids[n] for n in places], [words[n] for n in places]))
        if overlong != "split":
            break
    return parts


def hide(ids, words, epoch, row, vocabulary):
    """A row with words hidden, and where they stand; drawn from the seed, the epoch and the row.

    Of the tokens to guess eight in ten are replaced by the mask, one by any token, one is kept.
    """
    random = numpy.random.default_rng((SEED, epoch, row))
    shown, places = numpy.array(ids), hidden_places(numpy.array(words), random)
    dice = random.random(len(places))
    shown[places[dice < 0.8]] = MASK
    changed = places[(dice >= 0.8) & (dice < 0.8 + 0.1)]
    shown[changed] = random.choice(numpy.array(vocabulary), len(changed))
    return shown.tolist(), places.tolist()


def hidden_places(words, random):
    """Words in a random order while they do not exceed the share, at least one."""
    possible = numpy.flatnonzero(words >= 0)
    wanted = max(1, round(len(possible) * SHARE))
    if not WHOLE_WORDS:
        return numpy.sort(random.permutation(possible)[:wanted])
    pieces = {}
    for place in possible.tolist():
        pieces.setdefault(int(words[place]), []).append(place)
    chosen = []
    for word in random.permutation(numpy.array(list(pieces))).tolist():
        if len(chosen) + len(pieces[word]) <= wanted or not chosen:
            chosen += pieces[word]
        if len(chosen) >= wanted:
            break
    return numpy.array(sorted(chosen))


def hidden_batch(rows, epoch, pad, vocabulary):
    """A batch of (number, token ids, words), padded on the right; no mask where nothing is."""
    longest = max(len(ids) for _, ids, _ in rows)
    batch = {"input_ids": torch.full((len(rows), longest), pad)}
    batch["labels"] = torch.full((len(rows), longest), -100)
    for n, (number, ids, words) in enumerate(rows):
        shown, places = hide(ids, words, epoch, number, vocabulary)
        batch["input_ids"][n, : len(ids)] = torch.tensor(shown)
        batch["labels"][n, places] = torch.tensor(ids)[places]
    counts = torch.tensor([len(ids) for _, ids, _ in rows])
    if (counts < longest).any():
        batch["attention_mask"] = (torch.arange(longest)[None] < counts[:, None]).long()
    return batch


class MaskedTrainer(Trainer):
    """A Trainer whose loss is the mean over the hidden tokens of a step."""

    loss_is_scaled_for_ga = True

    def prepare(self, sampler, evaluation, pad, vocabulary):
        """Take what is no argument of a Trainer."""
        self.sampler, self.pad, self.vocabulary = sampler, pad, vocabulary
        self.evaluation = sorted(evaluation, key=lambda one: -len(one[1]))

    def _get_train_sampler(self, train_dataset=None):
        return self.sampler

    def _get_num_items_in_batch(self, batch_samples, device):
        return sum(batch["labels"].ne(-100).sum() for batch in batch_samples).to(device)

    def summed(self, model, batch):
        """Cross-entropy summed over the hidden tokens, in float32."""
        given = {name: one for name, one in batch.items() if name != "labels"}
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=MIXED):
            logits = model(**given).logits
        there = batch["labels"].ne(-100)
        return torch.nn.functional.cross_entropy(
            logits[there].float(), batch["labels"][there], reduction="sum"
        )

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return self.summed(model, inputs) / num_items_in_batch

    def evaluate(self, *_, **__):
        """The mean loss over the hidden tokens of the evaluation rows, always the same ones."""
        size = self.args.per_device_eval_batch_size
        training, total, count = self.model.training, 0.0, 0
        self.model.eval()
        for at in range(0, len(self.evaluation), size):
            rows = self.evaluation[at : at + size]
            hidden = hidden_batch(rows, EVALUATION, self.pad, self.vocabulary)
            batch = self._prepare_inputs(hidden)
            with torch.no_grad():
                total += float(self.summed(self.model, batch))
            count += int(batch["labels"].ne(-100).sum())
        self.model.train(training)
        metrics = {"eval_loss": total / count}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
