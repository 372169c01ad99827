"""What a model ends in: words one after the other, a hidden word, labels, or an answer to a text.

Knows configurations; knows nothing of weights.
"""

from dataclasses import dataclass
from typing import Any, Literal

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

Family = Literal["decoder", "encoder", "encoder_decoder"]
Kind = Literal["causal", "masked", "classifier", "seq2seq"]
Problem = Literal["single_label", "multi_label", "regression"]


@dataclass(frozen=True)
class Head:
    """`labels` of a classifier, in the order of its outputs; of a reward model and of a regression
    there is one output and no label. `fresh`: the checkpoint has no such head; it begins at random.
    """

    kind: Kind = "causal"
    labels: tuple[str, ...] = ()
    problem: Problem = "single_label"
    fresh: bool = False

    @property
    def outputs(self) -> int:
        return max(1, len(self.labels))


def family_of(config: Any) -> Family:
    """Whether such a model writes on, reads both ways, or reads and then writes."""
    architectures = config.architectures or []
    writes = any(name.endswith(("CausalLM", "LMHeadModel")) for name in architectures)
    if config.is_encoder_decoder:
        return "encoder_decoder"
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not writes:
        return "encoder"
    return "decoder"


def own_head(config: Any) -> Head | None:
    """The head that a checkpoint has by itself; None for a bare encoder."""
    architectures = config.architectures or []
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        labels = tuple(str(config.id2label[n]) for n in sorted(config.id2label))
        problems: dict[str, Problem] = {
            "regression": "regression",
            "multi_label_classification": "multi_label",
        }
        problem = problems.get(str(config.problem_type), "single_label")
        if len(labels) == 1:
            problem = "regression"
        return Head("classifier", () if problem == "regression" else labels, problem)
    match family_of(config):
        case "encoder_decoder":
            return Head("seq2seq")
        case "decoder":
            return Head("causal")
    masked = any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in architectures)
    return Head("masked") if masked else None


def can_have(config: Any, kind: Kind) -> bool:
    """Whether transformers has a model of this architecture with such a head."""
    names = {
        "causal": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "masked": MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        "classifier": MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        "seq2seq": MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    }
    return config.model_type in names[kind]
