"""What is made of NVML's answers: made up here, so that they can be chosen; test_sampler reads a
real GPU where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from cluster.machine import Gpu
from jobs.measure import loaded_torch
from jobs.measure.gpu_watch import GpuWatch


class Card:
    """One GPU that answers what it is told to; None is a refusal."""

    def __init__(self) -> None:
        self.utilization, self.mhz, self.milliwatts, self.celsius, self.throttled = (
            50,
            1400,
            120_000,
            61,
            0,
        )
        self.millijoules: int | None = 1_000_000
        self.pids: list[int] | None = [os.getpid()]


@pytest.fixture(autouse=True)
def _nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML's handles are the cards themselves."""

    def answers(name: str, answer: Callable[[Card], Any]) -> None:
        def ask(card: Card, *_: Any) -> Any:
            if (value := answer(card)) is None:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return value

        monkeypatch.setattr(pynvml, f"nvmlDeviceGet{name}", ask)

    answers("UtilizationRates", lambda card: SimpleNamespace(gpu=card.utilization))
    answers("ClockInfo", lambda card: card.mhz)
    answers("PowerUsage", lambda card: card.milliwatts)
    answers("Temperature", lambda card: card.celsius)
    answers("CurrentClocksThrottleReasons", lambda card: card.throttled)
    answers("TotalEnergyConsumption", lambda card: card.millijoules)
    answers(
        "ComputeRunningProcesses",
        lambda card: None if card.pids is None else [SimpleNamespace(pid=pid) for pid in card.pids],
    )


@pytest.fixture
def card() -> Card:
    return Card()


def watch(*cards: Card, share: float = 1) -> GpuWatch:
    """A watch over these cards."""
    return GpuWatch([Gpu(card, "Tesla T4", "GPU-0", 16 * 10**9) for card in cards], share)


def test_readings_have_the_records_units(card: Card) -> None:
    watched = watch(card)
    watched.sample()
    card.utilization, card.milliwatts, card.celsius, card.millijoules = 100, 60_000, 55, 4_500_000
    watched.sample()
    assert watched.columns() == {
        "gpu_utilization": 0.75,
        "gpu_clock_mhz": 1400,
        "gpu_power_w": 90.0,
        "gpu_temperature_c": 61,
        "gpu_energy_j": 3500.0,
        "gpu_energy_source": "NVML energy counter",
    }
    assert watched.disturbances() == []
    assert watched.answered


def test_several_cards_add_up_their_power_and_energy(card: Card) -> None:
    other = Card()
    watched = watch(card, other)
    card.utilization, card.mhz, card.milliwatts, card.celsius, card.millijoules = (
        100,
        1500,
        200_000,
        40,
        3_000_000,
    )
    other.millijoules = 1_500_000
    watched.sample()
    assert watched.columns() == {
        "gpu_utilization": 0.75,
        "gpu_clock_mhz": 1450,
        "gpu_power_w": 320.0,
        "gpu_temperature_c": 61,
        "gpu_energy_j": 2500.0,
        "gpu_energy_source": "NVML energy counter",
    }


def test_a_card_without_a_counter_has_the_power_of_all_integrated(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [50.0]
    monkeypatch.setattr("jobs.measure.gpu_watch.time", SimpleNamespace(monotonic=lambda: now[0]))
    card.millijoules, card.milliwatts = None, 60_000
    watched = watch(card, Card())
    for seconds, milliwatts in ((2, 60_000), (3, 100_000)):
        now[0] += seconds
        card.milliwatts = milliwatts
        watched.sample()
    columns = watched.columns()
    assert columns["gpu_energy_source"] == "NVML power, integrated"
    assert columns["gpu_energy_j"] == pytest.approx(2 * (60 + 120) + 3 * (100 + 120))


@pytest.mark.parametrize(
    ("bit", "reason"),
    [
        (pynvml.nvmlClocksThrottleReasonHwSlowdown, "GPU throttled: hardware slowdown"),
        (pynvml.nvmlClocksThrottleReasonSwThermalSlowdown, "GPU throttled: heat (software)"),
        (pynvml.nvmlClocksThrottleReasonHwThermalSlowdown, "GPU throttled: heat (hardware)"),
        (pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown, "GPU throttled: power brake"),
        (pynvml.nvmlClocksThrottleReasonSwPowerCap, None),
        (pynvml.nvmlClocksThrottleReasonGpuIdle, None),
    ],
)
def test_what_slows_a_card_down(card: Card, bit: int, reason: str | None) -> None:
    card.throttled = bit
    watched = watch(Card(), card, Card())
    watched.sample()
    assert watched.disturbances() == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("share", "strangers", "disturbed"),
    [(1, 0, False), (1, 1, True), (0.5, 1, False), (0.5, 2, True)],
)
def test_neighbors_are_those_beyond_the_share(
    card: Card, share: float, strangers: int, disturbed: bool
) -> None:
    card.pids = [os.getpid(), *range(2**22, 2**22 + strangers)]
    watched = watch(card, share=share)
    watched.sample()
    assert bool(watched.disturbances()) is disturbed
    assert ("gpu_energy_j" in watched.columns()) is (share == 1)


def test_a_trials_own_workers_are_no_strangers(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded_torch, "cuda", object)
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    card.pids = [os.getpid(), worker.pid]
    watched = watch(card)
    watched.sample()
    worker.communicate(b"\n")
    assert watched.disturbances() == []


@pytest.mark.parametrize(
    ("computes", "pids", "disturbed"),
    [
        (True, [2**22], False),
        (True, [2**22, 2**22 + 1], True),
        (True, [os.getpid(), 2**22], True),
        (False, [2**22], True),
    ],
)
def test_in_a_container_one_of_the_strangers_is_this_process(
    card: Card, monkeypatch: pytest.MonkeyPatch, computes: bool, pids: list[int], disturbed: bool
) -> None:
    """The driver counts in another namespace; this process is among them only if it holds a CUDA
    context."""
    monkeypatch.setattr(loaded_torch, "cuda", lambda: object() if computes else None)
    card.pids = pids
    watched = watch(card)
    watched.sample()
    assert watched.disturbances() == (["other processes on the GPU"] if disturbed else [])


@pytest.mark.parametrize(
    ("throttled", "readings", "disturbed"),
    [(1, 10, True), (1, 11, False), (2, 20, True), (2, 21, False)],
)
def test_what_comes_and_goes_counts_from_a_tenth_of_the_readings(
    card: Card, throttled: int, readings: int, disturbed: bool
) -> None:
    watched = watch(card)
    for number in range(readings):
        card.throttled = pynvml.nvmlClocksThrottleReasonHwSlowdown if number < throttled else 0
        watched.sample()
    assert watched.disturbances() == (["GPU throttled: hardware slowdown"] if disturbed else [])


def test_a_card_that_does_not_tell_is_no_all_clear(card: Card) -> None:
    card.pids = None
    watched = watch(card)
    watched.sample()
    assert not watched.answered
    assert watched.disturbances() == []
