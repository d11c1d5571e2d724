"""Leave out the trials that cannot be compared, and say why."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from runner.report.codes import Bools, Codes, Ints, combined
from runner.report.summary import COMPLETED

REASONS: Final = {
    "device": "on another device than the others",
    "driver": "with another driver than the others",
    "code": "by other code than the others",
    "data": "on other data than the others",
    "versions": "with another library version than the others",
}
"""Why a completed trial is left out: what it was computed by differs from what most trials of its
side of the comparison were computed by."""

DISTURBED: Final = "disturbed"

_VERSIONS: Final = ("cuda_version", "cudnn_version", "engine")


class Status:
    """Why each row of a table is not compared; those that are have no reason."""

    def __init__(self, codes: Codes, side: Ints, included: Collection[str]) -> None:
        """Judge the rows.

        Args:
            codes: The table.
            side: Side of the comparison of each row, -1 for none, shape (n_rows,).
            included: Reasons that are not to be applied.
        """
        self.words = ["", *codes.levels("outcome"), *REASONS]
        outcome = codes.of("outcome")
        self.of = np.where(outcome < 0, 0, outcome + 1)
        if COMPLETED in self.words:
            self.of[self.of == self.words.index(COMPLETED)] = 0
        self.usable: Bools = (self.of == 0) & (side >= 0)
        started = codes.times("started_at")
        for reason, found in _circumstances(codes).items():
            if reason in included:
                continue
            group = combined(side, codes.joint(["workload", "target"]))
            if reason == "data":
                group = combined(group, codes.of("dataset"))
            for value in found:
                odd = _unlike_most(group, value, started, self.usable)
                self.of[odd] = self.words.index(reason)
                self.usable &= ~odd

    def counts(self, rows: Bools) -> dict[str, int]:
        """Return how many of the rows are left out, by reason."""
        found = np.bincount(self.of[rows], minlength=len(self.words))
        return {
            self.words[code]: int(found[code])
            for code in np.argsort(-found)
            if code and found[code]
        }


def _circumstances(codes: Codes) -> dict[str, list[Ints]]:
    """Return by reason what each row was computed by, -1 where that is not known."""
    parameters = set(codes.named_in("parameters"))
    versions = [
        name
        for name in codes.names
        if (name in _VERSIONS or name.endswith("_version"))
        and name not in ("schema_version", "driver_version", *parameters)
    ]
    gpu, cpu = codes.of("gpu_name"), codes.of("cpu_model")
    frozen = [codes.of(name) for name in ("code", "code_outside", "runner_code")]
    code = codes.joint(["code", "code_outside", "runner_code"])
    known = np.max(frozen, axis=0) >= 0
    if not known.any():  # records from before code was frozen
        own = np.array([":" in str(name) for name in codes.levels("workload")], dtype=bool)
        code = codes.joint(["commit", "dirty"])
        known = (codes.of("commit") >= 0) & own[codes.of("workload")]
    return {
        "device": [np.where(gpu >= 0, gpu + len(codes.levels("cpu_model")), cpu)],
        "driver": [codes.of("driver_version")],
        "code": [np.where(known, code, -1)],
        "data": [codes.of("data_digest")],
        "versions": [codes.of(name) for name in versions],
    }


def _unlike_most(group: Ints, value: Ints, started: Ints, usable: Bools) -> Bools:
    """Return which rows have another value than most of their group, or than the newest of those
    that most have; a missing value is like any other."""
    rows = np.flatnonzero(usable & (value >= 0))
    if not len(rows) or value[rows].min() == value[rows].max():
        return np.zeros(len(value), dtype=bool)
    both = group[rows] * (int(value.max()) + 1) + value[rows]
    found, first, where, counts = np.unique(
        both, return_index=True, return_inverse=True, return_counts=True
    )
    newest = np.full(len(found), -1, dtype=np.int64)
    np.maximum.at(newest, where, started[rows])
    groups = group[rows][first]
    order = np.lexsort((newest, counts, groups))
    last = np.append(groups[order][1:] != groups[order][:-1], True)
    most = np.zeros(len(found), dtype=bool)
    most[order[last]] = True
    odd = np.zeros(len(value), dtype=bool)
    odd[rows[~most[where]]] = True
    return odd
