"""Pretrained weights: where they lie, that they are the published ones, and how they come there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from torch.hub import HASH_REGEX

from jobs.compat import torchvision
from jobs.data import missing_weights, prepare_weights, weights
from jobs.data.errors import DownloadFailed, UnknownDataset, WeightsMissing
from tests.jobs.data.conftest import NOWHERE

CONTENT = b"numbers"
FILE = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture
def publisher(publisher: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the weights of a ResNet-18 are published."""
    folder, address = publisher
    monkeypatch.setattr(weights, "ADDRESSES", {"resnet18": address + FILE})
    return folder


def test_our_table_is_torchvisions() -> None:
    models = torchvision().models
    for model, address in weights.ADDRESSES.items():
        assert models.get_model_weights(model).IMAGENET1K_V1.url == address
        found = HASH_REGEX.search(address)
        assert found is not None
        assert found[1] == weights.checksum(model)


def test_they_are_fetched_once_and_checked(publisher: Path, tmp_path: Path) -> None:
    (publisher / FILE).write_bytes(CONTENT)
    said: list[str] = []
    path = prepare_weights("weights:resnet18", tmp_path / "data", said.append)
    assert path == tmp_path / "data" / "weights" / FILE
    assert path.read_bytes() == CONTENT
    assert missing_weights("resnet18", tmp_path / "data") is None
    assert "fetching http://" in said[0]
    (publisher / FILE).unlink()
    assert prepare_weights("weights:resnet18", tmp_path / "data", said.append) == path
    assert len(said) == 3
    assert [one.name for one in path.parent.iterdir()] == [FILE]


def test_a_file_that_broke_off_is_fetched_again(publisher: Path, tmp_path: Path) -> None:
    (publisher / FILE).write_bytes(CONTENT)
    broken = tmp_path / "weights" / FILE
    broken.parent.mkdir()
    broken.write_bytes(CONTENT[:3])
    assert "is not the published file: its SHA-256 begins with" in str(
        missing_weights("resnet18", tmp_path)
    )
    assert prepare_weights("weights:resnet18", tmp_path, lambda line: None).read_bytes() == CONTENT


def test_another_file_than_the_published_one_is_not_kept(publisher: Path, tmp_path: Path) -> None:
    (publisher / FILE).write_bytes(b"something else")
    with pytest.raises(DownloadFailed, match="invalid hash value"):
        prepare_weights("weights:resnet18", tmp_path, lambda line: None)
    assert list((tmp_path / "weights").iterdir()) == []


def test_without_a_network_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "ADDRESSES", {"resnet18": NOWHERE + FILE})
    with pytest.raises(
        DownloadFailed,
        match="run runner data prepare weights:resnet18 --data-dir DIR there and copy DIR/weights "
        f"into {tmp_path}",
    ):
        prepare_weights("weights:resnet18", tmp_path, lambda line: None)


def test_what_is_not_published_is_said() -> None:
    with pytest.raises(
        UnknownDataset, match="there are weights:resnet18, weights:resnet34, weights:resnet50"
    ):
        prepare_weights("weights:resnet10", None)
    with pytest.raises(WeightsMissing, match="no data folder is set"):
        prepare_weights("weights:resnet18", None)
