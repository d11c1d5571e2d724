"""Datasets in the Hugging Face Parquet layout: encoded images and their labels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jobs.data.catalog import Known, Source
from jobs.data.contents import Allocate, Contents, Images, require_whole
from jobs.data.errors import BadSource

_IMAGE_COLUMNS: Final = ("img", "image")
_LABEL_COLUMNS: Final = ("label", "labels")
_FORMATS: Final = ("PNG", "JPEG")
_ROWS_AT_ONCE: Final = 1024


def read(source: Source, allocate: Allocate) -> Contents:
    """Decode all shards, the training ones first, in the order of their names."""
    assert source.known is not None
    sizes = {path: _n_rows(path) for path in source.files}
    for part in ("train", "test"):
        shards = [path for path in source.files if path.name.startswith(f"{part}-")]
        require_whole(source, str(shards[0]), part, sum(sizes[path] for path in shards))
    images = allocate((sum(sizes.values()), *source.known.shape))
    labels = np.empty(len(images), np.int64)
    start = 0
    for path, size in sizes.items():
        _read_shard(path, source.known, images[start : start + size], labels[start : start + size])
        start += size
    return Contents(labels, source.known.n_train, source.known.classes)


def _n_rows(path: Path) -> int:
    return int(_open(path).metadata.num_rows)


def _open(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise BadSource(
            str(path), f"is not a whole Parquet file ({error}): fetch it again"
        ) from error


def _read_shard(path: Path, known: Known, images: Images, labels: NDArray[np.int64]) -> None:
    import pyarrow as pa

    shard = _open(path)
    columns = [
        _column(path, shard.schema_arrow.names, choice)
        for choice in (_IMAGE_COLUMNS, _LABEL_COLUMNS)
    ]
    row = 0
    try:
        for batch in shard.iter_batches(_ROWS_AT_ONCE, columns=columns):
            encoded = batch.column(columns[0])
            if pa.types.is_struct(encoded.type):
                encoded = encoded.field("bytes")
            labels[row : row + len(batch)] = batch.column(
                columns[1]
            ).to_pylist()  # to_numpy would import pandas
            for image in encoded:
                images[row] = _decode(path, row, image.as_py(), known)
                row += 1
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise BadSource(
            str(path), f"cannot be read as images and labels ({error}): fetch it again"
        ) from error
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= len(known.classes):
        raise BadSource(
            str(path), f"has labels outside 0 to {len(known.classes) - 1}: fetch it again"
        )


def _column(path: Path, present: list[str], choice: tuple[str, ...]) -> str:
    for name in choice:
        if name in present:
            return name
    raise BadSource(str(path), f"has no column {' or '.join(choice)} (it has {', '.join(present)})")


def _decode(path: Path, row: int, encoded: bytes | None, known: Known) -> Images:
    from PIL import Image

    if encoded is None:
        raise BadSource(
            str(path),
            f"row {row} names an image instead of holding it: fetch the data with the images "
            "embedded",
        )
    height, width, channels = known.shape
    mode = "L" if channels == 1 else "RGB"
    try:
        with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
            if image.size != (width, height):
                raise BadSource(
                    str(path),
                    f"row {row} is {image.size}, the images of this dataset are {(width, height)}: "
                    "fetch it again",
                )
            pixels = image.tobytes() if image.mode == mode else image.convert(mode).tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        raise BadSource(
            str(path), f"row {row} is not an image ({error}): fetch it again"
        ) from error
    return np.frombuffer(pixels, np.uint8).reshape(known.shape)
