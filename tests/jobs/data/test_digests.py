"""A dataset's digest follows what its files hold, wherever they lie and whether they are prepared."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs.data import digests, open_dataset, source_digest
from jobs.data.cache import MANIFEST
from jobs.data.catalog import Source

LARGE = 2**20


def arrays(path: Path, seed: int = 0) -> Path:
    """Write images and labels, as many bytes whatever the seed is."""
    images = np.random.default_rng(seed).integers(0, 255, (6, 4, 4), np.uint8)
    np.savez(path, images=images, labels=np.arange(6) % 2)
    return path


def test_it_is_known_before_and_after_the_data_is_prepared(tmp_path: Path) -> None:
    arrays(tmp_path / "a.npz")
    assert source_digest("npz:a.npz", tmp_path) is None
    before = source_digest("npz:a.npz", tmp_path, at_most=LARGE)
    opened = open_dataset("npz:a.npz", tmp_path)
    assert opened.source == before == source_digest("npz:a.npz", tmp_path)


def test_a_copy_has_it_and_other_contents_of_one_size_have_another(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    file = arrays(here / "a.npz")
    first = open_dataset("npz:a.npz", here).source
    shutil.copyfile(file, there / "b.npz")
    os.utime(file, (1, 1))
    assert source_digest("npz:b.npz", there, at_most=LARGE) == first
    assert source_digest("npz:a.npz", here, at_most=LARGE) == first
    arrays(file, seed=1)
    assert source_digest("npz:a.npz", here, at_most=LARGE) != first
    assert open_dataset("npz:a.npz", here).source != first


def test_what_is_packed_counts_by_what_is_in_it(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    for folder in (plain, packed):
        folder.mkdir()
    (plain / "images").write_bytes(b"pixels")
    for level in (1, 9):
        (packed / "images.gz").write_bytes(gzip.compress(b"pixels", level))
        assert digests.of_source(Source("mnist", "idx", (packed / "images.gz",))) == (
            digests.of_source(Source("mnist", "idx", (plain / "images",)))
        )


def test_the_class_of_an_image_is_part_of_it(tmp_path: Path) -> None:
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("L", (4, 4), 7).save(tmp_path / "photos" / label / "1.png")
    Image.new("L", (4, 4), 9).save(tmp_path / "photos" / "cat" / "2.png")
    first = source_digest("folder:photos", tmp_path, at_most=LARGE)
    shutil.move(tmp_path / "photos" / "cat" / "2.png", tmp_path / "photos" / "dog" / "2.png")
    assert source_digest("folder:photos", tmp_path, at_most=LARGE) not in (None, first)


def test_data_that_an_earlier_version_prepared_has_it_too(tmp_path: Path) -> None:
    arrays(tmp_path / "a.npz")
    opened = open_dataset("npz:a.npz", tmp_path)
    manifest = opened.folder / MANIFEST
    known = json.loads(manifest.read_bytes())
    del known["source"]
    manifest.write_text(json.dumps(known))
    assert source_digest("npz:a.npz", tmp_path) == opened.source
    assert open_dataset("npz:a.npz", tmp_path).source == opened.source


@pytest.mark.parametrize("name", ["digits", "synthetic:1x4x4x2x10"])
def test_generated_data_is_known_by_its_name(name: str) -> None:
    assert source_digest(name, None) == open_dataset(name, None).source
    assert source_digest("synthetic:1x4x4x2x20", None) != source_digest(name, None)


def test_of_what_is_not_there_nothing_is_known(tmp_path: Path) -> None:
    assert source_digest("npz:a.npz", tmp_path, at_most=LARGE) is None
    assert source_digest("no such data", tmp_path, at_most=LARGE) is None
