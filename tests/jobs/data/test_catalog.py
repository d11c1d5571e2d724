"""Names are checked, and files found or missed with a fix, without reading any of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.data.catalog import PUBLISHED, locate, missing, name_problem, names, synthetic_shape
from jobs.data.errors import DataMissing, UnknownDataset


def touch(folder: Path, *files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).touch()


def test_importing_the_room_and_asking_what_is_missing_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'pyarrow', 'PIL', 'torch', 'torchvision', 'sklearn', 'pandas'}"
    asked = (
        f"import sys, jobs.data; jobs.data.missing('mnist', None); print(sorted({heavy} & "
        "set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", asked], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


@pytest.mark.parametrize(
    "name", [*names(), "npz:own.npz", "folder:/images", "synthetic:3x32x32x10x5000"]
)
def test_names_that_are_good(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mnits", "use one of digits, mnist, fashion_mnist, cifar10, npz:FILE"),
        ("npz:", "a path must follow"),
        ("synthetic", "needs a shape"),
        ("synthetic:3x32x32", "channels x height x width x classes x images"),
        ("synthetic:3x32x32x10x05000", "channels x height x width x classes x images"),
        ("mnist:raw", "there is no such dataset"),
    ],
)
def test_names_that_are_not(name: str, problem: str) -> None:
    assert problem in str(name_problem(name))
    assert problem in str(missing(name, None))
    with pytest.raises(UnknownDataset):
        locate(name, None)


def test_the_order_of_a_synthetic_shape() -> None:
    assert synthetic_shape("synthetic:3x32x16x10x5000") == (3, 32, 16, 10, 5000)


def test_what_is_not_there_names_the_command(tmp_path: Path) -> None:
    assert str(missing("mnist", tmp_path)).endswith(
        f"on a machine with a network run: runner data prepare mnist --data-dir {tmp_path}"
    )
    assert "neither MNIST/raw/ nor mnist/train-*.parquet" in str(missing("mnist", tmp_path))
    assert "no data folder is set (--data-dir or RUNNER_DATA)" in str(missing("cifar10", None))
    assert missing("digits", None) is None


def test_a_half_copied_folder_names_what_it_lacks(tmp_path: Path) -> None:
    touch(
        tmp_path / "MNIST" / "raw",
        *PUBLISHED["mnist"].files[:2],
        PUBLISHED["mnist"].files[2] + ".gz",
    )
    assert "lacks t10k-labels-idx1-ubyte;" in str(missing("mnist", tmp_path))
    touch(tmp_path / "MNIST" / "raw", PUBLISHED["mnist"].files[3] + ".gz")
    assert missing("mnist", tmp_path) is None


def test_an_unpacked_file_is_taken_before_its_gz(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    touch(raw, *PUBLISHED["mnist"].files, *(file + ".gz" for file in PUBLISHED["mnist"].files))
    assert locate("mnist", tmp_path).files == tuple(raw / file for file in PUBLISHED["mnist"].files)


def test_a_lost_shard_is_missed(tmp_path: Path) -> None:
    touch(
        tmp_path / "cifar10",
        "train-00000-of-00003.parquet",
        "train-00002-of-00003.parquet",
        "test-00000-of-00001.parquet",
    )
    assert "lacks train shards 1;" in str(missing("cifar10", tmp_path))
    touch(tmp_path / "cifar10", "train-00001-of-00003.parquet")
    assert [path.name for path in locate("cifar10", tmp_path).files] == [
        "train-00000-of-00003.parquet",
        "train-00001-of-00003.parquet",
        "train-00002-of-00003.parquet",
        "test-00000-of-00001.parquet",
    ]


def test_a_users_own_path_is_looked_for_below_the_data_folder(tmp_path: Path) -> None:
    touch(tmp_path / "data", "own.npz")
    assert locate("npz:own.npz", tmp_path / "data").files == (tmp_path / "data" / "own.npz",)
    assert locate(f"npz:{tmp_path}/data/own.npz", tmp_path).files == (
        tmp_path / "data" / "own.npz",
    )
    with pytest.raises(DataMissing, match=r"gone\.npz is not a file"):
        locate("npz:gone.npz", tmp_path)


def test_a_folder_of_classes_is_listed_by_class_and_name(tmp_path: Path) -> None:
    touch(tmp_path / "b", "2.png", "1.JPG", ".hidden.png", "notes.txt")
    touch(tmp_path / "a", "9.png")
    assert [
        str(path.relative_to(tmp_path)) for path in locate(f"folder:{tmp_path}", None).files
    ] == ["a/9.png", "b/1.JPG", "b/2.png"]


def test_a_folder_that_is_not_one_of_classes_says_so(tmp_path: Path) -> None:
    touch(tmp_path / "flat", "1.png")
    assert "has no sub-folders" in str(missing(f"folder:{tmp_path}/flat", None))
    touch(tmp_path / "deep" / "train" / "cat", "1.png")
    assert "train holds no images; each sub-folder is a class" in str(
        missing(f"folder:{tmp_path}/deep", None)
    )
    assert "gone is not a folder" in str(missing(f"folder:{tmp_path}/gone", None))
