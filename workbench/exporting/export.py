"""A run's model for use elsewhere: whole, as an adapter, or for llama.cpp.

What each is made of; runs in a process of its own (`process.py`), because loading weights changes
what is global to a process: the default number format, random numbers.
"""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open

from workbench.exporting import speech
from workbench.exporting.base import (
    Base,
    base_folder,
    base_of,
    check_is_not_base,
    config_of,
)
from workbench.exporting.card import Card, write_card
from workbench.exporting.errors import ExportError
from workbench.exporting.measured import measured
from workbench.exporting.snippets import Asked, snippet
from workbench.exporting.target import check, made
from workbench.exporting.trained import Trained, find_trained, run_folder
from workbench.exporting.weights import (
    adapter_config,
    bytes_needed,
    check_mergeable,
    whole_model,
)
from workbench.exporting.wording import wording
from workbench.inference.errors import reason
from workbench.inference.heads import Kind, family_of, own_head
from workbench.protocol import ExportRun

Report = Callable[[str, float, float, str], None]
SHARD = "5GB"
TEXTS = (  # of a checkpoint: its tokenizer, whatever kind it is
    "tokenizer*",
    "*.jinja",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "*.spm",
    "source.spm",
    "target.spm",
)


@dataclass(frozen=True)
class Exported:
    path: Path
    files: list[tuple[str, int]]
    notes: list[str] = field(default_factory=list)
    url: str = ""


def export(request: ExportRun, report: Report) -> Exported:
    """Export as the request says; `report` shows progress, and what it raises gives it up.

    Raises:
        ExportError: one sentence; nothing is at the target that was not there before.
    """
    workspace = Path(request.folder)
    trained = find_trained(run_folder(workspace, request.run), request.checkpoint)
    target = workspace / Path(request.to).expanduser()
    if not request.to.strip():
        raise ExportError("Name a folder to export to.")
    check_is_not_base(target, trained)
    if request.push_to:
        from workbench.exporting.hub import check_hub

        check_hub(request.push_to)
    making = {"model": make_model, "adapter": make_adapter, "gguf": make_gguf}[request.what]
    path, notes = making(trained, request, target, report)
    url = ""
    if request.push_to:
        from workbench.exporting.hub import push

        report(f"uploading to {request.push_to}", 0, 0, "")
        url = push(path, request.push_to, private=request.private, message=commit_words(trained))
    files = sorted((one.name, one.stat().st_size) for one in path.iterdir() if one.is_file())
    return Exported(path, files, notes, url)


def commit_words(trained: Trained) -> str:
    return f"Step {trained.step} of {trained.name}"


# --- the whole model ------------------------------------------------------------------------------


def make_model(
    trained: Trained, request: ExportRun, target: Path, report: Report
) -> tuple[Path, list[str]]:
    check_mergeable(trained)
    base = base_folder(trained, report) if trained.is_adapter else maybe_base(trained, report)
    weights_from = base if base is not None else trained.checkpoint
    needed = bytes_needed(trained, weights_from)
    target = check(target, request.overwrite, needed)
    with made(target) as folder:
        kind = write_model(trained, base, folder, report)
        about = base_of(trained)
        notes = dtype_notes(trained)
        card = Card(
            trained,
            about,
            kind,
            "model",
            snippet(asked(trained, kind, request.push_to or ".", folder)),
            trained.dtype,
            measured(trained),
            notes=notes,
        )
        write_card(card, folder)
    return target, [*notes, *([about.words] if about.words else [])]


def write_model(trained: Trained, base: Path | None, folder: Path, report: Report) -> Kind:
    """Weights, configuration, tokenizer and generation settings of the whole model.

    Raises:
        ExportError: where they cannot be had.
    """
    tokenizer = speech.tokenizer_of(trained)
    model = whole_model(trained, base if base is not None else trained.checkpoint, report)
    head = own_head_of(model)
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = True
    if head in ("causal", "seq2seq"):
        config = speech.generation_config(trained, tokenizer, base, model.generation_config)
        model.generation_config = config
        text = model.config.get_text_config()
        if getattr(text, "eos_token_id", None) is None:
            text.eos_token_id = config.eos_token_id
        if getattr(text, "pad_token_id", None) is None:
            text.pad_token_id = config.pad_token_id
    elif getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    report("writing the weights", 0, 0, "")
    model.save_pretrained(folder, max_shard_size=SHARD)
    tokenizer.save_pretrained(folder)
    return head


def own_head_of(model: Any) -> Kind:
    config = model.config
    config.architectures = [type(model).__name__]
    head = own_head(config)
    return head.kind if head is not None else "masked"


def dtype_notes(trained: Trained) -> list[str]:
    """What a person should know of the numbers."""
    if trained.method == "qlora":
        return [
            "The adapter was trained over weights in 4 bits and is merged into the model's own, "
            "which are nearer to what they were: answers may differ a little from the workbench's."
        ]
    if not trained.is_adapter or trained.dtype == "float32":
        return []
    return [
        f"The adapter was merged in float32 and the sum rounded to {trained.dtype}: the workbench "
        "adds the two without rounding, so that now and then a token of an answer may differ."
    ]


def maybe_base(trained: Trained, report: Report) -> Path | None:
    """The base model's folder for its settings alone; None where it is gone."""
    with suppress(ExportError):
        return base_folder(trained, report, weights=False)
    return None


# --- the adapter ----------------------------------------------------------------------------------


