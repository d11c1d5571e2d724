"""Fetching, through torchvision's own downloader, from a server of our own."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from jobs.compat import torchvision
from jobs.data import missing, prepare
from jobs.data.catalog import PUBLISHED
from jobs.data.download import download
from jobs.data.errors import BadSource, DownloadFailed
from jobs.data.readers.cifar import PUBLISHED_MD5
from tests.jobs.data.conftest import NOWHERE


def publish_fashion_mnist(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank images in Fashion-MNIST's files, and torchvision told of their address and sums."""
    resources = []
    for file, shape in zip(
        PUBLISHED["fashion_mnist"].files,
        ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)),
        strict=True,
    ):
        packed = gzip.compress(
            struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
            + np.zeros(shape, np.uint8).tobytes(),
            1,
        )
        (folder / f"{file}.gz").write_bytes(packed)
        resources.append((f"{file}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(torchvision().datasets.FashionMNIST, "mirrors", [NOWHERE, address])
    monkeypatch.setattr(torchvision().datasets.FashionMNIST, "resources", resources)


def test_our_tables_are_torchvisions() -> None:
    datasets = torchvision().datasets
    assert dict(datasets.CIFAR10.train_list + datasets.CIFAR10.test_list) == PUBLISHED_MD5
    assert PUBLISHED["fashion_mnist"].classes == tuple(datasets.FashionMNIST.classes)
    for name, publisher in (("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)):
        assert [file.removesuffix(".gz") for file, _ in publisher.resources] == list(
            PUBLISHED[name].files
        )
        assert PUBLISHED[name].native == f"{publisher.__name__}/raw"


def test_the_second_mirror_serves_where_the_first_is_down(
    publisher: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_fashion_mnist(*publisher, monkeypatch)
    said: list[str] = []
    assert prepare("fashion_mnist", tmp_path / "data", say=said.append).shape == (70_000, 28, 28, 1)
    assert said[0] == f"fashion_mnist: fetching {NOWHERE}train-images-idx3-ubyte.gz"
    assert sorted(
        path.name for path in (tmp_path / "data" / "FashionMNIST" / "raw").iterdir()
    ) == sorted(f"{file}.gz" for file in PUBLISHED["fashion_mnist"].files)
    assert missing("fashion_mnist", tmp_path / "data") is None


def test_only_what_is_lacking_is_fetched(
    publisher: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_fashion_mnist(*publisher, monkeypatch)
    said: list[str] = []
    download("fashion_mnist", tmp_path, said.append)
    lost = tmp_path / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    lost.unlink()
    said.clear()
    download("fashion_mnist", tmp_path, said.append)
    assert lost.exists()
    assert {line.rpartition("/")[2] for line in said} == {lost.name}


def test_another_file_than_the_published_one_is_not_kept(
    publisher: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = publisher
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    monkeypatch.setattr(torchvision().datasets.MNIST, "mirrors", [address])
    with pytest.raises(DownloadFailed, match="corrupted"):
        prepare("mnist", tmp_path / "data", say=lambda line: None)
    assert list((tmp_path / "data" / "MNIST" / "raw").iterdir()) == []
    assert not list((tmp_path / "data").glob("*.partial"))


def test_without_a_network_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision().datasets.CIFAR10, "url", f"{NOWHERE}cifar-10-python.tar.gz")
    with pytest.raises(
        DownloadFailed,
        match=f"--data-dir DIR there and copy DIR/cifar-10-batches-py into {tmp_path}",
    ):
        prepare("cifar10", tmp_path, say=lambda line: None)


def test_the_archive_of_cifar10_is_unpacked_to_its_place(
    publisher: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = publisher
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name in PUBLISHED_MD5:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"data"))
    cifar = torchvision().datasets.CIFAR10
    monkeypatch.setattr(cifar, "url", f"{address}cifar-10-python.tar.gz")
    monkeypatch.setattr(
        cifar, "tgz_md5", hashlib.md5((folder / "cifar-10-python.tar.gz").read_bytes()).hexdigest()
    )
    data = tmp_path / "data"
    download("cifar10", data, lambda line: None)
    assert missing("cifar10", data) is None
    (data / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(BadSource, match="is not complete: move it away"):
        download("cifar10", data, lambda line: None)
