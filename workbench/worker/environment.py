"""What a process that imports torch is set to before it does."""

import os

from workbench.processor import OWN_THREADS, cores


def prepare_environment() -> None:
    """Set what libraries read once, when they are imported. What the person set stays."""
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ[OWN_THREADS] = str(max(1, cores() - 1))
    for name, value in {
        # Nothing leaves the machine unasked.
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "warning",
        # A fork of a process with threads: not for the sake of a few rows to tokenise.
        "TOKENIZERS_PARALLELISM": "false",
        # With as many threads as cores and anything else busy, each waits for the slowest:
        # generation fell from 10 to 0.8 tokens a second. One is left for the screen.
        "OMP_NUM_THREADS": str(max(1, cores() - 1)),
    }.items():
        os.environ.setdefault(name, value)
