"""Both loaders feed the same; the DataLoader's options do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

from jobs.data import open_dataset
from jobs.training.feeding.order import Order, n_batches_of, plain_order, training_order
from jobs.training.feeding.parts import Part, cut, parts_of
from jobs.training.feeding.resident import ResidentLoader
from jobs.training.feeding.workers import WorkersLoader
from jobs.training.fields import TrainParams
from jobs.training.pixels import Pixels, statistics
from jobs.training.session import open_data

CPU = torch.device("cpu")
N = 100


@pytest.mark.parametrize(
    ("asked", "loader"), [("resident", ResidentLoader), ("dataloader", WorkersLoader)]
)
def test_the_loader_is_the_one_that_was_asked_for(asked: Any, loader: type) -> None:
    data = open_data(TrainParams(loader=asked), None, CPU)
    assert isinstance(data.train, loader)
    assert data.test is not None
    assert isinstance(data.test[0], loader)


def part_and_pixels(
    *, channels_last: bool = False, dataset: str = "synthetic:3x9x8x10x300"
) -> tuple[Part, Pixels]:
    """A training part of `N` images that are neither square nor of one channel."""
    params = TrainParams(dataset=dataset, train_subset=N, split=(0.5, 0.0, 0.5))
    opened = open_dataset(params.dataset, None)
    split = cut(params, opened)
    return parts_of(opened, split).train, Pixels(
        *statistics("dataset", opened, split.train), channels_last=channels_last, device=CPU
    )


def workers(**options: Any) -> WorkersLoader:
    """A DataLoader over that part."""
    params = msgspec.convert({"loader": "dataloader"} | options, TrainParams)
    part, pixels = part_and_pixels()
    return WorkersLoader(part, pixels, params, CPU)


def order(augment: str = "crop_flip", start: int = 0, epoch: int = 1) -> Order:
    """Seven batches, the last of ten images."""
    return training_order(N, 15, seed=3, epoch=epoch, augment=augment, size=(9, 8), start=start)


def equal(some: Iterator[tuple[Tensor, Tensor]], others: Iterator[tuple[Tensor, Tensor]]) -> bool:
    """Whether two loaders feed the same batches, bit for bit."""
    return all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("augment", ["none", "flip", "crop", "crop_flip"])
@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"channels_last": True}], ids=str)
def test_both_loaders_feed_the_same_bit_for_bit(augment: str, options: dict[str, Any]) -> None:
    resident = ResidentLoader(*part_and_pixels(channels_last="channels_last" in options), CPU)
    loader = workers(**options)
    assert equal(resident.batches(order(augment)), loader.batches(order(augment)))
    loader.close()


@pytest.mark.parametrize("n_batches", [2, 3, 100])
def test_batches_made_together_are_the_same(n_batches: int) -> None:
    one_by_one = ResidentLoader(*part_and_pixels(), CPU)
    together = ResidentLoader(*part_and_pixels(), CPU, n_batches * 15 * 3 * 9 * 8 * 4)
    for start in (0, 4):
        assert equal(one_by_one.batches(order(start=start)), together.batches(order(start=start)))


@pytest.mark.parametrize("options", [{}, {"num_workers": 1, "persistent_workers": True}], ids=str)
def test_a_pass_can_begin_in_the_middle(options: dict[str, Any]) -> None:
    loader = workers(**options)
    for start in (0, 3, 6, 7):
        whole = list(
            loader.batches(order())
        )  # to its end first: kept workers serve one pass at a time
        assert equal(iter(whole[start:]), loader.batches(order(start=start)))
    loader.close()
    resident = ResidentLoader(*part_and_pixels(), CPU)
    assert equal(islice(resident.batches(order()), 3, None), resident.batches(order(start=3)))


def test_every_image_comes_once_and_with_its_own_label() -> None:
    part, pixels = part_and_pixels(dataset="digits")
    loader = ResidentLoader(part, pixels, CPU)
    shuffled = training_order(N, 15, seed=3, epoch=1, augment="none", size=(8, 8))
    fed = [
        pair
        for images, labels in loader.batches(shuffled)
        for pair in zip(images, labels, strict=True)
    ]
    as_they_lie = next(iter(loader.batches(plain_order(N, N))))
    found = [next(i for i in range(N) if torch.equal(as_they_lie[0][i], image)) for image, _ in fed]
    assert sorted(found) == list(range(N))
    assert [int(as_they_lie[1][i]) for i in found] == [int(label) for _, label in fed]


def test_images_are_normalized_by_the_training_part_alone() -> None:
    part, pixels = part_and_pixels()
    ((images, _),) = ResidentLoader(part, pixels, CPU).batches(plain_order(N, N))
    assert images.shape == (N, 3, 9, 8)
    assert images.mean((0, 2, 3)).numpy() == pytest.approx(np.zeros(3), abs=1e-5)
    assert images.std((0, 2, 3), correction=0).numpy() == pytest.approx(np.ones(3), abs=1e-5)


@pytest.mark.parametrize(
    ("normalization", "low", "high"), [("half", -1.0, 1.0), ("none", 0.0, 1.0)]
)
def test_fixed_normalizations_spread_the_bytes_over_their_range(
    normalization: str, low: float, high: float
) -> None:
    opened = open_dataset("digits", None)
    pixels = Pixels(
        *statistics(normalization, opened, np.arange(4)), channels_last=False, device=CPU
    )
    extremes = pixels(torch.tensor([[[[0], [255]]]], dtype=torch.uint8), None)
    assert extremes.flatten().tolist() == pytest.approx([low, high])


def test_the_order_is_the_seeds_and_the_epochs() -> None:
    first = order().positions
    assert torch.equal(first, order().positions)
    assert not torch.equal(first, order(epoch=2).positions)
    assert sorted(first.tolist()) == list(range(N))


def test_the_order_is_the_same_in_every_year() -> None:
    assert training_order(
        10, 4, seed=0, epoch=1, augment="none", size=(8, 8)
    ).positions.tolist() == [1, 2, 6, 4, 3, 5, 0, 9, 7, 8]


@pytest.mark.parametrize(
    ("n", "batch_size", "batches", "in_pairs"),
    [(10, 5, 2, 2), (11, 5, 3, 2), (12, 5, 3, 3), (1, 5, 1, 1), (3, 1, 3, 3)],
)
def test_a_last_batch_of_one_can_be_left_out(
    n: int, batch_size: int, batches: int, in_pairs: int
) -> None:
    for pairs, expected in ((False, batches), (True, in_pairs)):
        assert n_batches_of(n, batch_size, pairs) == expected
        assert (
            training_order(
                n, batch_size, seed=0, epoch=1, augment="none", size=(8, 8), pairs=pairs
            ).n_batches
            == expected
        )


def children() -> set[int]:
    """Worker processes alive: those that share this process's program, not its resource tracker."""
    return {
        child.pid
        for child in psutil.Process().children(recursive=True)
        if "tracker" not in " ".join(child.cmdline())
    }


