"""Crops and flips move pixels and make none."""

from __future__ import annotations

import pytest
import torch

from jobs.training import augmentation, seeds
from jobs.training.augmentation import Draws

IMAGES = torch.arange(1, 1 + 2 * 3 * 16 * 8, dtype=torch.uint8).reshape(2, 3, 16, 8)
MARGINS = (2, 1)


def crop(top: int, left: int) -> torch.Tensor:
    """The first image, cropped."""
    return augmentation.apply(IMAGES[:1], Draws(None, torch.tensor([top]), torch.tensor([left])))[0]


def test_a_crop_in_the_middle_changes_nothing() -> None:
    assert augmentation.margins(16, 8) == MARGINS
    assert torch.equal(crop(*MARGINS), IMAGES[0])


def test_a_crop_moves_the_image_and_shows_the_black_border() -> None:
    moved = crop(0, 2)  # two rows down, one column to the left
    assert torch.equal(moved[:, 2:, :-1], IMAGES[0, :, :-2, 1:])
    assert not moved[:, :2].any()
    assert not moved[:, :, -1].any()


def test_a_flip_mirrors_left_and_right_where_it_was_drawn() -> None:
    flipped = augmentation.apply(IMAGES, Draws(torch.tensor([True, False]), None, None))
    assert torch.equal(flipped[0], IMAGES[0].flip(-1))
    assert torch.equal(flipped[1], IMAGES[1])


@pytest.mark.parametrize("name", ["flip", "crop", "crop_flip"])
def test_what_is_drawn_is_what_the_name_says(name: str) -> None:
    draws = augmentation.draw(name, 1000, 16, 8, seeds.stream(0, "augmentation", 1))
    assert draws is not None
    assert (draws.flip is not None) == ("flip" in name)
    assert (draws.top is not None) == (draws.left is not None) == ("crop" in name)
    if draws.flip is not None:
        assert 400 < int(draws.flip.sum()) < 600
    if draws.top is not None and draws.left is not None:
        assert set(draws.top.tolist()) == set(range(2 * MARGINS[0] + 1))
        assert set(draws.left.tolist()) == set(range(2 * MARGINS[1] + 1))


def test_streams_differ_by_seed_purpose_and_epoch() -> None:
    streams = [(0, "order", 1), (1, "order", 1), (0, "augmentation", 1), (0, "order", 2)]
    assert len(
        {float(torch.rand(1, generator=seeds.stream(*stream))) for stream in streams}
    ) == len(streams)
