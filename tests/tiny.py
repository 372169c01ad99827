"""A tiny chat model for tests: made in a second from a configuration, the same at every call.

Two Llama layers with random weights and a byte-level BPE tokenizer trained on Python's own help
texts, with a ChatML template. It answers nonsense, through the same code as a real model.
"""

from pathlib import Path
from pydoc_data.topics import topics

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def make_tiny_model(folder: Path, vocabulary: int = 600, context: int = 512) -> Path:
    """Write a tiny chat model (safetensors, tokenizer, generation configuration) to `folder`."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = make_tiny_tokenizer(vocabulary)
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=2)
    model.save_pretrained(folder)
    return folder


def make_tiny_tokenizer(vocabulary: int = 600):  # type: ignore[no-untyped-def]
    """A byte-level BPE tokenizer with ChatML's special tokens and template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(topics.values())[:40], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
    )


REVIEWS = [
    ("A warm and funny film.", "positive"),
    ("Dull, slow and far too long.", "negative"),
    ("The most fun you will have this year!", "positive"),
    ("A brisk hack job.", "negative"),
    ("Beautifully shot, and moving to the last scene.", "positive"),
    ("It wastes a good cast on a bad joke.", "negative"),
    ("Smart, sharp and alive.", "positive"),
    ("There is nothing here to care about at all, and the end comes two hours late.", "negative"),
]


def reviews(count: int) -> list[dict[str, str]]:
    """Rows of `text` and `label`: short film reviews, numbered so that no two are equal."""
    return [
        {"text": f"{REVIEWS[i % 8][0]} ({i})", "label": REVIEWS[i % 8][1]} for i in range(count)
    ]
