"""Datasets without files: scikit-learn's bundled digits, and random images for pure speed."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from jobs.data.catalog import DEFAULT, Source, synthetic_shape
from jobs.data.contents import Allocate, Contents
from jobs.data.splits import shares

_TEST_SHARE: Final = Fraction(1, 5)
_BYTES_AT_ONCE: Final = (
    1 << 24
)  # a multiple of the generator's 4-byte words, so that the pieces join to one stream


def read(source: Source, allocate: Allocate) -> Contents:
    """Generate what the name asks for; the same bytes on every machine."""
    return _digits(allocate) if source.name == DEFAULT else _synthetic(source.name, allocate)


def _digits(allocate: Allocate) -> Contents:
    """1,797 real handwritten digits of 8 x 8 pixels, their 17 gray levels spread over 0 to 255.

    They come without a test set: a fixed stratified fifth is held out once and for all.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    train, test = shares(labels, [1 - _TEST_SHARE, _TEST_SHARE], np.random.RandomState(0))
    order = np.concatenate((train, test))
    images = allocate((len(order), 8, 8, 1))
    images[...] = ((pixels[order].astype(np.int64) * 255 + 8) // 16).reshape(images.shape)
    return Contents(labels[order].astype(np.int64), len(train), tuple("0123456789"))


def _synthetic(name: str, allocate: Allocate) -> Contents:
    """Noise, with labels that go round the classes; the last fifth is the test set."""
    channels, height, width, classes, n = synthetic_shape(name)
    images = allocate((n, height, width, channels))
    flat = images.reshape(-1)
    stream = np.random.RandomState(0)
    for start in range(0, flat.size, _BYTES_AT_ONCE):
        piece = flat[start : start + _BYTES_AT_ONCE]
        piece[...] = np.frombuffer(stream.bytes(piece.size), np.uint8)
    labels = np.arange(n, dtype=np.int64) % classes
    return Contents(labels, n - int(n * _TEST_SHARE), tuple(str(label) for label in range(classes)))