def make_adapter(
    trained: Trained, request: ExportRun, target: Path, report: Report
) -> tuple[Path, list[str]]:
    if not trained.is_adapter:
        raise ExportError(
            f"{trained.name} trained all weights, so there is no adapter; export the model."
        )
    weights = trained.checkpoint / "adapter_model.safetensors"
    config = adapter_config(trained)
    try:
        with safe_open(weights, framework="pt") as file:
            if not list(file.keys()):
                raise ValueError("it holds nothing")
        size = weights.stat().st_size
    except Exception as error:  # torn, or not there
        raise ExportError(
            f"{weights} cannot be read ({reason(error)}); choose another checkpoint."
        ) from error
    target = check(target, request.overwrite, size)
    about = base_of(trained)
    base = maybe_base(trained, report)
    kind = adapter_kind(trained, base)
    with made(target) as folder:
        report("writing the adapter", 0, 0, "")
        shutil.copyfile(weights, folder / weights.name)
        config |= {
            "base_model_name_or_path": about.name,
            "revision": about.revision or None,
            "inference_mode": True,
        }
        (folder / "adapter_config.json").write_text(
            json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        copy_texts(trained.checkpoint, folder)
        if kind in ("causal", "seq2seq"):
            tokenizer = speech.tokenizer_of(trained)
            before = generation_of(base)
            speech.generation_config(trained, tokenizer, base, before).save_pretrained(folder)
        card = Card(
            trained,
            about,
            kind,
            "adapter",
            snippet(asked(trained, kind, request.push_to or ".", folder, about)),
            trained.dtype,
            measured(trained),
        )
        write_card(card, folder)
    return target, [about.words] if about.words else []


def copy_texts(source: Path, folder: Path) -> None:
    for pattern in TEXTS:
        for path in source.glob(pattern):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)


def generation_of(base: Path | None) -> Any:
    from transformers import GenerationConfig

    with suppress(Exception):  # it has none
        if base is not None:
            return GenerationConfig.from_pretrained(base, local_files_only=True)
    return None


def adapter_kind(trained: Trained, base: Path | None) -> Kind:
    """What the model under the adapter ends in."""
    from workbench.training.tasks import HEADS

    if trained.task in HEADS:
        return HEADS[trained.task].kind
    if base is not None:
        head = own_head(config_of(trained, base))
        return head.kind if head is not None else "causal"
    return "causal"


# --- for llama.cpp --------------------------------------------------------------------------------


def make_gguf(
    trained: Trained, request: ExportRun, target: Path, report: Report
) -> tuple[Path, list[str]]:
    from workbench.exporting import converter, modelfile

    check_mergeable(trained)
    converter.check(request.quantisation, trained.task)
    base = base_folder(trained, report) if trained.is_adapter else maybe_base(trained, report)
    needed = bytes_needed(trained, base if base is not None else trained.checkpoint)
    target = check(target, request.overwrite, 2 * needed)
    tool = converter.fetch(report)
    with made(target) as folder:
        whole = folder / "whole"
        whole.mkdir()
        kind = write_model(trained, base, whole, report)
        tokenizer = speech.tokenizer_of(trained)
        name = f"{file_name(trained.name)}.{request.quantisation}.gguf"
        converter.convert(tool, whole, folder / name, request.quantisation, report)
        shutil.rmtree(whole)
        text, notes = modelfile.modelfile(
            trained, name, tokenizer, wording(trained, kind), speech.ends_of(tokenizer, base)
        )
        (folder / "Modelfile").write_text(text, encoding="utf-8", errors="replace")
        about = base_of(trained)
        card = Card(
            trained,
            about,
            kind,
            "gguf",
            modelfile.usage(trained, name),
            request.quantisation,
            measured(trained),
            language="sh",
        )
        write_card(card, folder)
    return target, [*notes, *([about.words] if about.words else [])]


def file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "model"


# --- the prompt -----------------------------------------------------------------------------------


def asked(trained: Trained, kind: Kind, name: str, folder: Path, base: Base | None = None) -> Asked:
    """What the card's snippet asks."""
    from jinja2 import meta

    from workbench.data.templates import ENVIRONMENT

    config = base_config(trained)
    prompt = wording(trained, kind, getattr(config, "model_type", ""))
    variables: set[str] = set()
    with suppress(Exception):  # a template that does not parse trains nothing, and shows nothing
        variables = meta.find_undeclared_variables(ENVIRONMENT.parse(prompt.template)) - {"row"}
    labels = trained.session.training.classification
    problem: str = labels.problem_type
    with suppress(OSError, ValueError):  # an adapter has no configuration of a model
        whole = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        problem = str(whole.get("problem_type")).removesuffix("_classification")
    tokenizer = speech.tokenizer_of(trained) if kind == "seq2seq" else None
    return Asked(
        kind=kind,
        name=name,
        dtype=trained.dtype,
        prompt=prompt,
        variables=sorted(variables),
        chat=(folder / "chat_template.jinja").exists(),
        base=base.name if base else "",
        revision=base.revision if base else "",
        problem="regression" if trained.task == "reward" else problem,
        labels=labels.labels if trained.task == "classification" else (),
        scores=trained.task == "reward",
        two_texts=config is not None and family_of(config) == "encoder",
        languages=speech.languages_of(tokenizer),
    )


def base_config(trained: Trained) -> Any:
    """The configuration of the base model; None where it is gone."""
    base = maybe_base(trained, lambda *_: None)
    with suppress(ExportError):
        return config_of(trained, base) if base is not None else None
    return None
