"""Virtual tokens before the prompt, and nothing else, are learnt: as embeddings (prompt tuning,
Lester et al., 2021) or as keys and values of all layers (prefix tuning, Li and Liang, 2021).

They begin from words, so that before the first step the model answers as if these words stood
before the prompt: what fine-tuning goes on from is the prompt as it was worded.
"""

from typing import Any

import torch
from peft import PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model

from workbench.data.templates import fixed_text
from workbench.inference.errors import reason
from workbench.inference.loaded import LoadedModel
from workbench.inference.opening import Layers, keys_and_values, seen
from workbench.inference.wrapping import prepared
from workbench.session import Prompt, Session, TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.methods.laid import Laid
from workbench.training.methods.layers import head_parts

USUAL = 20  # virtual tokens where there are no words to begin from
TASKS = {
    "causal": TaskType.CAUSAL_LM,
    "classifier": TaskType.SEQ_CLS,
    "seq2seq": TaskType.SEQ_2_SEQ_LM,
}


def check(settings: TrainingSettings, _device: str) -> None:
    """Whether the settings go together with virtual tokens."""
    if settings.packing == "on":
        raise TrainingError(
            f"training.packing puts rows one after the other and {settings.method} needs each to "
            "begin with the virtual tokens; set training.packing to off."
        )
    if settings.activation_checkpointing and settings.method == "prefix_tuning":
        raise TrainingError(
            "training.activation_checkpointing cannot keep a tuned prefix; switch it off, or use "
            "training.method prompt_tuning."
        )
    if settings.virtual_tokens.init == "text" and not settings.virtual_tokens.text.strip():
        raise TrainingError(
            "training.virtual_tokens.text is empty: write the words to begin from, or set "
            "training.virtual_tokens.init to prompt."
        )


def lay(loaded: LoadedModel, settings: TrainingSettings, session: Session | None) -> Laid:
    """Put virtual tokens before all prompts of the tuned weights.

    Raises:
        TrainingError: where the model cannot have them.
    """
    kind = loaded.head.kind
    if kind not in TASKS:
        raise TrainingError(
            f"{settings.method} is for models that write or give labels; use training.method lora "
            "or full to guess hidden words."
        )
    ids, said = tokens(loaded, settings, session)
    count = len(ids)
    layer = lay_prompt if settings.method == "prompt_tuning" else lay_prefix
    try:
        layer(loaded, ids)
        attempt(loaded)
    except TrainingError:
        raise
    except Exception as error:  # of many kinds: each architecture has its own way not to do it
        raise TrainingError(
            f"{loaded.settings.name} ({loaded.base.config.model_type}) cannot have virtual tokens "
            f"of {settings.method} ({reason(error)}); use training.method lora."
        ) from error
    reasons = [
        f"{count} virtual tokens begin from {said}",
        "float32 for the virtual tokens: small steps add up",
    ]
    return Laid(reasons, {"virtual_tokens": count, "virtual_tokens_from": said})


