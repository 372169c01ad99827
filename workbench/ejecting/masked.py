"""The script of a run that guessed hidden words."""

from typing import Any

from workbench.data.pairing import around
from workbench.ejecting.made import Made
from workbench.ejecting.parts import masked, rows
from workbench.ejecting.readable import SIDES, Readable, Row, texts_of
from workbench.ejecting.source import Constant, mixed
from workbench.ejecting.trainers import examples, sampler, trainer
from workbench.ejecting.written import Written

EXAMPLES = '''\
def examples_of(tokenizer, side):
    """The texts of a side: their numbers, token ids and the word of each token."""
    found = []
    for row in read_rows(ROWS, side):
        if "input_ids" in row:
            found.append((row["input_ids"], row["words"]))
        else:
            found += read_text(tokenizer, row, MAX_LENGTH, OVERLONG, AROUND)
    return [(number, ids, words) for number, (ids, words) in enumerate(found)]
'''
VOCABULARY = """\
    special = set(tokenizer.all_special_ids)
    vocabulary = [token for token in range(len(tokenizer)) if token not in special]
"""


def written(made: Made) -> Written:
    """Rows of texts, proven to give the tokens that were trained on; where they do not, the token
    ids stand beside the text."""
    from workbench.training.masked_lm import MaskedLanguageModelling
    from workbench.training.reading import pad_token

    found = readable(made, made.prepared(MaskedLanguageModelling))
    pad = pad_token(made.loaded)
    batch = f"hidden_batch(rows, sampler.epoch, {pad}, vocabulary)"
    return Written(
        rows=found.rows,
        constants=constants(made),
        functions=[
            masked.words_of,
            masked.read_text,
            EXAMPLES,
            rows.EpochSampler,
            masked.hide,
            masked.hidden_places,
            masked.hidden_batch,
            masked.MaskedTrainer,
        ],
        main=examples()
        + VOCABULARY
        + sampler(made, "len(ids)", "_, ids, _")
        + trainer("MaskedTrainer", batch, "sampler", "evaluation", f"{pad}", "vocabulary"),
        notes=found.notes(),
        model="AutoModelForMaskedLM",
    )


def readable(made: Made, recipe: Any) -> Readable:
    from workbench.training.reading import found_in, reading_of

    found, tokenizer = Readable(), made.loaded.tokenizer
    encoder = reading_of(recipe, found_in(recipe), "words")
    limits = made.longest, made.settings.overlong, around(tokenizer)

    def known(example: Any) -> Row:
        ids, words = example
        text = tokenizer.decode(ids, skip_special_tokens=True)
        return {"text": text, "input_ids": ids, "words": words}

    for side, learnt in zip(SIDES, (recipe.examples, recipe.evaluation), strict=True):
        found.add(
            side,
            ({"text": text} for text in texts_of(made, side, encoder)),
            lambda row: masked.read_text(tokenizer, row, *limits),
            [(list(learnt.input_ids[n]), list(learnt.learnt[n])) for n in range(len(learnt))],
            known,
        )
    return found


def constants(made: Made) -> list[Constant]:
    from workbench.training.masked_lm import EVALUATION
    from workbench.training.reading import in_bfloat16

    tokenizer, masking = made.loaded.tokenizer, made.settings.masking
    sides = "So many tokens stand before a text, and so many after it."
    epoch = "Stands for the epoch when an evaluation hides words."
    return [
        Constant("MAX_LENGTH", made.longest),
        Constant("OVERLONG", made.settings.overlong),
        Constant("AROUND", list(around(tokenizer)), sides),
        Constant("MASK", int(tokenizer.mask_token_id), "The token that hides another."),
        Constant("SHARE", masking.mlm_probability, "Of the tokens that are guessed."),
        Constant("WHOLE_WORDS", masking.whole_words),
        Constant("SEED", made.settings.seed),
        Constant("EVALUATION", EVALUATION, epoch),
        mixed(in_bfloat16(made.loaded)),
    ]
