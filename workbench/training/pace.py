"""How long a run will take: as long as earlier ones of its kind took a token, else by what the
machine multiplies in a moment's measurement."""

import json
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workbench import journal, runs
from workbench import session as sessions
from workbench.inference.device import describe
from workbench.inference.loaded import LoadedModel
from workbench.processor import cores
from workbench.session import Session
from workbench.training.dry_step import Batch
from workbench.training.estimate import millions

LAST = 20  # runs looked at
SKIPPED = 2  # lines at the beginning of a run: caches are cold
MOMENT = 0.15  # seconds of a measurement
# Of what a matrix product alone reaches, a whole step's share. On a CPU as `benchmarks/memory.py`
# measures it, 0.5 to 0.8; where answers are drawn, mostly that. On a GPU a guess. After a first run
# that run's own speed is known.
SHARE = 0.65
SHARE_DRAWING = 0.2
ONE_MORE = 1.35  # of two processors both, beside one, which is what is measured
SHARE_GPU = 0.35


@dataclass(frozen=True)
class Pace:
    """`tokens_per_second` while it trains; all of a run takes `whole` times as long as that.
    `operations` of a token, where the speed is taken from them."""

    tokens_per_second: float
    whole: float
    words: str
    operations: float = 0.0


def known(folder: Path, session: Session, loaded: LoadedModel) -> Pace | None:
    """From earlier runs of the same model, task and method on this machine."""
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cpu_usable": cores(),
        "device": describe(loaded.device),
        "model": session.model.name,
    }
    found: list[tuple[float, float]] = []
    for run in runs.find(folder)[-LAST:][::-1]:
        about = read(run / "environment.json")
        if any(about.get(key) != value for key, value in machine.items()):
            continue
        try:
            made = sessions.load(run / "session.toml").training
        except sessions.SessionError:
            continue
        mine = session.training
        if (made.task, made.method) != (mine.task, mine.method):
            continue
        if (made.activation_checkpointing, made.threads) != (
            mine.activation_checkpointing,
            mine.threads,
        ):
            continue
        if one := speed(run):
            found.append(one)
    if not found:
        return None
    tokens = statistics.median(one for one, _ in found)
    whole = statistics.median(one for _, one in found)
    many = f"{len(found)} earlier runs" if len(found) > 1 else "an earlier run"
    return Pace(tokens, whole, f"{many} of this model and method here: {tokens:,.0f} tokens/s")


def speed(run: Path) -> tuple[float, float] | None:
    """Tokens a second, and how much longer all took than the training alone."""
    lines = journal.read(run / "metrics.jsonl")
    rates = [float(one["tokens_per_second"]) for one in lines if one.get("tokens_per_second")]
    rates = rates[SKIPPED:]
    if not rates:
        return None
    times = [float(one["time"]) for one in lines if "time" in one]
    seconds = max(float(one.get("seconds") or 0) for one in lines)
    events = journal.read(run / "events.jsonl")
    broken = any(one.get("event") in ("resumed", "paused") for one in events)  # nobody trained then
    whole = (max(times) - min(times)) / seconds if seconds > 0 and not broken else 1.0
    return statistics.median(rates), max(1.0, whole)


def read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


MEASURED: dict[tuple[str, torch.dtype], float] = {}


def measured(loaded: LoadedModel, session: Session, batch: Batch) -> Pace:
    """By the products of a token and what the device multiplies a second, in batches like that
    one."""
    device, dtype = loaded.device, loaded.dtype
    key = str(device), dtype
    if key not in MEASURED:
        MEASURED[key] = flops(device, dtype)
    share = SHARE if device.type == "cpu" else SHARE_GPU
    more = ONE_MORE if session.training.threads > torch.get_num_threads() else 1.0
    if session.training.task == "grpo":
        share = min(share, SHARE_DRAWING)
    per_token = work(loaded, session, batch)
    tokens = MEASURED[key] * more * share / per_token
    two = f", {more:g} times that with both processors" if more > 1 else ""
    words = (
        f"{millions(per_token)} products a token, and {MEASURED[key] / 1e9:,.0f} billion a second "
        f"measured now{two}, of which a step reaches about {share:.0%}: {tokens:,.0f} tokens/s"
    )
    return Pace(tokens, 1.1, words, per_token)


def work(loaded: LoadedModel, session: Session, batch: Batch) -> float:
    """Floating-point operations of a token of text, forward and back: 2 a weight forward, as many
    towards the inputs, and as many again for weights that move (Kaplan et al., 2020). What a flat
    batch begins with is text of each row and computed once."""
    base = loaded.base
    words = base.get_input_embeddings()
    head = base.get_output_embeddings()
    body = sum(one.numel() for one in base.parameters()) - words.weight.numel()
    if head is not None and head.weight is not words.weight:
        body -= head.weight.numel()
    text = batch.rows * (batch.shared + batch.length)
    computed = batch.tokens if batch.flat else text
    inside = body * computed / text
    if head is not None:
        inside += head.weight.numel() * min(text, batch.rows * batch.kept) / text
    settings = session.training
    times = 6 if settings.method == "full" else 4
    if settings.activation_checkpointing:
        times += 2
    if settings.method != "full":  # the answers of the model that it is held to, beside each step
        times += {"dpo": 2, "kto": 4}.get(settings.task, 0)
    if settings.task == "kto":  # answers that belong to other prompts
        times += 2
    return float(times * inside)


def flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a matrix product, measured in a moment."""
    size = 512 if device.type == "cpu" else 4096
    with torch.no_grad():
        a = torch.ones(size, size, dtype=dtype, device=device)
        b = torch.ones(size, size, dtype=dtype, device=device)
        torch.mm(a, b)
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < MOMENT:
            torch.mm(a, b)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            count += 1
        seconds = time.perf_counter() - begun
    return 2 * size**3 * count / seconds
