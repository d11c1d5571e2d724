"""The user's own image files: a folder with one sub-folder a class."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from jobs.data.catalog import Source
from jobs.data.contents import Allocate, Contents
from jobs.data.errors import BadSource

_GRAY: Final = frozenset(("1", "L"))
_COLOR: Final = frozenset(("RGB", "RGBA", "P", "LA", "PA", "CMYK", "YCbCr"))


def read(source: Source, allocate: Allocate) -> Contents:
    """Decode all images; to one channel if every one is gray, else to three. There is no test set.

    Raises:
        BadSource: A file is no image, has more than 8 bits a channel, or another size than the
            first.
    """
    from PIL import Image

    modes: set[str] = set()
    first = source.files[0]
    size = _header(first)[0]
    for path in source.files:
        found, mode = _header(path)
        if found != size:
            raise BadSource(
                str(path),
                f"is {found[0]} x {found[1]} pixels, {first} is {size[0]} x {size[1]}: bring all "
                "images to one size first",
            )
        modes.add(mode)
    mode, channels = ("L", 1) if modes <= _GRAY else ("RGB", 3)
    images = allocate((len(source.files), size[1], size[0], channels))
    for row, path in enumerate(source.files):
        try:
            with Image.open(path) as image:
                images[row] = np.asarray(image.convert(mode)).reshape(images.shape[1:])
        except (OSError, SyntaxError, ValueError) as error:
            raise BadSource(str(path), f"cannot be decoded ({error})") from error
    classes = tuple(
        dict.fromkeys(path.parent.name for path in source.files)
    )  # in the order of the files: by class
    number = {label: at for at, label in enumerate(classes)}
    labels = np.array([number[path.parent.name] for path in source.files], np.int64)
    return Contents(labels, len(labels), classes)


def _header(path: Path) -> tuple[tuple[int, int], str]:
    """(width, height) and color mode, without decoding."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            size, mode = image.size, image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadSource(str(path), f"is not an image that can be read ({error})") from error
    if mode not in _GRAY | _COLOR:
        raise BadSource(
            str(path), f"has color mode {mode}: save it with 8 bits a channel, gray or RGB"
        )
    return size, mode
