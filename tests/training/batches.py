"""Rows of a batch, told from how the trainer gets them: padded, or flat."""

from typing import Any


def rows_in(batch: dict[str, Any]) -> list[tuple[list[int], list[bool]]]:
    """Token ids of each row, and on which of them there is a loss."""
    return flat_rows(batch) if "lengths" in batch else padded_rows(batch)


def padded_rows(batch: dict[str, Any]) -> list[tuple[list[int], list[bool]]]:
    found = []
    keep = batch["labels"].shape[1]
    for index in range(len(batch["labels"])):
        count = int(batch["attention_mask"][index].sum())
        ids = batch["input_ids"][index, -count:].tolist()
        labels = ([-100] * count + batch["labels"][index].tolist())[-count:]
        assert set(batch["labels"][index, : max(keep - count, 0)].tolist()) <= {-100}
        assert batch["position_ids"][index, -count:].tolist() == list(range(count))
        found.append((ids, [label != -100 for label in labels]))
    return found


def flat_rows(batch: dict[str, Any]) -> list[tuple[list[int], list[bool]]]:
    shared, at = batch["shared"], batch["shared"]
    ids, positions = batch["input_ids"][0].tolist(), batch["position_ids"][0].tolist()
    predicting, targets = batch["predicting"].tolist(), batch["targets"].tolist()
    found = []
    for length in batch["lengths"]:
        stop = at + length
        assert positions[:shared] + positions[at:stop] == list(range(shared + length))
        row = ids[:shared] + ids[at:stop]
        learnt = [one - at + shared + 1 for one in predicting if at <= one < stop]
        assert [row[one] for one in learnt] == targets[: len(learnt)]
        predicting, targets = predicting[len(learnt) :], targets[len(learnt) :]
        found.append((row, [one in learnt for one in range(len(row))]))
        at = stop
    assert at == len(ids)
    assert not predicting
    return found
