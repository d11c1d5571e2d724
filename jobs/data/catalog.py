"""Which datasets there are, how their names are written, and where their files lie.

Nothing here decodes an image or imports a heavy library, so a command may ask it on every start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobs.data.errors import DataError, DataMissing, UnknownDataset

DEFAULT: Final = "digits"
PREPARED: Final = "prepared"  # our own folder below data_dir; never a class of the user's images
IMAGE_SUFFIXES: Final = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
)

_DIGIT_CLASSES: Final = tuple("0123456789")
_IDX_FILES: Final = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_PICKLES: Final = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_SHAPE: Final = re.compile(r"([1-9]\d*)x([1-9]\d*)x([1-9]\d*)x([1-9]\d*)x([1-9]\d*)")
_SHARD: Final = re.compile(r"-(\d+)-of-(\d+)\.parquet$")


@dataclass(frozen=True)
class Known:
    """A published dataset: what a whole copy of it holds."""

    native: str
    """Folder below data_dir in torchvision's layout."""
    reader: str
    """The reader of that layout."""
    files: tuple[str, ...]
    """Its files; each may also lie there with ``.gz``, where the reader unpacks."""
    n_train: int
    """Images in the official training set; `n_test` likewise."""
    n_test: int
    shape: tuple[int, int, int]
    """(height, width, channels) of one image."""
    classes: tuple[str, ...]


