"""Models of many sizes with random weights, made where they are needed: nothing is fetched."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tests.tiny import make_tiny_tokenizer
from workbench.inference.device import choose_device, choose_dtype
from workbench.inference.model import LoadedModel
from workbench.session import ModelSettings

# By billions of weights, the shapes of SmolLM2-135M, Qwen2.5-0.5B, 1.5B and 3B, and Qwen3-8B:
# hidden size, layers, heads, key heads, size of the inner layer, words, words in and out the same.
SIZES: dict[str, tuple[int, int, int, int, int, int, bool]] = {
    "tiny": (64, 2, 4, 2, 128, 1000, True),
    "0.1": (576, 30, 9, 3, 1536, 49152, True),
    "0.5": (896, 24, 14, 2, 4864, 151936, True),
    "1.5": (1536, 28, 12, 2, 8960, 151936, True),
    "3": (2048, 36, 16, 2, 11008, 151936, True),
    "8": (4096, 36, 32, 8, 12288, 151936, False),
}


def make(size: str, device: str, dtype: str = "auto") -> LoadedModel:
    """A Llama of this size, the same at every call on one kind of device."""
    hidden, layers, heads, key_heads, inner, words, tied = SIZES[size]
    tokenizer = make_tiny_tokenizer()
    config = AutoConfig.for_model(
        "llama",
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        intermediate_size=inner,
        vocab_size=words,
        tie_word_embeddings=tied,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    place = choose_device(device)
    kind, why = choose_dtype(dtype, place)
    torch.manual_seed(0)
    with torch.device(place):
        model = AutoModelForCausalLM.from_config(config, dtype=kind)
    return LoadedModel(ModelSettings(name=f"made-{size}"), model, tokenizer, why)
