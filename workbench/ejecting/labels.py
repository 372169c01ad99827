"""The script of a run that learnt labels, or a number, of each text."""

from typing import Any

from workbench.ejecting.causal import Written, texts_of
from workbench.ejecting.made import Made
from workbench.ejecting.parts import labels, rows, training
from workbench.ejecting.source import functions

EXAMPLES = '''\
def examples_of(tokenizer, side):
    """The texts of a side: token ids and what is learnt of each."""
    found = []
    for row in read_rows(ROWS, side):
        ids = row.get("input_ids") or encode_text(tokenizer, row, MAX_LENGTH, OVERLONG)
        if ids:
            found.append((ids, row["label"]))
    return found
'''


def written(made: Made) -> Written:
    """Rows of texts and labels, proven to give the tokens that were trained on; where they do not,
    the token ids stand beside the text."""
    from workbench.training.classification import Classification
    from workbench.training.reading import found_in, in_bfloat16, pad_token, reading_of

    recipe = made.recipe
    assert isinstance(recipe, Classification)
    recipe.prepare()
    settings, tokenizer = made.settings, made.loaded.tokenizer
    encoder = reading_of(recipe, found_in(recipe), "label")
    found: list[dict[str, Any]] = []
    known = 0
    for side, readings in (("train", recipe.examples), ("evaluation", recipe.evaluation)):
        cut = made.longest, settings.overlong
        texts = [
            (text, labels.encode_text(tokenizer, {"text": text}, *cut))
            for text in texts_of(made, side, encoder)
        ]
        at = 0
        for n in range(len(readings)):
            ids = list(readings.input_ids[n])
            row: dict[str, Any] = {"side": side, "text": "", "label": readings.learnt[n]}
            # Texts of which nothing is learnt are passed over.
            place = next((one for one in range(at, len(texts)) if texts[one][1] == ids), None)
            if place is not None:
                row["text"], at = texts[place][0], place + 1
            else:  # no plain rule makes them of the texts
                row["text"] = tokenizer.decode(ids, skip_special_tokens=True)
                row["input_ids"] = ids
                known += 1
            found.append(row)
    names = list(made.head.labels)
    weights = None if recipe.weights is None else recipe.weights.tolist()
    values: dict[str, Any] = {
        "MAX_LENGTH": made.longest,
        "OVERLONG": settings.overlong,
        "LABELS": names,
        "PROBLEM": made.head.problem,
        "WEIGHTS": weights,
        "SMOOTHING": settings.label_smoothing_factor,
        "MIXED": in_bfloat16(made.loaded),
        "USES_CACHE": "use_cache" in made.loaded.accepts,
    }
    comments = {
        "LABELS": "In the order of the model's outputs; a row's label is its place here.",
        "WEIGHTS": "Of each label, where rare ones count more.",
        "MIXED": "bfloat16 products over float32 weights.",
    }
    grouped = settings.train_sampling_strategy == "group_by_length"
    main = f"""\
    train = examples_of(tokenizer, "train")
    evaluation = examples_of(tokenizer, "evaluation")
    print(len(train), "rows to train on,", len(evaluation), "to evaluate on")
    sampler = EpochSampler(
        len(train),
        args.train_batch_size * args.gradient_accumulation_steps,
        args.seed,
        {"[len(ids) for ids, _ in train]" if grouped else "[]"},
    )
    trainer = LabelTrainer(
        model=model,
        args=args,
        data_collator=lambda rows: right_padded(rows, {pad_token(made.loaded)}),
        train_dataset=train,
    )
    trainer.prepare(sampler, evaluation)
"""
    problems = {
        "multi_label": "multi_label_classification",
        "regression": "regression",
        "single_label": "single_label_classification",
    }
    more = f", num_labels={made.head.outputs}, problem_type={problems[made.head.problem]!r}"
    more += f", pad_token_id={pad_token(made.loaded)}"
    more += ", ignore_mismatched_sizes=True" if made.head.fresh else ""
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
                functions(rows.read_rows, labels.encode_text),
                EXAMPLES,
                functions(
                    rows.EpochSampler, labels.right_padded, labels.LabelTrainer, training.Schedule
                ),
            ]
        ),
        main=main,
        notes=notes,
        model="AutoModelForSequenceClassification",
        model_more=more,
    )
