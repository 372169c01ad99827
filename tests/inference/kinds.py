"""Tiny models of many architectures, with random weights: what differs between them is how they
attend and what they keep of what they have read."""

from typing import Any

from tests.tiny import make_tiny_tokenizer
from workbench.inference.model import LoadedModel
from workbench.session import ModelSettings

COMMON = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
GEMMA = {"sliding_window": 32, "query_pre_attn_scalar": 16}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen3": {},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "mistral": {"sliding_window": 32},
    "gemma2": GEMMA,  # its scores are capped, every second layer has a window
    "gemma3_text": GEMMA,
    "gpt_oss": {"sliding_window": 32, "num_local_experts": 4, "num_experts_per_tok": 2},  # sinks
    "gptj": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512, "rotary_dim": 8},
    "deepseek_v3": {  # keeps something other than keys and values
        "q_lora_rank": 32,
        "kv_lora_rank": 16,
        "head_dim": 8,
        "num_key_value_heads": 4,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 24,
        "n_routed_experts": 4,
        "n_group": 1,
        "topk_group": 1,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
    },
    "bloom": {"n_layer": 2, "n_head": 4},  # no position ids
    "mamba": {},  # a state, no keys
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},  # a state in some of its layers
    "openai-gpt": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512},  # no cache
}


def load_kind(kind: str) -> LoadedModel:
    """A model of this architecture in float32, the same at every call."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_tiny_tokenizer()
    config = AutoConfig.for_model(kind, **{**COMMON, "vocab_size": len(tokenizer), **KINDS[kind]})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # far apart, so that no two tokens are a tie
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.12)
    return LoadedModel(ModelSettings(name=kind), model, tokenizer)
