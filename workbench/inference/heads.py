"""What a model ends in: words one after the other, a hidden word, labels, or an answer to a text.

Knows configurations; knows nothing of weights.
"""

from dataclasses import dataclass, replace
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
# Encoders whose positions begin after that of the padding (`create_position_ids_from_input_ids`).
COUNTS_FROM_PADDING = frozenset({
    "camembert", "data2vec-text", "esm", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
})  # fmt: skip


@dataclass(frozen=True)
class Head:
    """`labels` of a classifier, in the order of its outputs; of a reward model and of a regression
    there is one output and no label. `fresh`: the checkpoint has no such head; it begins at random,
    the same for the same `seed`.
    """

    kind: Kind = "causal"
    labels: tuple[str, ...] = ()
    problem: Problem = "single_label"
    fresh: bool = False
    seed: int = 0

    @property
    def reads(self) -> bool:
        """Whether it answers to a whole text at once, with no word written."""
        return self.kind in ("classifier", "masked")

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
    ends: tuple[str, ...] = ("ForMaskedLM", "ForPreTraining")
    if config.model_type == "electra":  # its pre-training head tells words apart, and guesses none
        ends = ("ForMaskedLM",)
    return Head("masked") if any(name.endswith(ends) for name in architectures) else None


def made_for(config: Any, head: Head, seed: int) -> Head:
    """That head, as a model with this configuration comes to it: its own, or one at random."""
    own = own_head(config)
    if own is not None and own == replace(head, fresh=False, seed=0):
        return own
    return replace(head, fresh=True, seed=seed)


def reads_rows(task: str, config: Any) -> bool:
    """Whether a row is read as one text, without a chat's words around it, for training's `task`:
    for a classifier, and for an encoder whatever it is trained for."""
    if task == "auto":
        return family_of(config) == "encoder"
    return task in ("classification", "masked_lm")


def positions(config: Any) -> int:
    """The most tokens that a model has positions for; 0 where its configuration does not say.

    RoBERTa and its kin count positions from the one after the padding's: of 514, 512 are left.
    """
    text = config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        if isinstance(value := getattr(text, name, None), int) and value > 0:
            padded = text.model_type in COUNTS_FROM_PADDING and text.pad_token_id is not None
            return value - (text.pad_token_id + 1 if padded else 0)
    return 0


def can_have(config: Any, kind: Kind) -> bool:
    """Whether transformers has a model of this architecture with such a head."""
    names = {
        "causal": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "masked": MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        "classifier": MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        "seq2seq": MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    }
    return config.model_type in names[kind]
