"""The script of a run in which an encoder-decoder learnt texts from texts."""

from typing import Any

from workbench.data.prompting import PromptError, plain_text
from workbench.ejecting.causal import Written, sides
from workbench.ejecting.made import Made
from workbench.ejecting.parts import rows, sequences, training
from workbench.ejecting.source import functions
from workbench.prompting.literals import literal

EXAMPLES = '''\
def examples_of(tokenizer, side):
    """The pairs of a side: token ids of source and target."""
    found = []
    for row in read_rows(ROWS, side):
        if "source_ids" in row:
            found.append((row["source_ids"], row["target_ids"]))
        elif pair := encode_pair(tokenizer, row, MAX_LENGTH, OVERLONG, CLOSING):
            found.append(pair)
    return found
'''


def written(made: Made) -> Written:
    """Rows of sources and targets, proven to give the tokens that were trained on; where they do
    not, the token ids stand beside them."""
    from workbench.training.seq2seq import SequenceToSequence

    recipe = made.recipe
    assert isinstance(recipe, SequenceToSequence)
    recipe.prepare()
    settings, tokenizer = made.settings, made.loaded.tokenizer
    encoder = recipe.encoder()
    closing = encoder.closing
    said: dict[str, list[tuple[str, str]]] = {"train": [], "evaluation": []}
    for side, row_values in sides(made):
        try:
            made_of = encoder.said(row_values)
        except PromptError:
            continue
        said[side] += [(plain_text(one.turns), one.answer or "") for one in made_of]
    found: list[dict[str, Any]] = []
    known = 0
    for side, pairs in (("train", recipe.examples), ("evaluation", recipe.evaluation)):
        both = zip(pairs.sources, pairs.targets, strict=True) if len(pairs) else ()
        theirs = [(list(source), list(target)) for source, target in both]
        at = 0
        for source, target in said[side]:
            row: dict[str, Any] = {"side": side, "source": source, "target": target}
            mine = sequences.encode_pair(tokenizer, row, made.longest, settings.overlong, closing)
            if mine and at < len(theirs) and (list(mine[0]), list(mine[1])) == theirs[at]:
                found.append(row)
                at += 1
        if at < len(theirs):  # no plain rule makes them of the texts
            found = [row for row in found if row["side"] != side]
            known += len(theirs)
            for ids, learnt in theirs:
                found.append(
                    {
                        "side": side,
                        "source": tokenizer.decode(ids, skip_special_tokens=True),
                        "target": tokenizer.decode(learnt, skip_special_tokens=True),
                        "source_ids": ids,
                        "target_ids": learnt,
                    }
                )
    values: dict[str, Any] = {
        "MAX_LENGTH": made.longest,
        "OVERLONG": settings.overlong,
        "CLOSING": closing,
        "MIXED": made.bfloat16,
    }
    comments = {
        "CLOSING": "So many tokens end a source.",
        "MIXED": "bfloat16 products over float32 weights.",
    }
    grouped = settings.train_sampling_strategy == "group_by_length"
    languages = [
        f"    tokenizer.{name} = {literal(getattr(tokenizer, name))}\n"
        for name in ("src_lang", "tgt_lang")
        if hasattr(tokenizer, "tgt_lang") and getattr(tokenizer, name, None)
    ]
    main = (
        "".join(languages)
        + f"""\
    train = examples_of(tokenizer, "train")
    evaluation = examples_of(tokenizer, "evaluation")
    print(len(train), "rows to train on,", len(evaluation), "to evaluate on")
    sampler = EpochSampler(
        len(train),
        args.train_batch_size * args.gradient_accumulation_steps,
        args.seed,
        {"[len(source) + len(target) for source, target in train]" if grouped else "[]"},
    )
    trainer = PairTrainer(
        model=model,
        args=args,
        data_collator=lambda rows: pair_batch(rows, {made.loaded.pad_token}),
        train_dataset=train,
    )
    trainer.prepare(sampler, evaluation, {settings.label_smoothing_factor})
"""
    )
    notes = []
    if known:
        notes.append(
            f"Of {known:,} rows the token ids stand beside the texts: the texts alone do not give "
            "them."
        )
    return Written(
        rows=found,
        constants=values,
        comments=comments,
        functions="\n\n".join(
            [
                functions(rows.read_rows, sequences.encode_pair),
                EXAMPLES,
                functions(
                    rows.EpochSampler,
                    sequences.pair_batch,
                    sequences.PairTrainer,
                    training.Schedule,
                ),
            ]
        ),
        main=main,
        notes=notes,
        model="AutoModelForSeq2SeqLM",
    )
