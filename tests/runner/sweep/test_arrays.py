"""By what name an array is found again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from artifacts.store import Store
from runner.sweep.arrays import job_name
from tests.runner.sweep.test_submission import ARRAY


def test_a_job_name_depends_on_the_store_and_not_on_the_path_it_is_reached_by(
    tmp_path: Path,
) -> None:
    array = msgspec.structs.replace(ARRAY, store="c0ffee")
    names = {
        job_name(Store(root), root / "sweeps/toy/001/arrays/0001.json", array)
        for root in (tmp_path / "store", tmp_path / "link")
    }
    assert len(names) == 1
    assert names.pop().startswith("toy.001.0001.")
    other = msgspec.structs.replace(ARRAY, store="decaf")
    path = tmp_path / "sweeps/toy/001/arrays/0001.json"
    assert job_name(Store(tmp_path), path, array) != job_name(Store(tmp_path), path, other)


def test_arrays_of_a_store_that_is_older_than_its_id_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "sweeps/toy/001/arrays/0001.json"
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    assert job_name(Store(tmp_path), path, ARRAY) == f"toy.001.0001.{digest}"
