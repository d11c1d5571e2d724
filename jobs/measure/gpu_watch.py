"""Readings of the GPUs under one attempt: energy, power, clocks, heat, and who else is there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import pynvml

from cluster.machine import Gpu
from jobs.measure import loaded_torch
from jobs.measure.load import family

COUNTER, INTEGRATED = "NVML energy counter", "NVML power, integrated"
# A power cap is how many cards run all day; these are not.
THROTTLING = {
    pynvml.nvmlClocksThrottleReasonHwSlowdown: "hardware slowdown",
    pynvml.nvmlClocksThrottleReasonSwThermalSlowdown: "heat (software)",
    pynvml.nvmlClocksThrottleReasonHwThermalSlowdown: "heat (hardware)",
    pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown: "power brake",
}
WORTH_SAYING = 0.1
"""Share of the readings from which on a thing that comes and goes counts as a disturbance."""


class GpuWatch:
    """Sums over readings; means, peaks and reasons at the end. What a GPU does not tell stays
    missing.

    Args:
        gpus: Those of the attempt.
        share: The attempt's share of one GPU; below 1 others are expected on it, and its energy is
            nobody's own.
    """

    def __init__(self, gpus: Sequence[Gpu], share: float) -> None:
        self._handles = [gpu.handle for gpu in gpus]
        self._neighbors = max(0, round(1 / share) - 1) if 0 < share < 1 else 0
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._hottest: float | None = None
        self._readings = 0
        self._reasons: dict[str, int] = {}
        self._energy_before = [self._energy(handle) for handle in self._handles]
        self._integrated_j = 0.0
        self._last_at = time.monotonic()
        self.answered = True
        """Whether each reading said what slows a GPU down and who else is on it; without that, the
        measurement may be disturbed and nobody knows."""

    def sample(self) -> None:
        """Read every GPU once."""
        now = time.monotonic()
        elapsed, self._last_at = now - self._last_at, now
        self._readings += 1
        seen: set[str] = set()
        for handle in self._handles:
            rates = _ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
            self._add("gpu_utilization", None if rates is None else rates.gpu / 100)
            self._add(
                "gpu_clock_mhz", _ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM)
            )
            milliwatts = _ask(pynvml.nvmlDeviceGetPowerUsage, handle)
            if milliwatts is not None:
                self._add("gpu_power_w", milliwatts / 1e3)
                self._integrated_j += milliwatts / 1e3 * elapsed
            heat = _ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
            self._hottest = max(
                (value for value in (heat, self._hottest) if value is not None), default=None
            )
            mask = _ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
            processes = _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
            self.answered &= mask is not None and processes is not None
            seen |= {
                f"GPU throttled: {reason}"
                for bit, reason in THROTTLING.items()
                if (mask or 0) & bit
            }
            if _foreign({process.pid for process in processes or ()}) > self._neighbors:
                seen.add("other processes on the GPU")
        for reason in seen:
            self._reasons[reason] = self._reasons.get(reason, 0) + 1

    def columns(self) -> dict[str, Any]:
        """Return the record's GPU readings: means over time; power and energy added up over the
        GPUs, the highest temperature."""
        if not self._readings:
            return {}
        columns: dict[str, Any] = {
            name: total / self._counts[name] for name, total in self._sums.items()
        }
        if "gpu_power_w" in columns:
            columns["gpu_power_w"] *= len(self._handles)
        columns["gpu_temperature_c"] = self._hottest
        if not self._neighbors:
            columns |= self._energy_columns(has_power="gpu_power_w" in columns)
        return columns

    def disturbances(self) -> list[str]:
        """Return what went on for a tenth of the readings or more."""
        return sorted(
            reason
            for reason, count in self._reasons.items()
            if count >= WORTH_SAYING * self._readings
        )

    def _energy_columns(self, *, has_power: bool) -> dict[str, Any]:
        after = [self._energy(handle) for handle in self._handles]
        pairs = [
            (now, before)
            for now, before in zip(after, self._energy_before, strict=True)
            if now is not None and before is not None
        ]
        if len(pairs) == len(self._handles):
            return {
                "gpu_energy_j": sum(now - before for now, before in pairs),
                "gpu_energy_source": COUNTER,
            }
        return (
            {"gpu_energy_j": self._integrated_j, "gpu_energy_source": INTEGRATED}
            if has_power
            else {}
        )

    @staticmethod
    def _energy(handle: Any) -> float | None:
        """Joules since the driver was loaded; cards before Volta do not count them."""
        millijoules = _ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        return None if millijoules is None else millijoules / 1e3

    def _add(self, name: str, value: float | None) -> None:
        if value is not None:
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1


def _foreign(pids: set[int]) -> int:
    """How many of the processes on a GPU are not ours."""
    if pids <= {os.getpid()}:
        return 0
    strangers = pids - family()
    if strangers == pids and loaded_torch.cuda() is not None:
        return (
            len(pids) - 1
        )  # a container: the driver counts in another pid namespace, and one of them is us
    return len(strangers)


def _ask(question: Callable[..., Any], *arguments: Any) -> Any:
    """NVML's answer; None where this card or driver has none."""
    try:
        return question(*arguments)
    except (
        pynvml.NVMLError,
        pynvml.NVMLLibraryMismatchError,
    ):  # the second from a driver older than the question, and no NVMLError
        return None
