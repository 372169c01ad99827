"""The lines of a script that lay a method over the model: which weights move, and which are new."""

from dataclasses import dataclass, field
from typing import Any

from workbench.ejecting.made import Made
from workbench.ejecting.parts import virtual
from workbench.ejecting.source import Raw, call
from workbench.exporting.errors import ExportError
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
    """`config` makes `config`, peft's configuration; `begin` is said of the adapter laid over the
    model; all indented by four. `functions` and `constants` are what they need."""

    config: str = ""
    begin: str = ""  # with {model} for what has the adapter
    functions: tuple[Any, ...] = ()
    constants: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)

    def lines(self, trainer_lays: bool) -> str:
        """What makes `model` what is trained; with `trainer_lays` the Trainer lays `config`."""
        if trainer_lays:
            return self.config or "    config = None  # all weights move\n"
        if not self.config:
            return ""
        return self.config + LAY + self.begin.format(model="model")

    def afterwards(self, trainer_lays: bool) -> str:
        """What is to be done once the Trainer is there."""
        return self.begin.format(model="trainer.model") if trainer_lays else ""


LAY = "    model = get_peft_model(model, config)\n"
WHERE = "    # New matrices, in float32 whatever the model is in; at first they change nothing.\n"


def method_of(made: Made) -> tuple[Method, str]:
    """How the method is written, and what comes before it: for all weights, which of them move.

    Raises:
        ExportError: where the method cannot be written out.
    """
    method = made.settings.method
    if method == "full":
        return Method(), full(made)
    if method in ("lora", "dora", "rslora"):
        from workbench.training.methods.lora import configuration

        config, _ = configuration(made.loaded, made.settings)
        return Method(WHERE + adapter("LoraConfig", config)), ""
    if method in ("prompt_tuning", "prefix_tuning"):
        return virtual_tokens(made), ""
    raise ExportError(
        "A run over 4-bit weights cannot be written out as a script yet; its adapter can be "
        "exported."
    )


def virtual_tokens(made: Made) -> Method:
    """Embeddings, or keys and values, that begin as those of words."""
    from workbench.inference.heads import family_of
    from workbench.training.methods.virtual_tokens import configured, tokens

    ids, said = tokens(made.loaded, made.settings, made.trained.session)
    kind = made.loaded.head.kind
    kept = None
    if made.settings.method == "prefix_tuning" and kind == "causal":
        text = made.loaded.base.config.get_text_config()
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        kept = text.num_hidden_layers, heads, width
    config = configured(made.loaded, made.settings.method, len(ids), kept)
    constants = {"VIRTUAL": ids}
    comments = {"VIRTUAL": one_line(f"The virtual tokens begin from {said}.")}
    if made.settings.method == "prompt_tuning":
        used: list[Any] = [virtual.word_embeddings, virtual.begin_from]
        lines = "    begun = word_embeddings(model, VIRTUAL)\n"
        begin = "    begin_from({model}, begun)\n"
        placed: Any = None
        if kind == "causal":
            placed = virtual.Prompted
        elif kind == "classifier" and family_of(made.loaded.base.config) == "decoder":
            placed = virtual.PromptedClassifier
        if placed is not None:
            used += [virtual.after_virtual, placed]
            begin += f"    {{model}}.__class__ = {placed.__name__}\n"
        return Method(
            lines + adapter("PromptTuningConfig", config), begin, tuple(used), constants, comments
        )
    if kind == "causal":
        return Method(
            "    begun = keys_and_values(model, VIRTUAL)\n" + adapter("PrefixTuningConfig", config),
            "    begin_from({model}, begun)\n",
            (virtual.keys_and_values, virtual.begin_from),
            constants,
            comments,
        )
    begin = (
        "    prefix = {model}.prompt_encoder[{model}.active_adapter].embedding\n"
        "    torch.nn.init.normal_(prefix.weight, std=0.02)\n"
    )
    return Method(adapter("PrefixTuningConfig", config), begin)


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
    return f"    config = {call(name, said)}\n"


def listed(value: Any) -> Any:
    """Sets as sorted lists."""
    return sorted(value) if isinstance(value, set | frozenset) else value


def full(made: Made) -> str:
    """All weights, but those that stay as they are."""
    from workbench.training.methods.layers import first_blocks

    settings = made.settings
    frozen = first_blocks(made.loaded, settings.freeze_layers) if settings.freeze_layers else []
    names = [f"{name}." for name in frozen]
    if settings.freeze_embeddings:
        words = made.loaded.base.get_input_embeddings()
        names += [name for name, one in made.loaded.base.named_parameters() if one is words.weight]
    wide = "            weights.data = weights.data.float()  # small steps add up\n"
    moving = "weights.requires_grad"
    lines = f"    frozen = {Raw(repr(tuple(names)))}\n" if names else ""
    test = "not name.startswith(frozen)" if names else "True"
    lines += "    for name, weights in model.named_parameters():\n"
    lines += f"        weights.requires_grad_({test})\n"
    if made.bfloat16:
        lines += f"        if {moving}:\n{wide}"
    return lines
