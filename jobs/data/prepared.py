"""The files of one prepared folder: written once from a source, mapped by every worker."""

from __future__ import annotations

import hashlib
import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from jobs.data import digests
from jobs.data.cache import FORMAT, MANIFEST, SOURCES, state_of, writing
from jobs.data.catalog import Source
from jobs.data.contents import Allocate, Contents, Images
from jobs.data.dataset import Dataset
from jobs.data.errors import BadSource, DamagedCache

_IMAGES_AT_ONCE: Final = 1024


def write(source: Source, folder: Path) -> None:
    """Read a source and write images, labels, sums and manifest into an empty folder.

    Raises:
        BadSource: The source is not what it should be.
        CacheNotWritable: The disk is full, or read-only.
    """
    given: list[Images] = []

    def allocate(shape: tuple[int, int, int, int]) -> Images:
        given.append(_allocate(folder / "images.npy", shape))
        return given[-1]

    contents = _read(source, allocate)
    (images,) = given
    sums = _sums(images)
    sources = [_describe(path) for path in source.files]
    with writing(folder.parent):
        np.save(folder / "labels.npy", contents.labels)
        np.save(folder / "sums.npy", sums)
        _write_json(folder / SOURCES, sources)
        _write_json(
            folder / MANIFEST,
            {
                "format": FORMAT,
                "name": source.name,
                "reader": source.reader,
                "shape": images.shape,
                "n_train": contents.n_train,
                "classes": contents.classes,
                "digest": _digest(images, contents.labels),
                "source": digests.of_source(source, [file["sha256"] for file in sources]),
            },
        )


def open_folder(name: str, folder: Path) -> Dataset:
    """Map a prepared folder; costs a few small reads and no pass over the pixels.

    Raises:
        DamagedCache: A file of it is cut off, missing or unreadable.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        images, labels, sums = (
            np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("images", "labels", "sums")
        )
        if list(images.shape) != manifest["shape"] or not len(images) == len(labels) == len(sums):
            raise DamagedCache(str(folder), "its arrays differ in length")
        return Dataset(
            name,
            images,
            labels,
            manifest["n_train"],
            tuple(manifest["classes"]),
            manifest["digest"],
            manifest.get("source", ""),
            folder,
            sums,
        )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DamagedCache(str(folder), str(error)) from error


def _read(source: Source, allocate: Allocate) -> Contents:
    reader = import_module(
        f"jobs.data.readers.{source.reader}"
    )  # late: each brings its own decoder
    return cast(Contents, reader.read(source, allocate))


def _allocate(path: Path, shape: tuple[int, int, int, int]) -> Images:
    """A writable mapped array whose disk blocks are already taken: a disk full later would kill the
    process by SIGBUS."""
    with writing(path.parent.parent), path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        start = file.tell()
        file.flush()
        if size := int(np.prod(shape, dtype=np.int64)):
            os.posix_fallocate(file.fileno(), start, size)
    return np.memmap(path, np.uint8, "r+", start, shape)


def _sums(images: Images) -> NDArray[np.int64]:
    """Sum and sum of squares of each image's pixels by channel, shape (n, 2, channels)."""
    n, height, width, channels = images.shape
    sums = np.empty((n, 2, channels), np.int64)
    for start in range(0, n, _IMAGES_AT_ONCE):
        pixels = (
            images[start : start + _IMAGES_AT_ONCE]
            .reshape(-1, height * width, channels)
            .astype(np.uint32)
        )
        pixels.sum(axis=1, dtype=np.int64, out=sums[start : start + len(pixels), 0])
        np.square(pixels).sum(axis=1, dtype=np.int64, out=sums[start : start + len(pixels), 1])
    return sums


def _digest(images: Images, labels: NDArray[np.int64]) -> str:
    digest = hashlib.sha256(repr(images.shape).encode())
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        digest.update(images[start : start + _IMAGES_AT_ONCE].tobytes())
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _describe(path: Path) -> dict[str, Any]:
    size, changed_ns = state_of(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadSource(str(path), f"cannot be read ({error.strerror})") from error
    return {"path": str(path), "size": size, "mtime_ns": changed_ns, "sha256": digest}


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
