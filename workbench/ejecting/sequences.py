"""The script of a run in which an encoder-decoder learnt texts from texts."""

from typing import Any

from workbench.data.prompting import plain_text
from workbench.ejecting.made import Made
from workbench.ejecting.parts import rows, sequences
from workbench.ejecting.readable import SIDES, Example, Readable, Row, said_of
from workbench.ejecting.source import Constant, mixed
from workbench.ejecting.trainers import examples, sampler, trainer
from workbench.ejecting.written import Written
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

    recipe = made.prepared(SequenceToSequence)
    encoder = recipe.encoder()
    found = readable(made, recipe, encoder)
    smoothing = str(made.settings.label_smoothing_factor)
    return Written(
        rows=found.rows,
        constants=[
            Constant("MAX_LENGTH", made.longest),
            Constant("OVERLONG", made.settings.overlong),
            Constant("CLOSING", encoder.closing, "So many tokens end a source."),
            mixed(made.bfloat16),
        ],
        functions=[
            sequences.encode_pair,
            EXAMPLES,
            rows.EpochSampler,
            sequences.pair_batch,
            sequences.PairTrainer,
        ],
        main=languages(made.loaded.tokenizer)
        + examples()
        + sampler(made, "len(source) + len(target)", "source, target")
        + trainer(
            "PairTrainer",
            f"pair_batch(rows, {made.loaded.pad_token})",
            *("sampler", "evaluation", smoothing),
        ),
        notes=found.notes(),
        model="AutoModelForSeq2SeqLM",
    )


def readable(made: Made, recipe: Any, encoder: Any) -> Readable:
    found, tokenizer = Readable(), made.loaded.tokenizer
    limits = made.longest, made.settings.overlong, encoder.closing

    def encode(row: Row) -> list[Example]:
        pair = sequences.encode_pair(tokenizer, row, *limits)
        return [(list(pair[0]), list(pair[1]))] if pair else []

    def known(pair: Example) -> Row:
        source, target = (tokenizer.decode(ids, skip_special_tokens=True) for ids in pair)
        return {"source": source, "target": target, "source_ids": pair[0], "target_ids": pair[1]}

    for side, pairs in zip(SIDES, (recipe.examples, recipe.evaluation), strict=True):
        both = zip(pairs.sources, pairs.targets, strict=True) if len(pairs) else ()
        said = (
            {"source": plain_text(one.turns), "target": one.answer or ""}
            for one in said_of(made, side, encoder)
        )
        wanted = [(list(source), list(target)) for source, target in both]
        found.add(side, said, encode, wanted, known)
    return found


def languages(tokenizer: Any) -> str:
    """Which languages a tokenizer of several reads and writes."""
    return "".join(
        f"    tokenizer.{name} = {literal(getattr(tokenizer, name))}\n"
        for name in ("src_lang", "tgt_lang")
        if hasattr(tokenizer, "tgt_lang") and getattr(tokenizer, name, None)
    )
