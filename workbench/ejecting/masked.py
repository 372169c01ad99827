"""The script of a run that guessed hidden words."""

from typing import Any

from workbench.data.pairing import around
from workbench.ejecting.causal import Written, texts_of
from workbench.ejecting.made import Made
from workbench.ejecting.parts import masked, rows, training
from workbench.ejecting.source import functions

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


def written(made: Made) -> Written:
    """Rows of texts, proven to give the tokens that were trained on; where they do not, the token
    ids stand beside the text."""
    from workbench.training.masked_lm import EVALUATION, MaskedLanguageModelling
    from workbench.training.reading import found_in, in_bfloat16, pad_token, reading_of

    recipe = made.recipe
    assert isinstance(recipe, MaskedLanguageModelling)
    recipe.prepare()
    settings, tokenizer = made.settings, made.loaded.tokenizer
    encoder = reading_of(recipe, found_in(recipe), "words")
    limits = (made.longest, settings.overlong, around(tokenizer))
    found: list[dict[str, Any]] = []
    known = 0
    for side, readings in (("train", recipe.examples), ("evaluation", recipe.evaluation)):
        theirs = [
            (list(readings.input_ids[n]), list(readings.learnt[n])) for n in range(len(readings))
        ]
        at = 0
        for text in texts_of(made, side, encoder):
            row: dict[str, Any] = {"side": side, "text": text}
            mine = masked.read_text(tokenizer, row, *limits)
            if mine and mine == theirs[at : at + len(mine)]:
                found.append(row)
                at += len(mine)
        if at < len(theirs):  # no plain rule makes them of the texts
            found = [row for row in found if row["side"] != side]
            known += len(theirs)
            for ids, words in theirs:
                text = tokenizer.decode(ids, skip_special_tokens=True)
                found.append({"side": side, "text": text, "input_ids": ids, "words": words})
    pad = pad_token(made.loaded)
    grouped = settings.train_sampling_strategy == "group_by_length"
    values: dict[str, Any] = {
        "MAX_LENGTH": made.longest,
        "OVERLONG": settings.overlong,
        "AROUND": list(around(tokenizer)),
        "MASK": int(tokenizer.mask_token_id),
        "SHARE": settings.masking.mlm_probability,
        "WHOLE_WORDS": settings.masking.whole_words,
        "SEED": settings.seed,
        "EVALUATION": EVALUATION,
        "MIXED": in_bfloat16(made.loaded),
    }
    comments = {
        "AROUND": "So many tokens stand before a text, and so many after it.",
        "MASK": "The token that hides another.",
        "SHARE": "Of the tokens that are guessed.",
        "EVALUATION": "Stands for the epoch when an evaluation hides words.",
        "MIXED": "bfloat16 products over float32 weights.",
    }
    main = f"""\
    train = examples_of(tokenizer, "train")
    evaluation = examples_of(tokenizer, "evaluation")
    print(len(train), "rows to train on,", len(evaluation), "to evaluate on")
    special = set(tokenizer.all_special_ids)
    vocabulary = [token for token in range(len(tokenizer)) if token not in special]
    sampler = EpochSampler(
        len(train),
        args.train_batch_size * args.gradient_accumulation_steps,
        args.seed,
        {"[len(ids) for _, ids, _ in train]" if grouped else "[]"},
    )
    trainer = MaskedTrainer(
        model=model,
        args=args,
        data_collator=lambda rows: hidden_batch(rows, sampler.epoch, {pad}, vocabulary),
        train_dataset=train,
    )
    trainer.prepare(sampler, evaluation, {pad}, vocabulary)
"""
    notes = []
    if known:
        notes.append(
            f"Of {known:,} rows the token ids stand beside the text: the text alone does not give "
            "them."
        )
    return Written(
        rows=found,
        constants=values,
        comments=comments,
        functions="\n\n".join(
            [
                functions(rows.read_rows, masked.words_of, masked.read_text),
                EXAMPLES,
                functions(
                    rows.EpochSampler,
                    masked.hide,
                    masked.hidden_places,
                    masked.hidden_batch,
                    masked.MaskedTrainer,
                    training.Schedule,
                ),
            ]
        ),
        main=main,
        notes=notes,
        model="AutoModelForMaskedLM",
    )
