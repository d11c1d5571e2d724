"""The user's own image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jobs.data import open_dataset
from jobs.data.errors import BadSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user's, apart from the cache."""
    return tmp_path / "images"


def save(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_sub_folder_is_a_class(folder: Path) -> None:
    colors = np.random.RandomState(0).randint(0, 256, (3, 4, 6, 3), np.uint8)
    for pixels, file in zip(colors, ("cat/1.png", "cat/2.png", "dog/1.png"), strict=True):
        save(folder / file, pixels)
    data = open_dataset("folder:.", folder)
    np.testing.assert_array_equal(data.images, colors)
    assert (data.labels.tolist(), data.classes, data.n_train) == ([0, 0, 1], ("cat", "dog"), 3)


def test_gray_images_keep_one_channel_unless_one_has_color(folder: Path) -> None:
    gray = np.arange(16, dtype=np.uint8).reshape(4, 4)
    save(folder / "a" / "1.png", gray)
    save(folder / "b" / "1.png", gray + 100)
    data = open_dataset(f"folder:{folder}", None)
    np.testing.assert_array_equal(data.images[..., 0], [gray, gray + 100])
    save(folder / "b" / "2.png", np.dstack([gray] * 3))
    assert open_dataset(f"folder:{folder}", None).images.shape == (3, 4, 4, 3)


def test_images_of_two_sizes_are_named(folder: Path) -> None:
    save(folder / "a" / "1.png", np.zeros((4, 4), np.uint8))
    save(folder / "b" / "odd.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(
        BadSource,
        match=r"b/odd.png: is 5 x 4 pixels, .*a/1.png is 4 x 4: bring all images to one size first",
    ):
        open_dataset(f"folder:{folder}", None)


def test_a_file_that_is_no_image_is_named(folder: Path) -> None:
    save(folder / "a" / "1.png", np.zeros((40, 40), np.uint8))
    (folder / "a" / "2.png").write_text("no image")
    with pytest.raises(BadSource, match=r"a/2.png: is not an image that can be read"):
        open_dataset(f"folder:{folder}", None)
    whole = (folder / "a" / "1.png").read_bytes()
    (folder / "a" / "2.png").write_bytes(whole[:-30])
    with pytest.raises(BadSource, match=r"a/2.png: cannot be decoded"):
        open_dataset(f"folder:{folder}", None)


def test_more_than_8_bits_are_refused_and_not_cut(folder: Path) -> None:
    save(folder / "a" / "1.png", np.full((4, 4), 1000, np.uint16))
    with pytest.raises(
        BadSource, match=r"1\.png: has color mode I;16: save it with 8 bits a channel"
    ):
        open_dataset(f"folder:{folder}", None)


def test_the_cache_beside_the_images_is_no_class(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNNER_CACHE")
    save(folder / "cat" / "1.png", np.zeros((4, 4), np.uint8))
    save(folder / "dog" / "1.png", np.zeros((4, 4), np.uint8))
    first = open_dataset("folder:.", folder)
    assert first.folder.parent == folder / "prepared"
    assert open_dataset("folder:.", folder).classes == ("cat", "dog")
