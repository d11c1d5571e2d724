"""Names and words of records that later schemas changed: the one place that knows what they were
called before.

Version 2 renamed what is listed here, and counts memory in units of 2**30 bytes; version 1 counted
in 1e9 bytes. Pure on purpose: a spec that was frozen before is read with these tables as well, and
must not cost an import of pyarrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

COLUMNS: Final = {
    "job_id": "array_job_id",
    "task": "array_task_id",
    "start_s": "startup_s",
    "runner_s": "overhead_s",
    "gpu_utilisation": "gpu_utilization",
}
HISTORY: Final = {"seconds": "train_s"}
OUTCOMES: Final = {"UNKNOWN": "unknown"}

IN_GIGABYTES: Final = (
    "gpu_mem_allocated_gb",
    "gpu_mem_reserved_gb",
    "host_rss_gb",
    "gpu_total_gb",
    "ram_gb",
)
"""Columns that version 1 counts in units of 1e9 bytes."""
GIB_PER_GIGABYTE: Final = 1e9 / 2**30

PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {"train": {"normalisation": "normalization"}}
"""For each workload, its parameters that have another name now."""
VALUES: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "train": {"loader": {"workers": "dataloader"}}
}
"""For each workload, the values of its parameters (under today's names) that are another word
now."""


def parameters_of_today(workload: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a trial that was frozen before under the names and words that they
    have now."""
    names, words = PARAMETERS.get(workload, {}), VALUES.get(workload, {})
    return _with_words({names.get(name, name): value for name, value in parameters.items()}, words)


def parameters_of_before(workload: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the inverse of ``parameters_of_today``: the names and words that a trial's id is made
    from."""
    names, words = _of_before(workload)
    if names.keys().isdisjoint(parameters) and words.keys().isdisjoint(parameters):
        return parameters
    return {names.get(name, name): value for name, value in _with_words(parameters, words).items()}


@cache
def _of_before(workload: str) -> tuple[Mapping[str, str], Mapping[str, Mapping[str, str]]]:
    """The names that parameters had, and the words of their values, by those of today."""
    names = {new: old for old, new in PARAMETERS.get(workload, {}).items()}
    words = {
        name: {new: old for old, new in renamed.items()}
        for name, renamed in VALUES.get(workload, {}).items()
    }
    return names, words


def _with_words(
    parameters: Mapping[str, Any], words: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    changed = dict(parameters)
    for name, renamed in words.items():
        value = changed.get(name)
        if isinstance(value, str):
            changed[name] = renamed.get(value, value)
    return changed
