"""The lines of a script that lay a method over the model: which weights move, and which are new."""

from typing import Any

from workbench.ejecting.made import Made
from workbench.ejecting.source import Raw, call
from workbench.exporting.errors import ExportError

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


def method_lines(made: Made) -> str:
    """Source, indented by four, that makes `model` what is trained.

    Raises:
        ExportError: where the method cannot be written out.
    """
    method = made.settings.method
    if method == "full":
        return full(made)
    if method in ("lora", "dora", "rslora"):
        from workbench.training.methods.lora import configuration

        config, _ = configuration(made.loaded, made.settings)
        return adapter("LoraConfig", config)
    if method == "qlora":
        raise ExportError(
            "A run over 4-bit weights cannot be written out as a script yet; its adapter can be "
            "exported."
        )
    raise ExportError(
        f"A run of {method} cannot be written out as a script yet; its adapter can be exported."
    )


def adapter(name: str, config: Any) -> str:
    """A new adapter of that configuration."""
    plain, usual = config.to_dict(), type(config)().to_dict()
    said = {
        key: listed(value)
        for key, value in plain.items()
        if value != usual.get(key) and key not in UNSAID
    }
    if "task_type" in said:
        said["task_type"] = str(getattr(said["task_type"], "value", said["task_type"]))
    return (
        "    # New matrices, in float32 whatever the model is in; at first they change nothing.\n"
        f"    config = {call(name, said)}\n"
        "    model = get_peft_model(model, config)\n"
    )


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