PUBLISHED: Final[Mapping[str, Known]] = {
    "mnist": Known("MNIST/raw", "idx", _IDX_FILES, 60_000, 10_000, (28, 28, 1), _DIGIT_CLASSES),
    "fashion_mnist": Known(
        "FashionMNIST/raw",
        "idx",
        _IDX_FILES,
        60_000,
        10_000,
        (28, 28, 1),
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
    "cifar10": Known(
        "cifar-10-batches-py",
        "cifar",
        _PICKLES,
        50_000,
        10_000,
        (32, 32, 3),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}


@dataclass(frozen=True)
class Source:
    """Where one dataset comes from on this machine."""

    name: str
    """As the grid writes it."""
    reader: str
    """Module of `jobs.data.readers` that reads `files`."""
    files: tuple[Path, ...]
    """What is read, in the reader's order; empty where the data is generated."""
    known: Known | None = None
    """What a whole copy holds, for a published dataset."""


def names() -> tuple[str, ...]:
    """Return the built-in names, the default first; `npz:FILE`, `folder:DIR` and `synthetic:SHAPE`
    come on top."""
    return (DEFAULT, *PUBLISHED)


def name_problem(name: str) -> str | None:
    """Return what is wrong with a dataset's name, seen without looking at any file; None if
    nothing."""
    kind, colon, rest = name.partition(":")
    if not colon:
        if name in names():
            return None
        if name == "synthetic":
            return (
                "synthetic data needs a shape, channels x height x width x classes x images: "
                "synthetic:3x32x32x10x5000"
            )
    elif kind in ("npz", "folder"):
        return None if rest else f"a path must follow '{kind}:'"
    elif kind == "synthetic":
        return (
            None
            if _SHAPE.fullmatch(rest)
            else "the shape is channels x height x width x classes x images: "
            "synthetic:3x32x32x10x5000"
        )
    return (
        f"there is no such dataset: use one of {', '.join(names())}, npz:FILE, folder:DIR and "
        "synthetic:3x32x32x10x5000"
    )


def synthetic_shape(name: str) -> tuple[int, int, int, int, int]:
    """Return (channels, height, width, classes, images) of a synthetic dataset's name."""
    found = _SHAPE.fullmatch(name.partition(":")[2])
    if found is None:
        raise UnknownDataset(name, name_problem(name) or "it is not synthetic")
    channels, height, width, classes, images = (int(number) for number in found.groups())
    return channels, height, width, classes, images


def locate(name: str, data_dir: Path | None) -> Source:
    """Find the files of a dataset; reads none of them.

    Raises:
        UnknownDataset: The name is not one.
        DataMissing: A file is not there; the message says which command fixes it.
    """
    if problem := name_problem(name):
        raise UnknownDataset(name, problem)
    try:
        return _find(name, data_dir)
    except OSError as error:
        raise DataMissing(
            name,
            f"{error.filename} cannot be looked at ({error.strerror})",
            "ask its owner for leave to read it",
        ) from error


def missing(name: str, data_dir: Path | None) -> str | None:
    """Return why a dataset cannot be read on this machine, and the command that fixes it; None if
    it can."""
    try:
        locate(name, data_dir)
    except DataError as error:
        return str(error)
    return None


def prepare_command(name: str, data_dir: Path | None) -> str:
    """Return the command that brings a dataset onto this machine."""
    return f"runner data prepare {name} --data-dir {data_dir or 'DIR'}"


def _find(name: str, data_dir: Path | None) -> Source:
    kind, _, rest = name.partition(":")
    if kind == "npz":
        return Source(name, "npz", (_own_file(name, rest, data_dir),))
    if kind == "folder":
        return Source(name, "folder", _images_below(name, _own_path(rest, data_dir), data_dir))
    if known := PUBLISHED.get(name):
        return _published(name, known, data_dir)
    return Source(name, "generated", ())


def _published(name: str, known: Known, data_dir: Path | None) -> Source:
    fix = f"on a machine with a network run: {prepare_command(name, data_dir)}"
    if data_dir is None:
        raise DataMissing(name, "no data folder is set (--data-dir or RUNNER_DATA)", fix)
    native = _native_files(data_dir / known.native, known)
    if None not in native:
        return Source(name, known.reader, tuple(path for path in native if path), known)
    shards = {
        part: sorted((data_dir / name).glob(f"{part}-*.parquet")) for part in ("train", "test")
    }
    lacking = [lack for part, paths in shards.items() if (lack := _lacking_shards(part, paths))]
    if not lacking:
        return Source(name, "parquet", (*shards["train"], *shards["test"]), known)
    if any(native):
        gone = [file for file, path in zip(known.files, native, strict=True) if path is None]
        raise DataMissing(name, f"{data_dir / known.native} lacks {', '.join(gone)}", fix)
    if any(shards.values()):
        raise DataMissing(name, f"{data_dir / name} lacks {', '.join(lacking)}", fix)
    raise DataMissing(
        name, f"{data_dir} has neither {known.native}/ nor {name}/train-*.parquet", fix
    )


def _native_files(folder: Path, known: Known) -> list[Path | None]:
    suffixes = ("", ".gz") if known.reader == "idx" else ("",)
    return [
        next((path for suffix in suffixes if (path := folder / (file + suffix)).is_file()), None)
        for file in known.files
    ]


def _lacking_shards(part: str, paths: Sequence[Path]) -> str | None:
    """Which shards of a part are not there: a lost shard would silently make the dataset
    smaller."""
    if not paths:
        return f"{part}-*.parquet"
    numbered = [found for path in paths if (found := _SHARD.search(path.name))]
    if len(numbered) != len(paths):
        return None
    gone = set(range(max(int(found[2]) for found in numbered))) - {
        int(found[1]) for found in numbered
    }
    return f"{part} shards {', '.join(map(str, sorted(gone)))}" if gone else None


def _own_path(text: str, data_dir: Path | None) -> Path:
    """A user's own path: absolute, below the home, or below data_dir where one is set."""
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - which leaves the name of a user that is not there as it is
    return path if data_dir is None else data_dir / path


def _own_file(name: str, text: str, data_dir: Path | None) -> Path:
    path = _own_path(text, data_dir)
    if not path.is_file():
        raise DataMissing(
            name, f"{path} is not a file", "give its absolute path, or one below --data-dir"
        )
    return path


def _images_below(name: str, folder: Path, data_dir: Path | None) -> tuple[Path, ...]:
    """All images of a folder of classes, by class and then by name."""
    if not folder.is_dir():
        raise DataMissing(
            name, f"{folder} is not a folder", "give its absolute path, or one below --data-dir"
        )
    ours = data_dir / PREPARED if data_dir else None
    classes = sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith(".") and Path(entry.path) != ours
    )
    if not classes:
        raise DataMissing(
            name,
            f"{folder} has no sub-folders",
            "put the images of each class into a sub-folder of its own",
        )
    images: list[Path] = []
    for label in classes:
        found = sorted(entry.name for entry in os.scandir(folder / label) if _is_image(entry.name))
        if not found:
            raise DataMissing(
                name,
                f"{folder / label} holds no images",
                "each sub-folder is a class with its images directly in it",
            )
        images.extend(folder / label / file for file in found)
    return tuple(images)


def _is_image(file: str) -> bool:
    return not file.startswith(".") and Path(file).suffix.lower() in IMAGE_SUFFIXES
