"""All weights move, or those of the later layers; what they were before may be kept beside them.

What moves is float32, and products are in the model's own numbers. Measured on SmolLM2-135M, 12
steps of 4 film reviews with AdamW at 5e-5: in bfloat16 alone 7 % of the weights had moved and the
loss on other reviews was 4.86, in float32 all of them and 3.90 (at 1e-5: 2 %, 5.21; all, 5.05).
"""

from workbench.inference.loaded import LoadedModel
from workbench.session import Session, TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.methods.laid import Laid
from workbench.training.methods.layers import first_blocks


def lay(loaded: LoadedModel, settings: TrainingSettings, _session: Session | None) -> Laid:
    """Let the weights be trained in place, all but the frozen ones."""
    frozen = first_blocks(loaded, settings.freeze_layers) if settings.freeze_layers else []
    model, reasons = loaded.model, list[str]()
    if any(one.dtype.itemsize < 2 or not one.is_floating_point() for one in model.parameters()):
        raise TrainingError(
            f"{loaded.settings.name} is stored in few bits, which cannot be trained; use "
            "training.method lora."
        )
    still = {id(one) for name in frozen for one in model.get_submodule(name).parameters()}
    if frozen:
        reasons.append(f"the first {len(frozen)} layers stay as they are: training.freeze_layers")
    if settings.freeze_embeddings:
        words = model.get_input_embeddings()
        still |= {id(one) for one in words.parameters()}
        output = model.get_output_embeddings()
        if output is not None and output.weight is words.weight:
            reasons.append(
                "the embedding of words stays as it is, and so does the head, which shares its "
                "weights: training.freeze_embeddings"
            )
        else:
            reasons.append("the embedding of words stays as it is: training.freeze_embeddings")
    moving = {name: one for name, one in model.named_parameters() if id(one) not in still}
    halves = loaded.dtype.itemsize == 2
    loaded.move(moving, keep=settings.keep_base)
    for one in moving.values():
        one.requires_grad_(True)
    if halves:
        reasons.append(
            "float32 for the weights that move, bfloat16 for products: in 16 bits most small steps "
            "are rounded away"
        )
    kept = "are kept, to answer beside the tuned ones" if settings.keep_base else "are not kept"
    reasons.append(f"the weights from before {kept}: training.keep_base")
    return Laid(reasons)
