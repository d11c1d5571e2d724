"""The real datasets, prepared once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.data import open_dataset
from jobs.data.dataset import Dataset


@pytest.fixture(scope="session")
def open_real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """Open a real dataset in a cache that the tests share."""
    cache = tmp_path_factory.mktemp("prepared")

    def opened(name: str) -> Dataset:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RUNNER_CACHE", str(cache))
            return open_dataset(name, real_data)

    return opened


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """scikit-learn's digits, opened once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNNER_CACHE", str(tmp_path_factory.mktemp("digits")))
        return open_dataset("digits", None)
