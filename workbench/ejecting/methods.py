"""The lines of a script that lay a method over the model: which weights move, and which are new."""

from dataclasses import dataclass
from typing import Any

from workbench.ejecting.made import Made
from workbench.ejecting.parts import virtual
from workbench.ejecting.source import Constant, assigned
from workbench.exporting.errors import ExportError
from workbench.prompting.literals import block, quoted
from workbench.text import one_line

# Of peft's configurations: what says nothing of the weights, or only where they came from.
UNSAID = (
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "peft_type",
    "auto_mapping",
    "peft_version",
    "runtime_config",
)


@dataclass(frozen=True)
class Method:
    """Lines indented by four: `moving` says which of the model's own weights are trained; `config`
    makes `config`, peft's configuration of a new adapter; `begin` is said of {model}, what has the
    adapter. `functions` and `constants` are what they need."""

    config: str = ""
    begin: str = ""
    moving: str = ""
    functions: tuple[Any, ...] = ()
    constants: tuple[Constant, ...] = ()

    def lines(self, trainer_lays: bool) -> str:
        """What makes `model` what is trained; with `trainer_lays` the Trainer lays `config`."""
        if trainer_lays or not self.config:
            return self.moving + self.config
        return self.config + LAY + self.begin.format(model="model")

    def afterwards(self, trainer_lays: bool) -> str:
        """What is to be done once the Trainer is there."""
        return self.begin.format(model="trainer.model") if trainer_lays else ""


LAY = "    model = get_peft_model(model, config)\n"
WHERE = "    # New matrices, in float32 whatever the model is in; at first they change nothing.\n"
DRAWN = """\
    prefix = {model}.prompt_encoder[{model}.active_adapter].embedding
    torch.nn.init.normal_(prefix.weight, std=0.02)
"""
WIDER = """\
        if weights.requires_grad:
            weights.data = weights.data.float()  # small steps add up
"""


def method_of(made: Made) -> Method:
    """How the method is written.

    Raises:
        ExportError: where it cannot be written out.
    """
    method = made.settings.method
    if method == "full":
        return Method(moving=full(made))
    if method in ("lora", "dora", "rslora"):
        from workbench.training.methods.lora import configuration

        config, _ = configuration(made.loaded, made.settings)
        return Method(WHERE + adapter("LoraConfig", config))
    if method in ("prompt_tuning", "prefix_tuning"):
        return virtual_tokens(made)
    raise ExportError(
        "A run over 4-bit weights cannot be written out as a script yet; its adapter can be "
        "exported."
    )


def virtual_tokens(made: Made) -> Method:
    """Embeddings, or keys and values, that begin as those of words."""
    from workbench.training.methods.virtual_tokens import configured, tokens

    ids, said = tokens(made.loaded, made.settings, made.trained.session)
    constants = (Constant("VIRTUAL", ids, one_line(f"The virtual tokens begin from {said}.")),)
    config = configured(made.loaded, made.settings.method, len(ids), kept(made))
    if made.settings.method == "prompt_tuning":
        lines = "    begun = word_embeddings(model, VIRTUAL)\n"
        used: list[Any] = [virtual.word_embeddings, virtual.begin_from]
        begin = "    begin_from({model}, begun)\n"
        if (placed := with_positions(made)) is not None:
            used += [virtual.after_virtual, placed]
            begin += f"    {{model}}.__class__ = {placed.__name__}\n"
        config_lines = lines + adapter("PromptTuningConfig", config)
        return Method(config_lines, begin, functions=tuple(used), constants=constants)
    if made.loaded.head.kind == "causal":
        return Method(
            "    begun = keys_and_values(model, VIRTUAL)\n" + adapter("PrefixTuningConfig", config),
            "    begin_from({model}, begun)\n",
            functions=(virtual.keys_and_values, virtual.begin_from),
            constants=constants,
        )
    return Method(adapter("PrefixTuningConfig", config), DRAWN)


def kept(made: Made) -> tuple[int, int, int] | None:
    """The layers, heads and size of the keys that a prefix begins from."""
    if made.settings.method != "prefix_tuning" or made.loaded.head.kind != "causal":
        return None
    text = made.loaded.base.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return text.num_hidden_layers, heads, width


def with_positions(made: Made) -> Any:
    """peft's class with the positions that rows have after virtual tokens, where it needs one."""
    from workbench.inference.heads import family_of

    kind = made.loaded.head.kind
    if kind == "causal":
        return virtual.Prompted
    if kind == "classifier" and family_of(made.loaded.base.config) == "decoder":
        return virtual.PromptedClassifier
    return None


def adapter(name: str, config: Any) -> str:
    """The configuration of a new adapter."""
    plain, usual = config.to_dict(), type(config)().to_dict()
    said = {
        key: listed(value)
        for key, value in plain.items()
        if value != usual.get(key) and key not in UNSAID
    }
    if "task_type" in said:
        said["task_type"] = str(getattr(said["task_type"], "value", said["task_type"]))
    return assigned("config", name, said)


def listed(value: Any) -> Any:
    """Sets as sorted lists."""
    return sorted(value) if isinstance(value, set | frozenset) else value


def full(made: Made) -> str:
    """All weights, but those that stay as they are."""
    names = frozen(made)
    wider = WIDER if made.bfloat16 else ""
    if not names and not wider:
        return "    model.requires_grad_(True)\n"
    lines = ""
    if names:
        closing = ",)" if len(names) == 1 else ")"
        lines = f"    frozen = {block('(', [quoted(name) for name in names], closing, 4)}\n"
    test = "not name.startswith(frozen)" if names else "True"
    lines += "    for name, weights in model.named_parameters():\n"
    return lines + f"        weights.requires_grad_({test})\n" + wider


def frozen(made: Made) -> list[str]:
    """What the names of weights begin with that stay as they are."""
    from workbench.training.methods.layers import first_blocks

    settings, base = made.settings, made.loaded.base
    blocks = first_blocks(made.loaded, settings.freeze_layers) if settings.freeze_layers else []
    names = [f"{name}." for name in blocks]
    if settings.freeze_embeddings:
        words = base.get_input_embeddings()
        names += [name for name, one in base.named_parameters() if one is words.weight]
    return names
