"""What this machine has: processors, memory, devices, terminal, libraries, starters.

Knows how to look; not what is enough (`doctor`). Torch is asked in a process of its own, so that
looking is quick and a driver that crashes takes nothing with it.
"""

import importlib.metadata
import json
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from workbench import __version__, catalogue
from workbench.processor import bfloat16_unit, cores

TORCH_SECONDS = 90.0
ASK_TORCH = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "version": torch.__version__,
    "built_for_cuda": torch.version.cuda or torch.version.hip or "",
    "gpu_usable": cuda,
    "gpu_bfloat16": bool(cuda and torch.cuda.is_bf16_supported()),
    "mps": torch.backends.mps.is_available(),
    "threads": torch.get_num_threads(),
}))
"""


class Library(msgspec.Struct, frozen=True):
    name: str
    wanted: str  # such as ==2.13.0 or >=5.2
    pinned: str  # the lock's version; empty where there is no lock
    installed: str  # empty: it is not
    ok: bool


class Gpu(msgspec.Struct, frozen=True):
    name: str
    memory: int  # bytes
    memory_free: int
    driver: str


class Torch(msgspec.Struct, frozen=True):
    version: str = ""
    built_for_cuda: str = ""
    gpu_usable: bool = False
    gpu_bfloat16: bool = False
    mps: bool = False
    threads: int = 0
    error: str = ""


class Terminal(msgspec.Struct, frozen=True):
    input: bool
    output: bool
    term: str
    colours: str  # truecolor, 256, 16, or none
    columns: int
    lines: int
    tmux: bool
    ssh: bool
    encoding: str


class StarterState(msgspec.Struct, frozen=True):
    name: str
    kind: str
    present: bool
    folder: str


class Machine(msgspec.Struct, frozen=True):
    workbench: str
    python: str
    executable: str
    system: str
    processor: str
    cores: int
    bfloat16: bool  # the processor computes it natively
    memory: int  # bytes
    memory_free: int
    cache: str
    cache_writable: bool
    cache_free: int  # bytes
    folder: str
    folder_writable: bool
    folder_free: int
    hub: str  # asked where needed, or off
    libraries: list[Library]
    gpus: list[Gpu]
    torch: Torch
    terminal: Terminal
    starters: list[StarterState]


def look() -> Machine:
    """Look at everything; takes as long as an import of torch."""
    import psutil

    asked = ask_torch()
    memory = psutil.virtual_memory()
    cache, here = catalogue.cache_folder(), Path.cwd()
    return Machine(
        workbench=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=processor(),
        cores=cores(),
        bfloat16=bool(bfloat16_unit()),
        memory=memory.total,
        memory_free=memory.available,
        cache=str(cache),
        cache_writable=writable(cache),
        cache_free=free(cache),
        folder=str(here),
        folder_writable=writable(here),
        folder_free=free(here),
        hub=hub(),
        libraries=libraries(),
        gpus=gpus(),
        terminal=terminal(),
        starters=[
            StarterState(
                one.name,
                one.kind,
                catalogue.present(one.name),
                str(catalogue.starter_folder(one.name)),
            )
            for one in catalogue.STARTERS.values()
        ],
        torch=answer_of_torch(asked),
    )


def ask_torch() -> "subprocess.Popen[str] | None":
    """Start asking, so that the rest is looked at meanwhile."""
    with suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-c", ASK_TORCH],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    return None


def answer_of_torch(process: "subprocess.Popen[str] | None") -> Torch:
    if process is None:
        return Torch(error="Python could not be started to ask it")
    try:
        said, complaint = process.communicate(timeout=TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Torch(error=f"its import took more than {TORCH_SECONDS:.0f} s")
    with suppress(ValueError, IndexError, msgspec.ValidationError):
        return msgspec.convert(json.loads(said.strip().splitlines()[-1]), Torch)
    if process.returncode < 0:
        return Torch(error=f"its import was ended by signal {-process.returncode}")
    return Torch(error=(complaint.strip().splitlines() or ["it gave no answer"])[-1][:200])


def libraries() -> list[Library]:
    """What the package says it needs, against what is there."""
    from packaging.requirements import Requirement

    needed = declared()  # an editable install's own list may be older
    if not needed:
        needed = importlib.metadata.requires("workbench") or []
    pins, found = locked(), []
    for one in needed:
        requirement = Requirement(one)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = ""
        with suppress(importlib.metadata.PackageNotFoundError):
            installed = importlib.metadata.version(requirement.name)
        found.append(
            Library(
                name=requirement.name,
                wanted=str(requirement.specifier),
                pinned=pins.get(plain_name(requirement.name), ""),
                installed=installed,
                ok=bool(installed) and requirement.specifier.contains(installed, prereleases=True),
            )
        )
    return sorted(found, key=lambda one: one.name)


def declared() -> list[str]:
    """The dependencies in the pyproject.toml of a checkout; none where this is no checkout."""
    import tomllib

    with suppress(OSError, tomllib.TOMLDecodeError, KeyError):
        text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
        return [str(one) for one in tomllib.loads(text)["project"]["dependencies"]]
    return []


def locked() -> dict[str, str]:
    """The exact versions of the checkout's lock; empty where there is none."""
    with suppress(OSError):
        text = (Path(__file__).parents[1] / "requirements.lock").read_text(encoding="utf-8")
        pins = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
        return {plain_name(name): version for name, version in pins}
    return {}


def plain_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def processor() -> str:
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return match[1].strip()
    with suppress(OSError, subprocess.SubprocessError):
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        if said := subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=5
        ).stdout.strip():
            return said
    return platform.processor() or platform.machine()


def gpus() -> list[Gpu]:
    """NVIDIA's devices, as their driver knows them; none where there is no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library or no driver: both mean that there is none
        return []
    found = []
    with suppress(pynvml.NVMLError):
        driver = text(pynvml.nvmlSystemGetDriverVersion())
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            name = text(pynvml.nvmlDeviceGetName(handle))
            found.append(Gpu(name, int(memory.total), int(memory.free), driver))
    with suppress(pynvml.NVMLError):
        pynvml.nvmlShutdown()
    return found


def text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def terminal() -> Terminal:
    term = os.environ.get("TERM", "")
    size = shutil.get_terminal_size((0, 0))
    return Terminal(
        input=sys.stdin is not None and sys.stdin.isatty(),
        output=sys.stdout is not None and sys.stdout.isatty(),
        term=term,
        colours=colours(term, os.environ.get("COLORTERM", "")),
        columns=size.columns,
        lines=size.lines,
        tmux="TMUX" in os.environ,
        ssh="SSH_CONNECTION" in os.environ,
        encoding=(
            getattr(sys.stdout, "encoding", "") or locale.getpreferredencoding(False)
        ).lower(),
    )


def colours(term: str, colorterm: str) -> str:
    if os.environ.get("NO_COLOR") or term in ("", "dumb"):
        return "none"
    if colorterm.lower() in ("truecolor", "24bit"):
        return "truecolor"
    return "256" if "256" in term else "16"


def hub() -> str:
    from workbench.data.fetch import hub_is_off

    return "off" if hub_is_off() else "asked where needed"


def nearest(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def writable(folder: Path) -> bool:
    """Whether files can be put into the folder, or it can be made."""
    place = nearest(folder)
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def free(folder: Path) -> int:
    """Bytes free where the folder is or would be; 0 where nobody can say."""
    with suppress(OSError):
        return shutil.disk_usage(nearest(folder)).free
    return 0
