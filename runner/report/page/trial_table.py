"""Make the page's table of all trials: a column at a time, as compact JSON.

A hundred thousand trials are a few megabytes so: words that repeat stand once, numbers have six
digits, and of a log's path only what its trial does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from artifacts.publish import entries
from artifacts.store import Store
from artifacts.values import spelled
from runner.report.cells import Trials, is_finite
from runner.report.failures import path_below
from runner.report.printable import shown
from runner.report.record import first_line
from runner.report.tables import text

_RESULTS: Final = ("val_accuracy", "test_accuracy")
_MEASURED: Final = (
    "train_s", "total_s", "samples_per_s", "gpu_mem_reserved_gb", "host_rss_gb", "gpu_energy_j",
)  # fmt: skip
_AFTER: Final = ("disturbed", "diverged", "started_at", "node", "error_type", "error_message")
_LONGEST: Final = 160
_CHOICES: Final = 24
"""Most values of a column that can be filtered by choosing one."""


def columns_of(trials: Trials, store: Store) -> list[dict[str, Any]]:
    """Return the columns of the table in order.

    Each has ``name``, ``kind`` (``number``, ``text``, ``trial`` or ``link``) and its values: as
    ``values``, or as ``codes`` that count into ``words``; a column that can be filtered has
    ``choose``.
    """
    names = list(
        dict.fromkeys(
            (
                "trial",
                "outcome",
                *trials.varying,
                "seed",
                *(metric.name for metric in trials.metrics if not metric.timing),
                *_RESULTS,
                *_MEASURED,
                *_AFTER,
            )
        )
    )
    always = {"trial", "outcome", "seed", *trials.varying}
    columns = []
    for name in names:
        values = trials.values(name)
        if name in always or any(value not in (None, False) for value in values):
            columns.append(_column(name, values))
    return [*columns, *_links(trials, store)]


def _column(name: str, values: Sequence[Any]) -> dict[str, Any]:
    if name == "trial":
        return {"name": name, "kind": "trial", "values": [shown(value) for value in values]}
    if all(value is None or is_number(value) for value in values) and any(map(is_finite, values)):
        numbers = [_short(value) for value in values]
        return {"name": name, "kind": "number", **_coded(numbers), **_choice(name, numbers)}
    if name == "error_message":
        values = [first_line(value) for value in values]
    spelled_of = {_key(value): value for value in values}
    cells = {key: _cell(value) for key, value in spelled_of.items()}
    texts = [cells[_key(value)] for value in values]
    return {"name": shown(name), "kind": "text", **_coded(texts), **_choice(name, texts)}


def is_number(value: Any) -> bool:
    """Return whether a value is a number, NaN and the infinities among them."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _choice(name: str, values: Sequence[Any]) -> dict[str, bool]:
    distinct = len({value for value in values if value not in (None, "")})
    measured = name in _MEASURED or name in _RESULTS or name in ("started_at", "error_message")
    return {"choose": True} if not measured and 1 < distinct <= _CHOICES else {}


def _coded(values: Sequence[Any]) -> dict[str, Any]:
    """Return values as they are, or where they repeat as numbers that count into ``words``."""
    words = {value: number for number, value in enumerate(dict.fromkeys(values))}
    if 2 * len(words) > len(values):
        return {"values": list(values)}
    return {"words": list(words), "codes": [words[value] for value in values]}


def _short(value: float | None) -> float | None:
    """Return a number with six digits, and None for what JSON has no number for."""
    if value is None or not is_finite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _key(value: Any) -> Any:
    """Return what tells a value from others, also one that cannot be hashed."""
    return (type(value), repr(value) if isinstance(value, list | dict) else value)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    written = text(value) if isinstance(value, str | None) else spelled(value)
    written = " ".join(shown(written).split())
    return written if len(written) <= _LONGEST else written[: _LONGEST - 1] + "…"


def _links(trials: Trials, store: Store) -> list[dict[str, Any]]:
    """Return the columns that lead to the logs and to the files that trials left."""
    ids = trials.values("trial")
    parts = [
        tuple(path_below(log).split(trial, 1))
        for log, trial in zip(trials.values("log"), ids, strict=True)
    ]
    columns = []
    if any(len(part) == 2 for part in parts):
        columns.append({"name": "log", "kind": "link", **_coded([_template(p) for p in parts])})
    there = {entry.name for entry in entries(store.root / "files")}
    if any(trial in there for trial in ids):
        found = ["files/{trial}/" if trial in there else "" for trial in ids]
        columns.append({"name": "files", "kind": "link", **_coded(found)})
    return columns


def _template(part: tuple[str, ...]) -> str:
    """Return a path in which ``{trial}`` stands for the trial's id."""
    return "" if len(part) == 1 else f"{part[0]}{{trial}}{part[1]}"
