"""An error crosses from a worker to the driver whole."""

from __future__ import annotations

import pickle

import pytest

from jobs.data import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.UnknownDataset("mnits", "there is no such dataset"),
        errors.DataMissing("mnist", "it is not there", "run this"),
        errors.BadSource("/data/file", "is broken"),
        errors.ChecksumMismatch("/data/file", "aa", "bb"),
        errors.DownloadFailed("mnist", "no network", "copy it"),
        errors.CacheNotWritable("/cache", "No space left on device"),
        errors.DamagedCache("/cache/mnist-1", "cut off"),
        errors.BadSplit("it adds up to 2"),
    ],
)
def test_it_unpickles_as_it_was(error: errors.DataError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