@pytest.mark.parametrize("n", [0, 1, 2])
def test_num_workers_is_how_many_processes_work(n: int) -> None:
    before = children()
    loader = workers(num_workers=n)
    batches = loader.batches(order())
    next(batches)
    assert len(children() - before) == n
    list(batches)


@pytest.mark.parametrize("kept", [True, False])
def test_persistent_workers_stay_between_passes(kept: bool) -> None:
    before = children()
    loader = workers(num_workers=1, persistent_workers=kept)
    passes = []
    for epoch in (1, 2):
        batches = loader.batches(order(epoch=epoch))
        next(batches)
        passes.append(children() - before)
        list(batches)
    assert (passes[0] == passes[1]) == kept
    loader.close()
    assert not children() & passes[1]


@pytest.mark.parametrize(("factor", "handed_on"), [(None, 2), (1, 1), (5, 5)])
def test_prefetch_factor_reaches_the_loader(factor: int | None, handed_on: int) -> None:
    assert workers(num_workers=1, prefetch_factor=factor)._loader.prefetch_factor == handed_on


@pytest.mark.parametrize(
    ("asked", "device", "pins"),
    [(True, "cuda", True), (False, "cuda", False), (True, "cpu", False)],
)
def test_memory_is_pinned_where_it_is_copied_to_a_gpu(asked: bool, device: str, pins: bool) -> None:
    part, pixels = part_and_pixels()
    loader = WorkersLoader(
        part, pixels, TrainParams(loader="dataloader", pin_memory=asked), torch.device(device)
    )
    assert loader._loader.pin_memory is pins


@pytest.mark.parametrize("asked", [True, False])
def test_non_blocking_is_how_batches_are_copied(
    asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    to = Tensor.to

    def spied(tensor: Tensor, *args: Any, **options: Any) -> Tensor:
        seen.extend([options["non_blocking"]] if "non_blocking" in options else [])
        return to(tensor, *args, **options)

    monkeypatch.setattr(Tensor, "to", spied)
    list(workers(non_blocking=asked).batches(order()))
    assert seen == [asked] * (2 * order().n_batches)
