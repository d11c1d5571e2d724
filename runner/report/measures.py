"""Say how a metric is compared: as a ratio or a difference, which direction is better, and how
large a change matters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from artifacts.columns import COLUMNS
from runner.errors import RunnerError
from runner.report.summary import COMPLETED, TIMES, NoNumbers, UnknownColumn, known_columns

if TYPE_CHECKING:
    import pyarrow as pa

KINDS: Final = ("accuracy", "loss", "time", "rate", "memory", "energy", "other")
DEFAULT_MARGINS: Final[Mapping[str, float]] = {
    "accuracy": 0.01, "loss": 0.05, "time": 0.05, "rate": 0.05, "memory": 0.05, "energy": 0.05,
}  # fmt: skip
"""What counts as no change where the question is whether anything has changed."""

_SCHEMA: Final = {column.name: column for column in COLUMNS}
_KIND_OF_UNIT: Final = {
    "s": "time", "1/s": "rate", "TFLOP/s": "rate", "GiB (2**30 bytes)": "memory", "J": "energy",
    "W": "energy",
}  # fmt: skip
_RATIOS: Final = ("time", "rate", "memory", "energy")
_MORE: Final = ("accuracy", "rate")
# The words of a user's own result that say what it is; a name is split at its underscores.
_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("accuracy", "acc", "auc", "f1", "precision", "recall"), "accuracy"),
    **dict.fromkeys(("loss", "error", "err", "mse", "rmse", "mae", "perplexity"), "loss"),
    **dict.fromkeys(("s", "ms", "time", "seconds", "latency"), "time"),
    **dict.fromkeys(("throughput", "rate", "speedup"), "rate"),
    **dict.fromkeys(("gb", "mb", "memory"), "memory"),
    **dict.fromkeys(("j", "energy"), "energy"),
}
_MORE_WORDS: Final = {"score", "r2", "reward"}
_MARGIN: Final = re.compile(r"\s*([\w.]+)\s*=\s*([0-9.eE+-]+)\s*(%?)\s*")


class BadMargin(RunnerError):
    """The --margin cannot be read."""

    exit_code: ClassVar[int] = 2

    text: str
    reason: str

    def __str__(self) -> str:
        return (
            f"--margin '{self.text}': {self.reason}: write a metric, or one of "
            f"{', '.join(KINDS)}, and a positive size, such as accuracy=0.5%,time=3%"
        )


class BadMeasure(RunnerError):
    """The --metric says something else than a column and a direction."""

    exit_code: ClassVar[int] = 2

    text: str

    def __str__(self) -> str:
        return f"--metric '{self.text}': write COLUMN, COLUMN:more or COLUMN:less"


@dataclass(frozen=True)
class Measure:
    """A metric, and how it is compared."""

    name: str
    kind: str
    """One of ``KINDS``."""
    more_is_better: bool
    timing: bool = False
    """Whether other work on the device disturbs it."""
    fraction: bool = False
    """Whether it is a fraction in [0, 1], shown in percent."""
    margin: float | None = None
    """Change that does not matter: absolute for a difference, relative for a ratio."""

    @property
    def ratio(self) -> bool:
        """Return whether it is compared by ratios; otherwise by differences."""
        return self.kind in _RATIOS

    @property
    def margin_in_scale(self) -> float | None:
        """Return the margin as the statistics need it: of the logarithm of a ratio, or as it is."""
        if self.margin is None or not self.ratio:
            return self.margin
        return math.log1p(self.margin)


def parse_margins(text: str) -> dict[str, float]:
    """Return margins by metric or kind: ``accuracy=0.5%,time=3%`` is 0.005 and 0.03.

    Raises:
        BadMargin: It is not of the form, or a size is not positive.
    """
    found = {}
    for part in text.split(","):
        match = _MARGIN.fullmatch(part)
        try:
            name, size, percent = match.groups() if match else ("", "", "")
            value = float(size) / (100 if percent else 1)
        except ValueError:
            raise BadMargin(text, f"'{part.strip()}' is not NAME=SIZE") from None
        if not 0 < value < math.inf:
            raise BadMargin(text, f"'{part.strip()}' is not positive")
        found[name] = value
    return found


def measures_of(
    table: pa.Table,
    names: Sequence[str] | None = None,
    margins: Mapping[str, float] | None = None,
) -> tuple[Measure, ...]:
    """Return the metrics to compare.

    Args:
        table: Records.
        names: Columns, each followed by ``:more`` or ``:less`` where its name does not say which
            is better. None for the accuracy (test, else validation), or else the first result, of
            each workload, and the training time, or else the whole time.
        margins: By metric or kind.

    Raises:
        UnknownColumn: The table has no such column.
        NoNumbers: A column has no numbers.
        BadMeasure: A name ends in another word.
        BadMargin: A margin is for something that is not compared.
    """
    found = tuple(_measure(table, name) for name in (names or _default_names(table)))
    wanted = dict(margins or {})
    known = {word for measure in found for word in (measure.name, measure.kind)}
    for name in wanted:
        if name not in known and name not in KINDS:
            compared = ", ".join(measure.name for measure in found)
            raise BadMargin(name, f"nothing of that name is compared ({compared} are)")
    return tuple(
        Measure(
            measure.name,
            measure.kind,
            measure.more_is_better,
            measure.timing,
            measure.fraction,
            wanted.get(measure.name, wanted.get(measure.kind)),
        )
        for measure in found
    )


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of that type can be compared."""
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _measure(table: pa.Table, text: str) -> Measure:
    name, _, direction = text.partition(":")
    if direction not in ("", "more", "less"):
        raise BadMeasure(text)
    if name not in table.column_names:
        raise UnknownColumn(name, known_columns(table))
    if not is_number(table.schema.field(name).type):
        numbers = tuple(field.name for field in table.schema if is_number(field.type))
        raise NoNumbers(name, numbers)
    column, words = _SCHEMA.get(name), name.lower().split("_")
    if column is not None:
        kind = _KIND_OF_UNIT.get(column.unit, "other")
        kind = {"accuracy": "accuracy" if column.unit else "loss"}.get(column.section, kind)
    else:
        kind = next((_WORDS[word] for word in reversed(words) if word in _WORDS), "other")
        kind = "rate" if words[-2:] == ["per", "s"] else kind
    more = kind in _MORE or (column is None and bool(_MORE_WORDS & set(words)))
    return Measure(
        name,
        kind,
        more_is_better=direction == "more" if direction else more,
        timing=column is not None and column.section in ("time", "throughput", "energy"),
        fraction=column is not None and column.unit == "fraction",
    )


def _default_names(table: pa.Table) -> list[str]:
    import pyarrow.compute as pc

    table = table.filter(pc.equal(table["outcome"], COMPLETED))
    results = set(pc.unique(pc.list_flatten(table["results"])).to_pylist())
    own = [field.name for field in table.schema if field.name in results and is_number(field.type)]
    names = []
    for workload in pc.unique(table["workload"]).to_pylist():
        rows = table.filter(pc.equal(table["workload"], workload))
        for name in ("test_accuracy", "val_accuracy", *own):
            if rows[name].null_count < rows.num_rows:
                names.append(name)
                break
    times = (name for name in TIMES if table[name].null_count < table.num_rows)
    return [*dict.fromkeys(names), *list(times)[:1]]
