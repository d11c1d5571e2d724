"""What can go wrong between a dataset's name in a grid and its arrays in a worker."""

from __future__ import annotations

from jobs.errors import JobsError


class DataError(JobsError):
    """Root of the errors of datasets."""


class UnknownDataset(DataError):
    """No dataset has this name; nothing was read."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"dataset '{self.name}': {self.problem}"


class DataMissing(DataError):
    """The dataset's files are not where a worker would look for them."""

    name: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"dataset '{self.name}' cannot be read: {self.problem}; {self.fix}"


class WeightsMissing(DataError):
    """A model's pretrained weights are not where a worker would look for them, or are not the
    published ones."""

    model: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return (
            f"the pretrained weights of {self.model} cannot be loaded: {self.problem}; {self.fix}"
        )


class BadSource(DataError):
    """A file of the dataset is there and cannot be used as it is."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class ChecksumMismatch(DataError):
    """A file that would be unpickled, or was downloaded, is not the published one; it was not
    opened."""

    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.path}: md5 is {self.found}, the published file has {self.expected}: delete it "
            "and prepare the dataset again"
        )


class DownloadFailed(DataError):
    """The publisher could not be reached, or sent something else; no file was put in place."""

    name: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"'{self.name}' could not be downloaded ({self.reason}); {self.fix}"


class CacheNotWritable(DataError):
    """The prepared arrays could not be written; what was begun was removed."""

    folder: str
    reason: str

    def __str__(self) -> str:
        return (
            f"prepared data cannot be written to {self.folder} ({self.reason}): set "
            "RUNNER_CACHE to a folder with free space"
        )


class DamagedCache(DataError):
    """A prepared folder is there and is not what was once written."""

    folder: str
    reason: str

    def __str__(self) -> str:
        return (
            f"prepared data in {self.folder} is damaged ({self.reason}): delete that folder; "
            "the next use builds it again"
        )


class BadSplit(DataError):
    """The split asked for cannot be cut from this dataset."""

    problem: str

    def __str__(self) -> str:
        return self.problem
