"""What a workload is given: where it runs, and where to say what it measured."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from artifacts.columns import COLUMNS, HISTORY
from artifacts.errors import BadColumn
from artifacts.values import fit, plain, shown
from jobs.errors import BadMetric, nearest
from jobs.measure.clock import PhaseClock
from jobs.measure.readings import Readings
from jobs.position import Position, position

METRIC_SECTIONS = ("accuracy", "throughput", "memory")
# What a workload may say of itself; identity, ledger and device are measured by the runner and
# never taken from it.
NOTABLE = frozenset(column.name for column in COLUMNS if column.section in METRIC_SECTIONS) | {
    "engine",
    "threads",
    "resumed_from_epoch",
    "diverged",
}
ACCURACIES = frozenset(
    column.name for column in COLUMNS if column.section == "accuracy" and column.unit == "fraction"
)
_INTEGERS = frozenset(column.name for column in COLUMNS if column.type == "int")
_ROUNDING = 1e-5
"""How far outside [0, 1] an accuracy may lie by rounding in single precision."""
_HISTORY = frozenset(name for name, *_ in HISTORY) - {"epoch", "extra"}

_CODE_OF_CHECKPOINT = "checkpoint-code"
"""File beside the checkpoint that names the code of the attempt that looked for it last."""


class Context:
    """One attempt as its workload sees it."""

    def __init__(
        self,
        *,
        files: Path,
        trial: str = "",
        sweep: str = "",
        attempt: int = 1,
        seed: int = 0,
        target: str = "cpu",
        data_dir: Path | None = None,
        code: str | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
        cpus: int = 1,
        threads: int = 1,
        mem_gb: float = 1.0,
        stop: Callable[[], bool] = lambda: False,
        clock: PhaseClock | None = None,
    ) -> None:
        self.trial = trial
        """Its id."""
        self.sweep = sweep
        """The sweep it was submitted with."""
        self.attempt = attempt
        """1 for the first execution."""
        self.seed = seed
        """The trial's seed; every random number should come from it."""
        self.target = target
        """The resource class it was meant for."""
        self.data_dir = data_dir
        """Folder of the data sets, if one was given."""
        self.cpus = cpus
        """CPUs it may use."""
        self.threads = threads
        """Threads it should compute with; set already for BLAS, OpenMP and torch."""
        self.mem_gb = mem_gb
        """Memory it may use in GiB (2**30 bytes)."""
        self._granted = self._device = device
        self.history: list[dict[str, Any]] = []
        """What was reported so far, one mapping an epoch."""
        self.noted: dict[str, Any] = {}
        """Core columns that the workload filled."""
        self.data_digest: str | None = None
        """Digest of the files that the trial's data was prepared from, once it is open."""
        self._files, self._stop, self._code = files, stop, code
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._clock = clock or PhaseClock()
        self._readings: Callable[[], Readings] = Readings
        self._earlier: Readings | None = None
        self._under_way: Callable[[], Mapping[str, float]] = dict

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Return ``cuda`` where the target promises a GPU, else ``cpu``, also on a machine that has
        one.

        A workload that leaves its GPU unused sets it to ``cpu`` (or to torch's device), and the
        record says so. BadMetric for anything but ``cpu`` and what was granted.
        """
        return self._device

    @device.setter
    def device(self, used: object) -> None:
        name = str(used).partition(":")[0]
        if name not in ("cpu", self._granted):
            raise BadMetric(
                "device",
                f"is '{used}', but the target gives "
                f"cpu{' and cuda' if self._granted == 'cuda' else ' alone'}",
            )
        self._device = "cuda" if name == "cuda" else "cpu"

    @property
    def files(self) -> Path:
        """Return the trial's own folder in the store, for anything that is not a column; the same
        for all its attempts."""
        return self._made(self._files)

    @property
    def checkpoint_folder(self) -> Path:
        """Return where a checkpoint is looked for and left; write aside and rename, so that it is
        whole or not there."""
        folder = self._made(self._files / "checkpoint")
        if self._code is not None:
            self._compare_code(self._code)
            self._code = None
        return folder

    def _compare_code(self, code: str) -> None:
        """Note whether other code has left the checkpoint, and leave word of this attempt's."""
        mark = self._files / _CODE_OF_CHECKPOINT
        with suppress(OSError):
            before = mark.read_text() if mark.exists() else code
            if before != code and self.resumed:
                self.noted["checkpoint_code"] = before
            with self._own_umask():
                mark.write_text(code)

    def _made(self, folder: Path) -> Path:
        """The folder, there by now; who may go into it is not for what the trial has made of its
        umask."""
        if not folder.is_dir():
            with self._own_umask():
                folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _own_umask(self) -> Iterator[None]:
        """Have the block create files with the umask that was there before the trial."""
        of_trial = os.umask(self._umask)
        try:
            yield
        finally:
            os.umask(of_trial)

    @property
    def resumed(self) -> bool:
        """Return whether an earlier attempt left anything in the checkpoint folder."""
        folder = self._files / "checkpoint"
        return folder.is_dir() and any(folder.iterdir())

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a block as ``import``, ``data``, ``build``, ``warmup``, ``train``,
        ``eval`` or ``write``.

        A phase inside another stops the outer one's time. UnknownPhase for any other name.
        """
        return self._clock.phase(name)

    def phases(self) -> dict[str, float]:
        """Return the seconds of each phase so far."""
        return self._clock.phases()

    def snapshot(self) -> dict[str, Any]:
        """Return what a checkpoint keeps for ``carry``, plain values: ledger, history, and what
        disturbed the measurement."""
        return {
            "phases": self.phases(),
            "history": self.history,
            "readings": msgspec.to_builtins(self.readings()),
        }

    def carry(self, snapshot: Mapping[str, Any]) -> None:
        """Take over an earlier attempt's snapshot from the checkpoint, so that the record tells of
        the whole trial."""
        self._clock.carry(snapshot["phases"])
        self.history[:0] = snapshot["history"]
        self._earlier = msgspec.convert(snapshot["readings"], Readings)

    def watch(self, readings: Callable[[], Readings]) -> None:
        """Have ``readings`` asked for what is seen of the hardware; without, nobody looks."""
        self._readings = readings

    def readings(self) -> Readings:
        """Return the disturbances and energy so far, those of the attempts that were carried
        too."""
        now = self._readings()
        return now if self._earlier is None else now.after(self._earlier)

    def track(self, under_way: Callable[[], Mapping[str, float]]) -> None:
        """Have ``under_way`` asked for ``epoch`` and ``samples_per_s`` between two reports, by
        another thread, for whoever watches the trial."""
        self._under_way = under_way

    def position(self) -> Position:
        """Return where the trial is now; may be called from another thread."""
        seen = position(self._clock.running, self.history)
        return msgspec.structs.replace(seen, **self._under_way())

    def report(self, epoch: float, **metrics: float) -> None:
        """Append one entry to the history; names that it does not have go to its ``extra``.

        Args:
            epoch: Counted from 1; also a part of one (0.5), or the number of a step.
            metrics: Numbers. Accuracies are fractions, ``train_s`` and ``samples_per_s`` say it in
                their names.

        Raises:
            BadMetric: Not a number, an accuracy outside [0, 1], or an epoch that a double does not
                hold as it is.
        """
        number = measured("epoch", epoch)
        if number is None or not math.isfinite(number) or number != epoch:
            raise BadMetric(
                "epoch",
                f"is {shown(epoch)}, but an epoch is a number, whole up to 2**53: count epochs or "
                "steps",
            )
        entry: dict[str, Any] = {"epoch": int(number) if float(number).is_integer() else number}
        extra: dict[str, Any] = {}
        for name, value in metrics.items():
            number = measured(name, value)
            if number is not None:
                (entry if name in _HISTORY else extra)[name] = number
        self.history.append({**entry, "extra": extra} if extra else entry)

    def note(self, **columns: Any) -> None:
        """Fill core columns of the record: accuracies, throughput, memory, ``engine``, ``threads``,
        ``resumed_from_epoch``.

        Raises:
            BadMetric: Not such a column, not a number, or an accuracy outside [0, 1]; NaN is a
                diverged model's accuracy.
        """
        for name, value in columns.items():
            if name not in NOTABLE:
                known = tuple(sorted(NOTABLE))
                raise BadMetric(
                    name,
                    f"a workload cannot fill this column{nearest(name, known)}: it may fill "
                    f"{', '.join(known)}",
                )
            taken: Callable[[str, Any], Any] = _NOTED.get(name, measured)
            self.noted[name] = taken(name, value)

    def stop_requested(self) -> bool:
        """Return whether to write a checkpoint and raise StopRequested now: the walltime is near,
        or a preemption."""
        return self._stop()


def measured(name: str, value: Any) -> float | int | None:
    """Return the value as the column's number: 0-dimensional arrays and tensors too; None stays
    missing.

    Raises:
        BadMetric: Not a number, or an accuracy outside [0, 1].
    """
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise BadMetric(name, f"is not a number but {type(value).__name__}") from None
    except OverflowError:
        raise BadMetric(name, "is larger than any double") from None
    if name in ACCURACIES:
        return _fraction(name, number)
    if name not in _INTEGERS:
        return number
    try:
        whole: int = fit(name, "int", number)
    except BadColumn:
        raise BadMetric(
            name, f"is {number:g}, but this column holds whole numbers of 64 bits"
        ) from None
    return whole


def _fraction(name: str, number: float) -> float:
    # NaN is what a diverged model has; a float32 mean of ones may be 1.0000001.
    if -_ROUNDING <= number <= 1 + _ROUNDING:
        return min(max(number, 0.0), 1.0)
    if math.isnan(number):
        return number
    raise BadMetric(
        name, f"is {number:.9g}, but accuracies are fractions in [0, 1]: divide percentages by 100"
    )


def _flag(name: str, value: Any) -> bool | None:
    if value is None or plain(value) in (True, False):
        return None if value is None else bool(value)
    raise BadMetric(name, f"is {shown(value)}, but this column holds true or false")


def _word(_: str, value: Any) -> str:
    return str(value)


_NOTED: Mapping[str, Callable[[str, Any], Any]] = {"engine": _word, "diverged": _flag}
