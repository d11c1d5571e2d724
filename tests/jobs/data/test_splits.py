"""Splits are exact, stratified, disjoint, and the same for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobs.data.dataset import Dataset
from jobs.data.errors import BadSplit
from jobs.data.splits import Split, shares, split

ROUND = np.arange(1000, dtype=np.int64) % 7

labels_of_any_kind = st.lists(st.integers(0, 6), min_size=1, max_size=300).map(
    lambda labels: np.array(labels, np.int64)
)
three_parts = st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any)
fractions_of_one = three_parts.map(lambda parts: [Fraction(part, sum(parts)) for part in parts])


def fingerprint(cut: Split) -> str:
    return hashlib.sha256(
        b"|".join(part.astype("<i8").tobytes() for part in (cut.train, cut.val, cut.test))
    ).hexdigest()[:16]


def test_the_same_seed_gives_the_same_split_in_every_year() -> None:
    assert fingerprint(split(ROUND, 800, [0.7, 0.1, 0.2])) == "23b830abe549e8e0"
    assert fingerprint(split(ROUND, 800, [0.7, 0.1, 0.2], seed=7)) == "1712bf834e6b2411"
    assert (
        fingerprint(split(ROUND, 800, [0.7, 0.1, 0.2], train_subset=100, test_subset=50))
        == "f6c2d2510d3ad4a9"
    )
    assert fingerprint(split(ROUND, 800, "official", train_subset=100)) == "a3d40816617ea319"


def test_the_digits_are_cut_as_they_always_were(digits: Dataset) -> None:
    assert fingerprint(digits.split([0.7, 0.1, 0.2])) == "f5fa7a4a2ba435c4"
    assert fingerprint(digits.split("official")) == "087bf10b040e6460"


def test_mnist_and_cifar10_are_cut_as_they_always_were(open_real: Callable[[str], Dataset]) -> None:
    mnist = open_real("mnist").split([0.7, 0.1, 0.2], train_subset=10_000)
    assert [len(part) for part in (mnist.train, mnist.val, mnist.test)] == [10_000, 7_000, 14_000]
    assert fingerprint(mnist) == "f96793b32132c96d"
    cifar = open_real("cifar10").split("official", train_subset=2048, test_subset=512)
    assert fingerprint(cifar) == "ea031f91e2c7c78a"


def test_the_official_split_trains_on_all_of_the_training_set_and_validates_on_nothing() -> None:
    cut = split(ROUND, 800)
    np.testing.assert_array_equal(cut.train, np.arange(800))
    np.testing.assert_array_equal(cut.test, np.arange(800, 1000))
    assert len(cut.val) == 0


@given(labels_of_any_kind, fractions_of_one, st.integers(0, 2**32 - 1))
def test_every_image_goes_to_one_part_and_every_class_keeps_its_proportions(
    labels: NDArray[np.int64], fractions: list[Fraction], seed: int
) -> None:
    parts = shares(labels, fractions, np.random.RandomState(seed))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, fraction in zip(parts, fractions, strict=True):
        assert np.all(np.diff(part) > 0)
        assert abs(len(part) - len(labels) * fraction) < 1
        for label in np.unique(labels):
            assert abs(np.sum(labels[part] == label) - np.sum(labels == label) * fraction) <= 1


def test_fractions_are_taken_as_written() -> None:
    # 0.7 * 70,000 is 48,999.999... as a float; one image less would be another experiment.
    labels = np.arange(70_000, dtype=np.int64) % 10
    cut = split(labels, 60_000, [0.7, 0.1, 0.2])
    assert [len(part) for part in (cut.train, cut.val, cut.test)] == [49_000, 7_000, 14_000]
    for part, each in ((cut.train, 4_900), (cut.val, 700), (cut.test, 1_400)):
        assert set(np.bincount(labels[part])) == {each}


def test_seeds_differ() -> None:
    assert set(split(ROUND, 800, [0.5, 0, 0.5], seed=0).train) != set(
        split(ROUND, 800, [0.5, 0, 0.5], seed=1).train
    )


def test_a_subset_is_a_stratified_part_of_its_part_and_leaves_the_others_alone() -> None:
    whole, less = (split(ROUND, 800, [0.7, 0.1, 0.2], train_subset=size) for size in (None, 70))
    assert set(less.train) < set(whole.train)
    assert set(np.bincount(ROUND[less.train])) == {10}
    np.testing.assert_array_equal(less.val, whole.val)
    np.testing.assert_array_equal(less.test, whole.test)


@pytest.mark.parametrize("size", [0, -1, 701])
def test_a_subset_larger_than_its_part_is_refused(size: int) -> None:
    with pytest.raises(
        BadSplit, match=f"train_subset {size} is not between 1 and the 700 images of the train part"
    ):
        split(ROUND, 800, [0.7, 0.1, 0.2], train_subset=size)


def test_a_dataset_without_a_test_set_has_no_official_split() -> None:
    with pytest.raises(
        BadSplit,
        match=r"no official test set: give fractions instead, for example split: \[0.7, 0.1, 0.2\]",
    ):
        split(ROUND, len(ROUND), "official")
