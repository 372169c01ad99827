"""The script of a run that learnt labels, or a number, of each text."""

from typing import Any

from workbench.ejecting.made import Made
from workbench.ejecting.parts import labels, rows
from workbench.ejecting.readable import SIDES, Readable, Row, texts_of
from workbench.ejecting.source import Constant, mixed
from workbench.ejecting.trainers import examples, sampler, trainer
from workbench.ejecting.written import Written

PROBLEMS = {
    "multi_label": "multi_label_classification",
    "regression": "regression",
    "single_label": "single_label_classification",
}
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
    from workbench.training.reading import pad_token

    recipe = made.prepared(Classification)
    found = readable(made, recipe)
    head, pad = made.head, pad_token(made.loaded)
    loading = {"num_labels": head.outputs, "problem_type": PROBLEMS[head.problem]}
    loading |= {"pad_token_id": pad}
    loading |= {"ignore_mismatched_sizes": True} if head.fresh else {}
    return Written(
        rows=found.rows,
        constants=constants(made, recipe),
        functions=[
            labels.encode_text,
            EXAMPLES,
            rows.EpochSampler,
            labels.right_padded,
            labels.LabelTrainer,
        ],
        main=examples()
        + sampler(made, "len(ids)", "ids, _")
        + trainer("LabelTrainer", f"right_padded(rows, {pad})", "sampler", "evaluation"),
        notes=found.notes(),
        model="AutoModelForSequenceClassification",
        loading=loading,
    )


def readable(made: Made, recipe: Any) -> Readable:
    from workbench.training.reading import found_in, reading_of

    found, tokenizer = Readable(), made.loaded.tokenizer
    encoder = reading_of(recipe, found_in(recipe), "label")
    for side, readings in zip(SIDES, (recipe.examples, recipe.evaluation), strict=True):
        cut = made.longest, made.settings.overlong
        texts = [
            (text, labels.encode_text(tokenizer, {"text": text}, *cut))
            for text in texts_of(made, side, encoder)
        ]
        at = 0
        for n in range(len(readings)):
            ids = list(readings.input_ids[n])
            row: Row = {"side": side, "text": "", "label": readings.learnt[n]}
            # Texts of which nothing is learnt are passed over.
            place = next((one for one in range(at, len(texts)) if texts[one][1] == ids), None)
            if place is not None:
                row["text"], at = texts[place][0], place + 1
            else:  # no plain rule makes them of the texts
                row["text"] = tokenizer.decode(ids, skip_special_tokens=True)
                row["input_ids"] = ids
                found.known += 1
            found.rows.append(row)
    return found


def constants(made: Made, recipe: Any) -> list[Constant]:
    from workbench.training.reading import in_bfloat16

    names = "In the order of the model's outputs; a row's label is its place here."
    weights = None if recipe.weights is None else recipe.weights.tolist()
    return [
        Constant("MAX_LENGTH", made.longest),
        Constant("OVERLONG", made.settings.overlong),
        Constant("LABELS", list(made.head.labels), names),
        Constant("PROBLEM", made.head.problem),
        Constant("WEIGHTS", weights, "Of each label, where rare ones count more."),
        Constant("SMOOTHING", made.settings.label_smoothing_factor),
        mixed(in_bfloat16(made.loaded)),
        Constant("USES_CACHE", "use_cache" in made.loaded.accepts),
    ]
