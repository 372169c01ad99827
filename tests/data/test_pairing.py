"""Tokenizers of many languages read and write those that the columns are named after."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.translating import PAIRS, ROWS
from workbench.data.formats import recognise
from workbench.data.pairing import Pair, Pairing
from workbench.data.sources import memory_table
from workbench.session import DatasetSettings, Prompt, TrainingSettings


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentencepiece model and its vocabulary."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("pieces")
    (folder / "text.txt").write_text("\n".join(one for pair in PAIRS for one in pair))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "model"),
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    made = sentencepiece.SentencePieceProcessor(model_file=str(folder / "model.model"))
    found = [made.id_to_piece(n) for n in range(made.get_piece_size())]
    order = ["<s>", "<pad>", "</s>", "<unk>", *(set(found) - {"<s>", "</s>", "<unk>"})]
    (folder / "vocab.json").write_text(json.dumps({one: n for n, one in enumerate(order)}))
    return folder


def made_of(kind: str, pieces: Path) -> Any:
    from transformers import M2M100Tokenizer, MBart50Tokenizer, NllbTokenizer

    if kind == "m2m_100":
        model = str(pieces / "model.model")
        return M2M100Tokenizer(vocab_file=str(pieces / "vocab.json"), spm_file=model)
    known = json.loads((pieces / "vocab.json").read_text())
    if kind == "mbart":
        return MBart50Tokenizer(vocab=[(one, -float(n)) for one, n in known.items()])
    return NllbTokenizer()


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("m2m_100", "__en__", "__fr__"),
        ("mbart", "en_XX", "fr_XX"),
        ("nllb", "eng_Latn", "fra_Latn"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_languages_are_those_of_the_columns(
    kind: str, source: str, target: str, turned: bool, pieces: Path
) -> None:
    tokenizer = made_of(kind, pieces)
    tokenizer.encoder_decoder = kind
    mapping = {"source": "fr", "target": "en"} if turned else {}
    settings = DatasetSettings(format="translation", mapping=mapping)
    found = recognise(memory_table(ROWS).columns, ROWS, settings, Prompt())
    encoder = Pairing(tokenizer, Prompt(), found, TrainingSettings())
    pair = encoder.encode(ROWS[0])[0]
    assert isinstance(pair, Pair)
    sides = [tokenizer.convert_ids_to_tokens(one) for one in (pair.source_ids, pair.target_ids)]
    expected = (target, source) if turned else (source, target)
    assert (sides[0][0], sides[1][0]) == expected
    assert [side[-1] for side in sides] == ["</s>", "</s>"]
