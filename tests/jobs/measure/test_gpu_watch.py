"""What is made of NVML's answers: made up here, so that they can be chosen; test_sampler reads a real GPU where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from jobs.measure.gpu_watch import GpuWatch
from jobs.measure.gpus import Gpu


class Card:
    """One GPU that answers what it is told to; None is a refusal."""

    def __init__(self) -> None:
        self.utilisation, self.mhz, self.milliwatts, self.celsius, self.throttled = 50, 1400, 120_000, 61, 0
        self.millijoules: int | None = 1_000_000
        self.pids: list[int] | None = [os.getpid()]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    """The card behind NVML."""
    card = Card()

    def answers(name: str, answer: Callable[[], Any]) -> None:
        def ask(*_: Any) -> Any:
            if (value := answer()) is None:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return value

        monkeypatch.setattr(pynvml, f"nvmlDeviceGet{name}", ask)

    answers("UtilizationRates", lambda: SimpleNamespace(gpu=card.utilisation))
    answers("ClockInfo", lambda: card.mhz)
    answers("PowerUsage", lambda: card.milliwatts)
    answers("Temperature", lambda: card.celsius)
    answers("CurrentClocksThrottleReasons", lambda: card.throttled)
    answers("TotalEnergyConsumption", lambda: card.millijoules)
    answers("ComputeRunningProcesses", lambda: None if card.pids is None else [SimpleNamespace(pid=pid) for pid in card.pids])
    return card


def watch(share: float = 1) -> GpuWatch:
    """A watch over the card."""
    return GpuWatch([Gpu(object(), "Tesla T4", "GPU-0", 15.8)], share)


def test_readings_have_the_records_units(card: Card) -> None:
    watched = watch()
    watched.sample()
    card.utilisation, card.milliwatts, card.celsius, card.millijoules = 100, 60_000, 55, 4_500_000
    watched.sample()
    assert watched.columns() == {
        "gpu_utilisation": 0.75,
        "gpu_clock_mhz": 1400,
        "gpu_power_w": 90.0,
        "gpu_temperature_c": 61,
        "gpu_energy_j": 3500.0,
        "gpu_energy_source": "NVML energy counter",
    }
    assert watched.disturbances() == []
    assert watched.answered


def test_a_card_without_a_counter_integrates_its_power(card: Card) -> None:
    card.millijoules = None
    watched = watch()
    watched.sample()
    assert watched.columns()["gpu_energy_source"] == "NVML power, integrated"


@pytest.mark.parametrize(
    ("bit", "reason"),
    [
        (pynvml.nvmlClocksThrottleReasonHwThermalSlowdown, "GPU throttled: heat (hardware)"),
        (pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown, "GPU throttled: power brake"),
        (pynvml.nvmlClocksThrottleReasonSwPowerCap, None),
        (pynvml.nvmlClocksThrottleReasonGpuIdle, None),
    ],
)
def test_what_slows_a_card_down(card: Card, bit: int, reason: str | None) -> None:
    card.throttled = bit
    watched = watch()
    watched.sample()
    assert watched.disturbances() == ([reason] if reason else [])


@pytest.mark.parametrize(("share", "strangers", "disturbed"), [(1, 0, False), (1, 1, True), (0.5, 1, False), (0.5, 2, True)])
def test_neighbours_are_those_beyond_the_share(card: Card, share: float, strangers: int, disturbed: bool) -> None:
    card.pids = [os.getpid(), *range(2**22, 2**22 + strangers)]
    watched = watch(share)
    watched.sample()
    assert bool(watched.disturbances()) is disturbed
    assert ("gpu_energy_j" in watched.columns()) is (share == 1)


def test_what_comes_and_goes_counts_from_a_tenth_of_the_readings(card: Card) -> None:
    watched = watch()
    for number in range(21):
        card.throttled = pynvml.nvmlClocksThrottleReasonHwSlowdown if number < 2 else 0
        watched.sample()
    assert watched.disturbances() == []
    card.throttled = pynvml.nvmlClocksThrottleReasonHwSlowdown
    watched.sample()
    assert watched.disturbances() == ["GPU throttled: hardware slowdown"]


def test_a_card_that_does_not_tell_is_no_all_clear(card: Card) -> None:
    card.pids = None
    watched = watch()
    watched.sample()
    assert not watched.answered
    assert watched.disturbances() == []
