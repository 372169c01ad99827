"""Texts as token ids, in pieces that the model can read at once."""


def encode_document(tokenizer, row, before, end):
    """A text as the tokenizer begins one, and the end token where it ends there."""
    ids = tokenizer(row["text"], add_special_tokens=False)["input_ids"]
    ids = before + ids
    return ids if row.get("open") or ids[-1:] == end else ids + end


def in_pieces(ids, longest):
    """Consecutive pieces of a document, with a loss on all tokens of each but the first."""
    found, start = [], 0
    while start < len(ids):
        stop = min(start + longest, len(ids))
        stop -= stop == len(ids) - 1  # a token all by itself could not be learnt
        if stop - start > 1:
            found.append((ids[start:stop], [-100, *ids[start + 1 : stop]]))
        start = stop
    return found
