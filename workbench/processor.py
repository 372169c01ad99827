"""What the processor offers: cores, and arithmetic in bfloat16. Imports nothing heavy."""

import os
import platform
from functools import lru_cache
from pathlib import Path

# The environment variable that names what OMP_NUM_THREADS was set to by the program itself: any
# other value is the person's.
OWN_THREADS = "WORKBENCH_OWN_THREADS"


def cores() -> int:
    """Cores that this process may use: a container or a job may have fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


@lru_cache(maxsize=1)
def bfloat16_unit() -> str:
    """The processor's unit that multiplies bfloat16 numbers; empty where there is none."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(errors="replace").split())
    except OSError:
        return ""
    named = ("amx_bf16", "avx512_bf16", *(["bf16"] if platform.machine() == "aarch64" else []))
    return next((unit for unit in named if unit in flags), "")
