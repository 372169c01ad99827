"""Tiny encoders for tests: made from a configuration in a second, the same at every call."""

from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from tests.tiny import REVIEWS
from workbench.inference.model import LoadedModel, load_model, model_config
from workbench.session import ModelSettings, Session
from workbench.training.labels import settle
from workbench.training.tasks import head_of

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


def make_tokenizer(vocabulary: int = 500) -> Any:
    """WordPiece with BERT's special tokens, trained on film reviews and Python's help."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=special, show_progress=False
    )
    texts = [text for text, _ in REVIEWS] + sorted(topics.values())[:10]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def make_bert(folder: Path, kind: str = "BertModel", **config: Any) -> Path:
    """Write a tiny BERT to `folder`: a bare encoder, or one with the head of `kind`."""
    import torch
    import transformers

    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    made = transformers.BertConfig(vocab_size=len(tokenizer), **{**SIZES, **config})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        getattr(transformers, kind)(made).save_pretrained(folder)
    return folder


def nothing(*_: Any) -> None:
    """A report that goes nowhere."""


def load(made: Session, folder: Path, data: Any = None) -> tuple[Session, LoadedModel]:
    """A session with its labels settled, and its model with the head that it trains."""
    config = model_config(made.model, folder, nothing)
    if made.training.task == "classification":
        made, _ = settle(made, data, config)
    head = head_of(made.training.task, config, made.training)
    return made, load_model(made.model, folder, nothing, head)


def bert(name: str = "bert") -> ModelSettings:
    return ModelSettings(name=name, dtype="float32", device="cpu")
