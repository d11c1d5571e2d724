"""RAPL's counters are added up over their running over, and are missing where they cannot be
read."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.measure.energy import Rapl


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    for name, kind in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:1", "package-1"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:2", "psys"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(kind + "\n")
        (folder / "energy_uj").write_text("1000000\n")
        (folder / "max_energy_range_uj").write_text("9000000\n")
    return tmp_path


def set_counter(powercap: Path, package: str, joules: float) -> None:
    (powercap / package / "energy_uj").write_text(f"{int(joules * 1e6)}\n")


def test_packages_are_added_up_and_their_parts_are_not(powercap: Path) -> None:
    rapl = Rapl(powercap)
    set_counter(powercap, "intel-rapl:0", 3)
    set_counter(powercap, "intel-rapl:1", 2)
    set_counter(powercap, "intel-rapl:0:0", 100)
    set_counter(powercap, "intel-rapl:2", 100)
    rapl.sample()
    assert rapl.joules() == pytest.approx(3.0)


def test_a_counter_that_runs_over_goes_on(powercap: Path) -> None:
    rapl = Rapl(powercap)
    for joules in (8.5, 0.5, 2.0):
        set_counter(powercap, "intel-rapl:0", joules)
        rapl.sample()
    assert rapl.joules() == pytest.approx(10.0)


def test_what_may_not_be_read_is_missing(powercap: Path, tmp_path: Path) -> None:
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    rapl = Rapl(powercap)
    rapl.sample()
    assert not rapl.readable
    assert rapl.joules() is None
    assert Rapl(tmp_path / "nothing").joules() is None
