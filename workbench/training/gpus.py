"""Load, memory and temperature of each GPU, where there is an NVIDIA one."""

import time
from contextlib import suppress
from typing import Any

EVERY = 1.0  # seconds between two readings: one takes some milliseconds


class Gpus:
    """Reads the GPUs through NVML at most once a second; an empty list where there is none."""

    def __init__(self) -> None:
        self.last: list[dict[str, Any]] = []
        self.read_at = 0.0
        self.nvml: Any = None
        with suppress(Exception):  # no driver, no library, no permission: all mean no GPU to show
            import pynvml

            pynvml.nvmlInit()
            self.nvml = pynvml

    def read(self) -> list[dict[str, Any]]:
        """{name, load (0…1), memory, memory_total (bytes), temperature (°C)} of each GPU."""
        now = time.monotonic()
        if self.nvml is None or now - self.read_at < EVERY:
            return self.last
        self.read_at = now
        found = []
        with suppress(Exception):  # a GPU may be lost in the middle of a run
            for index in range(self.nvml.nvmlDeviceGetCount()):
                found.append(self.one(self.nvml.nvmlDeviceGetHandleByIndex(index)))
        self.last = found
        return found

    def one(self, handle: Any) -> dict[str, Any]:
        name = self.nvml.nvmlDeviceGetName(handle)
        memory = self.nvml.nvmlDeviceGetMemoryInfo(handle)
        found: dict[str, Any] = {
            "name": name.decode() if isinstance(name, bytes) else name,
            "memory": memory.used,
            "memory_total": memory.total,
        }
        with suppress(Exception):  # some GPUs, and slices of one, do not say
            found["load"] = self.nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        with suppress(Exception):
            found["temperature"] = self.nvml.nvmlDeviceGetTemperature(
                handle, self.nvml.NVML_TEMPERATURE_GPU
            )
        return found

    def close(self) -> None:
        if self.nvml is not None:
            with suppress(Exception):
                self.nvml.nvmlShutdown()
            self.nvml = None
