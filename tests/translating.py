"""What tests of encoder-decoders share: pairs of English and French, and tiny models from
configurations: a T5 with a fast tokenizer, and a Marian with the tokenizer that Marian has."""

import json
import shutil
from pathlib import Path

from tests.work import nobody_listens
from workbench.inference.loaded import LoadedModel
from workbench.inference.model import load_model
from workbench.session import ModelSettings

PAIRS = [
    ("one", "un"),
    ("two", "deux"),
    ("three", "trois"),
    ("red", "rouge"),
    ("blue", "bleu"),
    ("day", "jour"),
    ("night", "nuit"),
    ("house", "maison"),
]
MORE = [
    (f"{one} {other}", f"{un} {autre}")
    for n, (one, un) in enumerate(PAIRS)
    for other, autre in PAIRS[n + 1 :]
]
ROWS = [{"en": en, "fr": fr} for en, fr in [*PAIRS, *MORE]]


def words(column: int) -> list[str]:
    return sorted({word for pair in PAIRS for word in pair[column].split()})


def make_t5(folder: Path) -> Path:
    """A tiny T5: random weights, a tokenizer of words, the same at every call."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    vocabulary = ["<pad>", "</s>", "<unk>", "▁translate", "▁English", "▁to", "▁French:"]
    vocabulary += [f"▁{word}" for word in [*words(0), *words(1)]]
    known = {word: n for n, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = T5Config(
        vocab_size=len(known),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.1,
        decoder_start_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = T5ForConditionalGeneration(config)
    model.save_pretrained(folder)
    return folder


def make_marian(folder: Path) -> Path:
    """A tiny Marian: one sentencepiece model to read and one to write, as those of the hub."""
    import sentencepiece
    import torch
    from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

    parts = folder / "parts"
    parts.mkdir(parents=True)
    pieces: list[str] = []
    for name, column in (("source", 0), ("target", 1)):
        text = parts / f"{name}.txt"
        text.write_text("\n".join(pair[column] for pair in [*PAIRS, *MORE]))
        sentencepiece.SentencePieceTrainer.train(
            input=str(text),
            model_prefix=str(parts / name),
            model_type="word",
            vocab_size=45,
            hard_vocab_limit=False,
            minloglevel=3,
        )
        made = sentencepiece.SentencePieceProcessor(model_file=str(parts / f"{name}.model"))
        pieces += [made.id_to_piece(n) for n in range(made.get_piece_size())]
    order = ["</s>", "<unk>", *sorted(set(pieces) - {"<s>", "</s>", "<unk>"}), "<pad>"]
    vocabulary = {piece: n for n, piece in enumerate(order)}
    (parts / "vocab.json").write_text(json.dumps(vocabulary))
    MarianTokenizer(
        source_spm=str(parts / "source.model"),
        target_spm=str(parts / "target.model"),
        vocab=str(parts / "vocab.json"),
        source_lang="en",
        target_lang="fr",
    ).save_pretrained(folder)
    shutil.rmtree(parts)
    pad = vocabulary["<pad>"]
    config = MarianConfig(
        vocab_size=len(vocabulary),
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_position_embeddings=64,
        pad_token_id=pad,
        eos_token_id=0,
        decoder_start_token_id=pad,
        forced_eos_token_id=0,
        static_position_embeddings=True,
        scale_embedding=True,
        init_std=0.1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MarianMTModel(config)
    model.generation_config = GenerationConfig(
        bad_words_ids=[[pad]], decoder_start_token_id=pad, eos_token_id=0, pad_token_id=pad
    )
    model.save_pretrained(folder)
    return folder


MAKERS = {"t5": make_t5, "marian": make_marian}


def load_pairs_model(folder: Path, kind: str) -> LoadedModel:
    """The tiny model in float32, made in `folder` if it is not there."""
    if not (folder / kind / "config.json").exists():
        MAKERS[kind](folder / kind)
    settings = ModelSettings(name=kind, dtype="float32", device="cpu")
    return load_model(settings, folder, nobody_listens)
