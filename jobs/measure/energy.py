"""Energy of the CPU packages, through RAPL's counters where they may be read."""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
SOURCE = "RAPL, whole packages"


class Rapl:
    """Adds up the packages' counters between readings.

    The counters run over (at 200 W after some twenty minutes), so ``sample`` wants to be called
    every few.
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        # intel-rapl:0 is a package (AMD's too); intel-rapl:0:1 a part of it, and psys the whole
        # board.
        self._packages = [
            folder for folder in sorted(powercap.glob("intel-rapl:*")) if _is_package(folder)
        ]
        self._last = [_joules(folder / "energy_uj") for folder in self._packages]
        self._total = 0.0

    @property
    def readable(self) -> bool:
        """Return whether all packages can be read; most sites allow it to root only."""
        return bool(self._packages) and None not in self._last

    def sample(self) -> None:
        """Add what was used since the last reading."""
        for index, folder in enumerate(self._packages):
            now, before = _joules(folder / "energy_uj"), self._last[index]
            if now is not None and before is not None:
                ran_over = (_joules(folder / "max_energy_range_uj") or 0.0) if now < before else 0.0
                self._total += now - before + ran_over
            self._last[index] = now

    def joules(self) -> float | None:
        """Return what the samples add up to; None where a counter cannot be read."""
        return self._total if self.readable else None


def _is_package(folder: Path) -> bool:
    try:
        return (folder / "name").read_text().startswith("package")
    except OSError:
        return False


def _joules(file: Path) -> float | None:
    try:
        return int(file.read_text()) / 1e6
    except (OSError, ValueError):
        return None
