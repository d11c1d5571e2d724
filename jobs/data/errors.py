"""What can go wrong between a dataset's name in a grid and its arrays in a worker."""

from __future__ import annotations

from jobs.errors import JobsError


class DataError(JobsError):
    """The root of this room's errors."""


class UnknownDataset(DataError):
    """No dataset goes by this name; nothing was read."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name, self.problem = name, problem

    def __str__(self) -> str:
        return f"dataset '{self.name}': {self.problem}"


class DataMissing(DataError):
    """The dataset's files are not where a worker would look for them."""

    def __init__(self, name: str, problem: str, cure: str) -> None:
        super().__init__(name, problem, cure)
        self.name, self.problem, self.cure = name, problem, cure

    def __str__(self) -> str:
        return f"dataset '{self.name}' cannot be read: {self.problem}; {self.cure}"


class WeightsMissing(DataError):
    """A model's pretrained weights are not where a worker would look for them, or are not the
    published ones."""

    def __init__(self, model: str, problem: str, cure: str) -> None:
        super().__init__(model, problem, cure)
        self.model, self.problem, self.cure = model, problem, cure

    def __str__(self) -> str:
        return (
            f"the pretrained weights of {self.model} cannot be loaded: {self.problem}; {self.cure}"
        )


class BadSource(DataError):
    """A file of the dataset is there and cannot be used as it is."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class ChecksumMismatch(BadSource):
    """A file that would be unpickled, or was downloaded, is not the published one; it was not
    opened."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        DataError.__init__(self, path, expected, found)
        self.path, self.expected, self.found = path, expected, found
        self.problem = (
            f"md5 is {found}, the published file has {expected}: delete it and prepare "
            "the dataset again"
        )


class DownloadFailed(DataError):
    """The publisher could not be reached, or sent something else; no file was put in place."""

    def __init__(self, name: str, reason: str, cure: str) -> None:
        super().__init__(name, reason, cure)
        self.name, self.reason, self.cure = name, reason, cure

    def __str__(self) -> str:
        return f"'{self.name}' could not be downloaded ({self.reason}); {self.cure}"


class CacheNotWritable(DataError):
    """The prepared arrays could not be written; what was begun was removed."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return (
            f"prepared data cannot be written to {self.folder} ({self.reason}): set "
            "RUNNER_CACHE to a folder with room"
        )


class DamagedCache(DataError):
    """A prepared folder is there and is not what was once written."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return (
            f"prepared data in {self.folder} is damaged ({self.reason}): delete that folder, "
            "the next use builds it again"
        )


class BadSplit(DataError):
    """The split asked for cannot be cut from this dataset."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem
