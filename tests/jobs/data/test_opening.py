"""A dataset opens the same for everyone, is built once, and again when its files change."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs.data import DataError, open_dataset, prepare
from jobs.data.dataset import Dataset
from jobs.data.errors import DamagedCache, DataMissing

SMALL = "synthetic:3x8x6x4x50"


def save_npz(path: Path, seed: int) -> None:
    stream = np.random.RandomState(seed)
    np.savez(path, images=stream.randint(0, 256, (20, 5, 5), np.uint8), labels=np.arange(20) % 2)


def test_the_digits_are_scikit_learns_own(digits: Dataset) -> None:
    from sklearn.datasets import load_digits

    bundled = load_digits()
    assert digits.images.shape == (1797, 8, 8, 1)
    assert digits.n_train == 1438
    assert digits.images.min() == 0
    assert digits.images.max() == 255
    pixels = np.rint(digits.images[..., 0].astype(float) * 16 / 255).astype(
        int
    )  # spreading over 0..255 lost nothing
    assert sorted(map(bytes, pixels.astype(np.uint8))) == sorted(
        map(bytes, bundled.images.astype(np.uint8))
    )
    order = {
        bytes(image): label
        for image, label in zip(bundled.images.astype(np.uint8), bundled.target, strict=True)
    }
    assert [order[bytes(image)] for image in pixels.astype(np.uint8)] == digits.labels.tolist()
    assert set(np.bincount(digits.labels[digits.n_train :])) <= {35, 36, 37}
    assert digits.digest == "c0c75e3f7d4f886fbd57e1f956567c16305b3942c1d9d473a62a5d684dd18d97"


def test_mnist_is_the_published_one(open_real: Callable[[str], Dataset]) -> None:
    mnist = open_real("mnist")
    assert mnist.images.shape == (70_000, 28, 28, 1)
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_labels is not None
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert mnist.digest == "da6d04f7dac7051c56317a81ba32c690af7a389794fec71b949d0e0a033345f0"
    figures = mnist.statistics()
    assert (round(float(figures.mean[0]), 4), round(float(figures.std[0]), 4)) == (
        0.1307,
        0.3081,
    )  # the figures everybody quotes


def test_cifar10_from_parquet(open_real: Callable[[str], Dataset]) -> None:
    cifar = open_real("cifar10")
    assert cifar.images.shape == (60_000, 32, 32, 3)
    assert cifar.classes[:3] == ("airplane", "automobile", "bird")
    assert set(np.bincount(cifar.train_labels)) == {5_000}
    assert cifar.test_labels is not None
    assert set(np.bincount(cifar.test_labels)) == {1_000}
    # Published: 0.4914 0.4822 0.4465 and 0.2470 0.2435 0.2616; these pixels went through JPEG once
    # more.
    np.testing.assert_allclose(cifar.statistics().mean, [0.4914, 0.4822, 0.4465], atol=1e-3)
    np.testing.assert_allclose(cifar.statistics().std, [0.2470, 0.2435, 0.2616], atol=3e-3)


def test_synthetic_data_is_the_same_everywhere() -> None:
    data = open_dataset(SMALL, None)
    assert data.images.shape == (50, 8, 6, 3)
    assert data.n_train == 40
    assert data.labels[:6].tolist() == [0, 1, 2, 3, 0, 1]
    assert data.digest == "605dc16330dcb2968bc73f00cf3895ed03a73de31e3343d2c15a8b0ff85a274f"


def test_workers_map_the_arrays_and_cannot_change_them() -> None:
    data = open_dataset(SMALL, None)
    assert isinstance(data.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 0
    assert data.test_images is not None
    assert np.shares_memory(data.train_images, data.images)
    assert np.shares_memory(data.test_images, data.images)


def test_statistics_of_any_part_are_those_of_its_pixels() -> None:
    data = open_dataset(SMALL, None)
    chosen = np.array([3, 7, 41])
    figures = data.statistics(chosen)
    pixels = data.images[chosen].reshape(-1, 3) / 255
    np.testing.assert_allclose(figures.mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(figures.std, pixels.std(axis=0), rtol=1e-12)


def test_a_channel_that_never_changes_can_be_divided_by(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "flat.npz", images=np.full((4, 2, 2), 51, np.uint8), labels=np.arange(4) % 2
    )
    figures = open_dataset("npz:flat.npz", tmp_path).statistics()
    assert (figures.mean.tolist(), figures.std.tolist()) == ([0.2], [1.0])


def test_preparing_says_where_and_only_once_builds() -> None:
    said: list[str] = []
    assert prepare(SMALL, None, say=said.append).built
    again = prepare(SMALL, None, say=said.append)
    assert not again.built
    assert said == [
        f"{SMALL}: 50 images of 8 x 6 x 3 in 4 classes prepared in {again.folder}",
        f"{SMALL}: 50 images of 8 x 6 x 3 in 4 classes were prepared already in {again.folder}",
    ]


def test_a_changed_source_is_built_again_and_the_old_arrays_stay_readable(tmp_path: Path) -> None:
    save_npz(tmp_path / "own.npz", seed=0)
    before = open_dataset("npz:own.npz", tmp_path)
    first = before.images.copy()
    save_npz(tmp_path / "own.npz", seed=1)
    after = open_dataset("npz:own.npz", tmp_path)
    assert before.digest != after.digest
    assert not np.array_equal(after.images, first)
    np.testing.assert_array_equal(before.images, first)


def test_the_digest_is_that_of_the_pixels_wherever_they_came_from(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        save_npz(tmp_path / place / "own.npz", seed=0)
    a, b = (open_dataset("npz:own.npz", tmp_path / place) for place in ("a", "b"))
    assert a.folder != b.folder
    assert a.digest == b.digest


def test_prepared_beside_the_data_is_found_under_another_mount_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "data").mkdir()
    save_npz(tmp_path / "data" / "own.npz", seed=0)
    assert prepare("npz:own.npz", tmp_path / "data", say=lambda line: None).built
    (tmp_path / "node").symlink_to(tmp_path / "data")
    assert not prepare("npz:own.npz", tmp_path / "node", say=lambda line: None).built
    assert not (tmp_path / "home").exists()


def test_several_processes_at_once_build_once(tmp_path: Path) -> None:
    save_npz(tmp_path / "own.npz", seed=0)
    asked = (
        "import pathlib, sys, jobs.data as d; print(d.prepare('npz:own.npz', "
        "pathlib.Path(sys.argv[1]), say=lambda line: None).built)"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", asked, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    built = [worker.communicate()[0].strip() for worker in workers]
    assert sorted(built) == ["False", "False", "False", "True"]


def test_a_worker_never_downloads(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="runner data prepare fashion_mnist"):
        open_dataset("fashion_mnist", tmp_path)
    with pytest.raises(DataMissing, match="runner data prepare fashion_mnist"):
        prepare("fashion_mnist", tmp_path, download=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["images.npy", "labels.npy", "sums.npy", "manifest.json"])
def test_a_damaged_cache_is_named_and_not_used(file: str) -> None:
    folder = open_dataset(SMALL, None).folder
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedCache, match=f"{folder.name} is damaged .*: delete that folder"):
        open_dataset(SMALL, None)


def test_the_sources_are_written_down(open_real: Callable[[str], Dataset]) -> None:
    import json

    sources = json.loads((open_real("mnist").folder / "sources.json").read_text())
    assert [Path(source["path"]).name.split("-")[0] for source in sources] == [
        "train",
        "train",
        "t10k",
        "t10k",
    ]
    assert all(len(source["sha256"]) == 64 and source["size"] > 0 for source in sources)


def test_errors_of_the_room_have_one_root() -> None:
    with pytest.raises(DataError):
        open_dataset("nothing", None)
