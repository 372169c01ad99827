"""The model that a run began from: where it is, what people elsewhere call it, and its licence.

Knows names and files; loads no weights.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import catalogue
from workbench.exporting.errors import ExportError
from workbench.exporting.trained import Trained
from workbench.inference.errors import ModelError
from workbench.inference.locate import locate, looks_local
from workbench.inference.marks import weights_mark

Report = Callable[[str, float, float, str], None]


@dataclass(frozen=True)
class Base:
    """`name` is what people can load: a hub id, or a folder's own name, without its path here."""

    name: str
    revision: str = ""
    on_hub: bool = False
    licence: str = ""  # as the hub spells it: apache-2.0; empty: not known
    words: str = ""  # what to know of it, a sentence


def base_of(trained: Trained) -> Base:
    """What the session says of the base, and what its files tell of the licence."""
    settings = trained.session.model
    name = settings.name
    starter = catalogue.STARTERS.get(name)
    if starter is not None and starter.kind == "model":
        return Base(
            name=starter.hub or starter.name,
            on_hub=bool(starter.hub),
            licence=starter.licence.lower(),
            words=starter_words(starter),
        )
    local = trained.workspace / Path(name).expanduser()
    if local.exists() or looks_local(name):
        shown = local.name or "base"
        return Base(
            name=shown,
            licence=licence_in(local),
            words=f"The base model is a local {'folder' if local.is_dir() else 'file'}, {shown}, "
            "which is not on the hub: give its path where the snippet names it.",
        )
    return Base(name, settings.revision, on_hub=True, licence=licence_in(cached(name)))


def starter_words(starter: catalogue.Starter) -> str:
    """How the starter's weights relate to those on the hub."""
    if not starter.hub or not catalogue.present(starter.name):
        return ""
    if (catalogue.starter_folder(starter.name) / "REVISION").exists():
        return ""
    if any(name.endswith(".gguf") for name in starter.members.values()):
        return (
            f"It was trained over {starter.name}, the copy of {starter.hub} in the Python package "
            f"{starter.package.name} {starter.package.version}, whose weights were rounded to "
            "about 4 bits; over the hub's weights answers may differ a little."
        )
    return (
        f"It was trained over {starter.name}, the copy of {starter.hub} in the Python package "
        f"{starter.package.name} {starter.package.version}."
    )


def cached(name: str) -> Path:
    """The folder of a hub model in the hub's cache; one that is not there where it is not."""
    from huggingface_hub import try_to_load_from_cache

    with suppress(Exception):  # a name that the hub could not have
        found = try_to_load_from_cache(name, "README.md")
        if isinstance(found, str):
            return Path(found).parent
    return Path("/nowhere")


def licence_in(folder: Path) -> str:
    """What the front matter of a model's own card says; empty where there is none."""
    from huggingface_hub import ModelCard

    with suppress(Exception):  # none, or one that cannot be read
        card = ModelCard.load(folder / "README.md", ignore_metadata_errors=True)
        found = card.data.to_dict().get("license")
        return found if isinstance(found, str) and len(found) < 60 else ""
    return ""


def base_folder(trained: Trained, report: Report, weights: bool = True) -> Path:
    """The folder of the base model's files, found to be those that the run was made with.

    Raises:
        ExportError: where they are gone, or others.
    """
    settings = trained.session.model
    try:
        folder = locate(settings, trained.workspace, report, weights)
    except ModelError as error:
        raise ExportError(
            f"The base model of {trained.name} cannot be had: {str(error).rstrip('.')}."
        ) from error
    said = trained.environment.get("base_weights")
    if weights and said and weights_mark(folder) != said:
        raise ExportError(
            f"{settings.name} is not what it was when {trained.name} was trained: its weights in "
            f"{folder} are others. Bring that revision back, or export the adapter alone."
        )
    return folder


def check_is_not_base(target: Path, trained: Trained) -> None:
    """Raise ExportError where an export would take the place of the model that the run began from:
    its other runs, and this one's adapter, would be of no use any more."""
    with suppress(OSError, RuntimeError, ValueError):  # of a name that can be no folder
        base = (trained.workspace / Path(trained.session.model.name).expanduser()).resolve()
        if base.exists() and target.resolve() == base:
            raise ExportError(
                f"{target} holds the model that {trained.name} was trained from, so it is not "
                "replaced; choose another folder."
            )


def config_of(trained: Trained, folder: Path) -> Any:
    """The base model's configuration.

    Raises:
        ExportError: where it cannot be read.
    """
    from workbench.inference.model import read_config

    try:
        return read_config(trained.session.model, folder)
    except ModelError as error:
        raise ExportError(str(error)) from error
