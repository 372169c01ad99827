"""Sentence embeddings by a local encoder, as sentence-transformers would make them.

Knows texts, encoders and what their folder says of pooling (`modules.json`); knows nothing of rows.
The encoder runs on the processor, in float32: a GPU's memory is for the model that answers.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.engine import Stopped
from workbench.inference.errors import ModelError, reason
from workbench.inference.locate import check_weights, locate
from workbench.inference.tokenizer import quiet, tokenizer_in
from workbench.session import ModelSettings

if TYPE_CHECKING:
    import numpy
    import torch

    Array = numpy.ndarray[Any, Any]

Report = Callable[[str, float, float, str], None]
TOKENS = 4_096  # of a batch, padding included
ROWS = 64  # of a batch
# How the vectors of a text's tokens become one, in the order in which several are concatenated.
POOLINGS = ("cls_token", "max_tokens", "mean_tokens", "lasttoken")
OTHERS = "set examples.embedder to an encoder, such as minilm-l6"


class Encoder:
    """A model that makes a vector of a text, so that texts of like meaning have near vectors."""

    def __init__(self, name: str, folder: Path) -> None:
        """
        Raises:
            ModelError: where the folder holds no such model, or one that works otherwise.
        """
        from transformers import AutoConfig, AutoModel

        settings = ModelSettings(name=name)
        check_weights(name, folder)
        quiet()
        self.name = name
        self.tokenizer: Any = tokenizer_in(settings, folder)
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            self.pooling, self.normalised = pooling_of(name, folder, config)
            self.model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype="float32"
            ).eval()
        except ModelError:
            raise
        except Exception as error:  # whatever a broken folder makes of the library
            raise ModelError(f"{name} cannot be read ({reason(error)}); {OTHERS}.") from error
        self.longest = longest(folder, config, self.tokenizer)
        self.fingerprint = fingerprint(folder)
        self.lock = threading.Lock()  # the prompt pane and a measurement may both ask

    def embed(
        self,
        texts: Sequence[str],
        report: Report = lambda *_: None,
        stopped: threading.Event | None = None,
    ) -> "Array":
        """A vector for each text: float32 [texts, size], of length 1 where the encoder says so.
        Texts longer than the encoder reads are cut, as sentence-transformers cuts them.

        Raises:
            Stopped: once `stopped` is set.
        """
        import numpy

        found: list[Any] = [None] * len(texts)
        with self.lock:
            ids = self.tokenize(texts)
            done = 0
            for places in batches([len(one) for one in ids]):
                if stopped is not None and stopped.is_set():
                    raise Stopped
                for place, vector in zip(
                    places, self.forward([ids[p] for p in places]), strict=True
                ):
                    found[place] = vector
                done += len(places)
                report(f"embedding with {self.name}", done, len(texts), "rows")
        return numpy.stack(found) if found else numpy.empty((0, 0), numpy.float32)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        made = self.tokenizer(list(texts), truncation=True, max_length=self.longest)
        return [list(one) for one in made["input_ids"]]

    def forward(self, ids: Sequence[list[int]]) -> "Array":
        """[texts, size] of one batch."""
        import torch

        longest = max(map(len, ids))
        inputs = torch.full((len(ids), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(inputs)
        for row, one in enumerate(ids):
            inputs[row, : len(one)] = torch.tensor(one)
            mask[row, : len(one)] = 1
        with torch.inference_mode():
            hidden = self.model(input_ids=inputs, attention_mask=mask).last_hidden_state
            vectors = torch.cat([pooled(kind, hidden, mask) for kind in self.pooling], dim=1)
            if self.normalised:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
        return vectors.float().numpy()


def pooled(kind: str, hidden: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
    """One vector a text [texts, size] from those of its tokens [texts, tokens, size]."""
    wide = mask.unsqueeze(-1).to(hidden.dtype)
    match kind:
        case "cls_token":
            return hidden[:, 0]
        case "max_tokens":
            return hidden.masked_fill(wide == 0, float("-inf")).amax(1)
        case "lasttoken":
            last = mask.sum(1) - 1
            return hidden[range(len(hidden)), last]
    return (hidden * wide).sum(1) / wide.sum(1).clamp(min=1e-9)


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Places in batches of like length, the longest first: short memory shows at once."""
    made: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda one: (-lengths[one], one)):
        width = lengths[made[-1][0]] if made else 0
        if made and len(made[-1]) < ROWS and (len(made[-1]) + 1) * width <= TOKENS:
            made[-1].append(place)
        else:
            made.append([place])
    return made


def pooling_of(name: str, folder: Path, config: Any) -> tuple[list[str], bool]:
    """How a folder pools the vectors of tokens, and whether the result is normalised.

    A folder that says nothing is taken as sentence-transformers takes it, mean pooling, where it
    holds an encoder; its vectors are normalised, since only their direction is compared.

    Raises:
        ModelError: where it holds a model that writes, or says something that is not known here.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    modules = read_json(folder / "modules.json")
    if not modules:
        if config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
            raise ModelError(
                f"{name} is a model that writes ({config.model_type}) and was not trained to "
                f"compare texts; {OTHERS}."
            )
        return ["mean_tokens"], True
    kinds = [str(one.get("type", "")).rpartition(".")[2] for one in modules]
    if unknown := [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]:
        raise ModelError(
            f"{name} ends in a layer {unknown[0]} that cannot be computed here; {OTHERS}."
        )
    path = next((one["path"] for one in modules if str(one["type"]).endswith("Pooling")), "")
    said = read_json(folder / path / "config.json")
    wanted = [key.removeprefix("pooling_mode_") for key, value in said.items() if value is True]
    if isinstance(mode := said.get("pooling_mode"), str):
        wanted = [f"{mode}_tokens" if mode in ("mean", "max") else f"{mode}_token"]
    wanted = ["lasttoken" if one == "lasttoken_token" else one for one in wanted]
    if other := [one for one in wanted if one not in (*POOLINGS, "include_prompt")]:
        raise ModelError(f"{name} pools by {other[0]}, which is not known here; {OTHERS}.")
    pooling = [one for one in POOLINGS if one in wanted]
    return pooling or ["mean_tokens"], "Normalize" in kinds


def longest(folder: Path, config: Any, tokenizer: Any) -> int:
    """Tokens that the encoder reads of a text."""
    said = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    limits = (said, getattr(config, "max_position_embeddings", None), tokenizer.model_max_length)
    return int(min([one for one in limits if isinstance(one, int) and one > 0], default=512))


def read_json(path: Path) -> Any:
    """What a file says; nothing where it is not there or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def fingerprint(folder: Path) -> str:
    """Changes with what makes the vectors: the weights' size and date, small files whole."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        there = os.stat(path)
        digest.update(f"{path.name} {there.st_size} {there.st_mtime_ns}\n".encode())
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/config.json")]):
        if path.stat().st_size < 1 << 16:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


LOADED: list[tuple[str, Encoder]] = []
LOADING = threading.Lock()


def load_encoder(name: str, folder: Path, report: Report) -> Encoder:
    """The encoder of this name: a starter, a folder in the workspace `folder`, a hub id. The last
    one stays in memory.

    Raises:
        ModelError: where it cannot be had, or does not make vectors.
    """
    with LOADING:
        place = locate(ModelSettings(name=name), folder, report)
        key = f"{place.resolve()} {fingerprint(place)}"
        if not LOADED or LOADED[0][0] != key:
            report(f"loading {name}", 0, 0, "")
            LOADED[:] = [(key, Encoder(name, place))]
        return LOADED[0][1]