def tokens(
    loaded: LoadedModel, settings: TrainingSettings, session: Session | None
) -> tuple[list[int], str]:
    """The token that each virtual token begins from, and what these are in words.

    Raises:
        TrainingError: where the model cannot read so many.
    """
    ids, said = begin_from(loaded, settings, session)
    count = needed(loaded, settings, session)
    if not ids:
        ids = drawn(loaded, count, settings.seed)
        said = f"tokens drawn at random from the vocabulary{said}"
    elif count > len(ids):
        said += f", over again up to {count} tokens"
    elif count < len(ids):
        said += f", the first {count} of their {len(ids)} tokens"
    ids = (ids * (count // len(ids) + 1))[:count]
    if settings.method == "prefix_tuning" and loaded.head.kind != "causal":
        # What an encoder or a decoder with a source would read of words is no plain prefix.
        said = "small random numbers: only a model that writes on can begin a prefix from words"
    return ids, said


def needed(loaded: LoadedModel, settings: TrainingSettings, session: Session | None) -> int:
    """How many virtual tokens there will be.

    Raises:
        TrainingError: where the model cannot read so many.
    """
    wanted = settings.virtual_tokens.num_virtual_tokens
    count = wanted or len(begin_from(loaded, settings, session)[0]) or USUAL
    if count > loaded.positions // 2:
        raise TrainingError(
            f"{count} virtual tokens are more than half of the {loaded.positions} that "
            f"{loaded.settings.name} can read; set training.virtual_tokens.num_virtual_tokens."
        )
    return count


def configured(
    loaded: LoadedModel, method: str, count: int, kept: tuple[int, int, int] | None = None
) -> PromptTuningConfig | PrefixTuningConfig:
    """peft's configuration of so many virtual tokens. `kept` is what the model keeps of a token it
    has read, where a prefix begins from words: layers, heads of keys in each, numbers in each."""
    kind = loaded.head.kind
    usual: dict[str, Any] = {
        "task_type": TASKS[kind],
        "num_virtual_tokens": count,
        "modules_to_save": head_parts(loaded) or None,
    }
    if method == "prompt_tuning":
        text = loaded.model.config.get_text_config()
        return PromptTuningConfig(
            token_dim=loaded.model.get_input_embeddings().weight.shape[1],
            num_transformer_submodules=1,
            num_layers=text.num_hidden_layers,
            num_attention_heads=text.num_attention_heads,
            **usual,
        )
    if kept is not None:
        layers, heads, width = kept
        usual |= {"num_layers": layers, "num_attention_heads": heads, "token_dim": heads * width}
    elif size := getattr(loaded.model.config, "d_kv", 0):  # T5's heads need not make up its width
        usual["token_dim"] = size * loaded.model.config.num_heads
    return PrefixTuningConfig(prefix_projection=False, **usual)


def lay_prompt(loaded: LoadedModel, ids: list[int]) -> None:
    """Embeddings that begin as those of these tokens."""
    config = configured(loaded, "prompt_tuning", len(ids))
    model: Any = get_peft_model(loaded.model, config)
    with torch.no_grad():
        rows = model.word_embeddings(torch.tensor(ids, device=loaded.device))
        encoder(model).weight.copy_(rows)
    loaded.model = prepared(model)


def lay_prefix(loaded: LoadedModel, ids: list[int]) -> None:
    """Keys and values that begin as the model's own of these tokens."""
    base = loaded.model
    layers = own_layers(loaded, ids) if loaded.head.kind == "causal" else None
    kept = None
    if layers is not None:
        _, heads, _, width = layers[0][0].shape
        kept = len(layers), heads, width
    config = configured(loaded, "prefix_tuning", len(ids), kept)
    model: Any = get_peft_model(base, config)
    loaded.model = prepared(model)
    if layers is not None:
        with torch.no_grad():
            encoder(model).weight.copy_(flattened(layers))
    else:
        torch.nn.init.normal_(encoder(model).weight, std=0.02)


def own_layers(loaded: LoadedModel, ids: list[int]) -> Layers:
    """The base model's keys and values of tokens, each [1, heads, tokens, size].

    Raises:
        TrainingError: where it keeps something else of what it reads.
    """
    found = keys_and_values(seen(loaded, tuple(ids)))
    shapes = {one.shape for layer in found or () for one in layer}
    if found is None or len(shapes) != 1 or next(iter(shapes))[2] != len(ids):
        raise TrainingError(
            f"{loaded.settings.name} keeps no plain keys and values of what it has read, so it "
            "cannot have a tuned prefix; use training.method prompt_tuning or lora."
        )
    return found


def flattened(layers: Layers) -> torch.Tensor:
    """Keys and values as peft holds them: [tokens, layers x 2 x heads x size]."""
    both = torch.stack([one[0] for layer in layers for one in layer])  # [2L, heads, tokens, size]
    return both.permute(2, 0, 1, 3).flatten(1).float()


def attempt(loaded: LoadedModel) -> None:
    """Compute a few tokens, as a training step would; raises what the model raises."""
    ids = torch.tensor([[0, 1, 2]], device=loaded.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if loaded.head.kind == "seq2seq":
        inputs["labels"] = ids
    with loaded.answering("tuned"):
        loaded.model(**inputs)


def encoder(model: Any) -> torch.nn.Embedding:
    """What holds the virtual tokens."""
    found: torch.nn.Embedding = model.prompt_encoder[model.active_adapter].embedding
    return found


def begin_from(
    loaded: LoadedModel, settings: TrainingSettings, session: Session | None
) -> tuple[list[int], str]:
    """The tokens to begin from, and what they are in words; none: to draw them."""
    wanted = settings.virtual_tokens
    if wanted.init == "text":
        return encoded(loaded, wanted.text), f'the words "{shortened(wanted.text)}"'
    if wanted.init == "random" or session is None:
        return [], ""
    words = fixed_words(session.prompt())
    if not words:
        return [], ", since the prompt has no words that are the same for all rows"
    return encoded(loaded, words), f'the prompt\'s words "{shortened(words)}"'


def fixed_words(prompt: Prompt) -> str:
    """What a prompt says to every row: its system turn, and its template's text between what rows
    fill."""
    parts = [fixed_text(prompt.system), fixed_text(prompt.template)]
    return "\n".join(part for part in parts if part)


def encoded(loaded: LoadedModel, text: str) -> list[int]:
    return list(loaded.tokenizer(text.strip(), add_special_tokens=False)["input_ids"])


def drawn(loaded: LoadedModel, count: int, seed: int) -> list[int]:
    """Tokens of the vocabulary, drawn by seed; none that is special."""
    special = set(loaded.tokenizer.all_special_ids)
    words = [one for one in range(len(loaded.tokenizer)) if one not in special]
    order = torch.randint(len(words), (count,), generator=torch.Generator().manual_seed(seed))
    return [words[one] for one in order.tolist()]


def shortened(text: str, most: int = 80) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
