"""The two ways to a dataset: a person prepares it, a worker opens it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.data import cache, digests, weights
from jobs.data.catalog import PUBLISHED, Source, locate, missing
from jobs.data.errors import BadSplit, DataError, UnknownDataset
from jobs.data.fractions import check_subset, sizes_of

if TYPE_CHECKING:
    from jobs.data.dataset import Dataset


@dataclass(frozen=True)
class Prepared:
    """What `prepare` found or built."""

    name: str
    folder: Path
    shape: tuple[int, int, int, int]
    n_train: int
    classes: tuple[str, ...]
    digest: str
    built: bool
    """False if it was there already."""


def open_dataset(name: str, data_dir: Path | None) -> Dataset:
    """Map a dataset for reading, in milliseconds once it is prepared.

    Its prepared arrays are built first if only its files are there; of several processes one builds
    and the others wait. Never downloads.

    Raises:
        UnknownDataset, DataMissing: It cannot be found; the message says which command fixes it.
        BadSource, CacheNotWritable, DamagedCache: It cannot be read, or its arrays not be written.
    """
    return _open(name, data_dir)[0]


def source_digest(name: str, data_dir: Path | None, *, at_most: int = 0) -> str | None:
    """Return the digest of the files that a worker would read now; None if they cannot be read.

    Args:
        name: The dataset.
        data_dir: Folder of the datasets.
        at_most: Files that are not prepared are read for it if they have no more bytes; else their
            digest is not known.
    """
    try:
        source = locate(name, data_dir)
        folder = cache.find(source, data_dir)
        if folder is not None:
            return _recorded(source, folder)
        return digests.of_source(source) if digests.bytes_of(source) <= at_most else None
    except (DataError, OSError, ValueError):  # whoever opens it says so
        return None


def _recorded(source: Source, folder: Path) -> str:
    """What a prepared folder says of its files; an earlier version noted each file alone."""
    known = json.loads((folder / cache.MANIFEST).read_bytes()).get("source")
    if isinstance(known, str):
        return known
    files = json.loads((folder / cache.SOURCES).read_bytes())
    return digests.of_source(source, [file["sha256"] for file in files])


def split_refusal(
    name: str, data_dir: Path | None, how: object, train_subset: int | None, test_subset: int | None
) -> str | None:
    """Return why a dataset that is prepared cannot be split so; None if it can, or if it is not
    prepared and nobody knows its size."""
    try:
        folder = cache.find(locate(name, data_dir), data_dir)
        if folder is None:
            return None
        manifest = json.loads((folder / cache.MANIFEST).read_bytes())
        train, _, test = sizes_of(manifest["shape"][0], manifest["n_train"], how)
        check_subset(train_subset, train, "train")
        check_subset(test_subset, test, "test")
    except BadSplit as error:
        return str(error)
    except (DataError, OSError, ValueError, LookupError):  # whoever opens it says so
        return None
    return None


def prepare_weights(name: str, data_dir: Path | None, say: Callable[[str], None] = print) -> Path:
    """Bring the weights that `name` (``weights:MODEL``) asks for below the data folder, unless they
    are there already.

    Args:
        say: Told what is going on, a line at a time.

    Raises:
        UnknownDataset: No such weights are published.
        WeightsMissing: No data folder is set.
        DownloadFailed: There is no network, or what came is not what was published.
        CacheNotWritable: `data_dir` has no room, or is read-only.
    """
    model = name.removeprefix(weights.PREFIX)
    if model not in weights.ADDRESSES:
        raise UnknownDataset(
            name, f"no such weights are published; there are {', '.join(weights.weights_names())}"
        )
    if data_dir is not None and weights.problem_with(model, data_dir):
        from jobs.data.download import download_weights

        download_weights(model, data_dir, say)
    path = weights.require_weights(model, data_dir)
    say(f"{name}: {path} has the published checksum {weights.checksum(model)}")
    return path


def prepare(
    name: str, data_dir: Path | None, download: bool = True, say: Callable[[str], None] = print
) -> Prepared:
    """Bring a dataset onto this machine and build its prepared arrays.

    Args:
        download: Fetch it from its publisher if its files are not in `data_dir`.
        say: Told what is going on, a line at a time.

    Raises:
        DownloadFailed: There is no network, or what came is not what was published.
        DataError: As `open_dataset`.
    """
    if download and data_dir is not None and name in PUBLISHED and missing(name, data_dir):
        from jobs.data.download import download as fetch

        fetch(name, data_dir, say)
    dataset, built = _open(name, data_dir)
    n, height, width, channels = dataset.images.shape
    say(
        f"{name}: {n} images of {height} x {width} x {channels} in {len(dataset.classes)} classes "
        f"{'prepared' if built else 'were prepared already'} in {dataset.folder}"
    )
    return Prepared(
        name,
        dataset.folder,
        (n, height, width, channels),
        dataset.n_train,
        dataset.classes,
        dataset.digest,
        built,
    )


def _open(name: str, data_dir: Path | None) -> tuple[Dataset, bool]:
    from jobs.data import prepared  # late: numpy

    source = locate(name, data_dir)
    folder, built = cache.find(source, data_dir), False
    if folder is None:
        folder, built = cache.build(source, data_dir, functools.partial(prepared.write, source))
    dataset = prepared.open_folder(name, folder)
    if not dataset.source:
        dataset = replace(dataset, source=_recorded(source, folder))
    return dataset, built
