"""The figures of the record and of the history, held against what a person computes from model and
images."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from jobs.data import open_dataset
from jobs.training import warmup
from jobs.training.params import TrainParams
from jobs.training.session import Session, build, open_data
from tests.jobs.training import own_models
from tests.jobs.training.conftest import Train, Trained

CPU = torch.device("cpu")
SPLIT = {"split": [0.6, 0.1, 0.3], "train_subset": 200, "test_subset": 90}
STILL = {"optimizer": "sgd", "lr": 1e-12}
"""The weights move by nothing that a float shows."""


def begun(seed: int = 0, **params: Any) -> Session:
    """A trial on the CPU, before anything ran."""
    asked = msgspec.convert(params, TrainParams)
    return build(asked, open_data(asked, None, CPU), None, CPU, seed)


class Figures(NamedTuple):
    """Loss, its smoothed form, and accuracy of a part."""

    loss: float
    smoothed: float
    accuracy: float


def by_hand(part: str) -> Figures:
    """Of the last model that was trained, on images normalized with the training part's
    statistics."""
    dataset = open_dataset("digits", None)
    split = dataset.split((0.6, 0.1, 0.3), seed=0, train_subset=200, test_subset=90)
    scaled = dataset.images / 255
    mean, std = scaled[split.train].mean((0, 1, 2)), scaled[split.train].std((0, 1, 2))
    rows = getattr(split, part)
    images = torch.from_numpy(
        ((scaled[rows] - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    )
    labels = torch.from_numpy(np.asarray(dataset.labels[rows]))
    model = own_models.kept[-1].eval()
    with torch.no_grad():
        logits: Tensor = model(images)
    loss, smoothed = (
        functional.cross_entropy(logits, labels, label_smoothing=smoothing).item()
        for smoothing in (0.0, 0.3)
    )
    return Figures(loss, smoothed, (logits.argmax(1) == labels).double().mean().item())


@pytest.fixture
def trained(train: Train) -> Trained:
    """A model with dropout and batch normalization; the last training batch, and that of each other
    part, is an odd one."""
    return train(
        model=f"{own_models.NAME}:keeping_with_dropout",
        epochs=3,
        eval_every=2,
        batch_size=48,
        **SPLIT,
    )


def test_validation_and_test_are_of_their_parts_and_the_final_model(trained: Trained) -> None:
    columns, (_, _, last) = trained.columns, trained.history
    for part in ("val", "test"):
        figures = by_hand(part)
        assert (columns[f"{part}_loss"], columns[f"{part}_accuracy"]) == pytest.approx(
            (figures.loss, figures.accuracy), rel=1e-5
        )
        assert last[f"{part}_accuracy"] == columns[f"{part}_accuracy"]
    assert last["val_loss"] == columns["val_loss"]
    assert by_hand("val").accuracy != by_hand("test").accuracy


def test_a_row_of_the_history_has_what_was_measured_in_its_epoch(trained: Trained) -> None:
    always = {"epoch", "train_s", "lr", "train_loss", "train_accuracy", "samples_per_s"}
    evaluated = always | {"val_loss", "val_accuracy"}
    assert [row.keys() for row in trained.history] == [
        always,
        evaluated,
        evaluated | {"test_accuracy"},
    ]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_training_figures_are_means_over_the_images_of_the_epoch(
    train: Train, smoothing: float
) -> None:
    still = train(
        model=f"{own_models.NAME}:keeping",
        label_smoothing=smoothing,
        batch_size=48,
        epochs=2,
        **STILL,
        **SPLIT,
    )
    figures = by_hand("train")
    expected = pytest.approx(
        (figures.smoothed if smoothing else figures.loss, figures.accuracy), rel=1e-5
    )
    assert (still.columns["train_loss"], still.columns["train_accuracy"]) == expected
    for row in still.history:
        assert (row["train_loss"], row["train_accuracy"]) == expected
    assert still.columns["test_loss"] == pytest.approx(by_hand("test").loss, rel=1e-5)


def test_images_and_steps_of_a_part_that_no_batch_divides(train: Train) -> None:
    odd = train(
        batch_size=64, grad_accumulation=2, train_subset=65, epochs=2
    )  # the last image is a batch of its own
    assert odd.columns["steps"] == 2
    assert odd.columns["flops_per_step"] * 64 == train(batch_size=64).columns["flops_per_step"] * 65
    for row in odd.history:
        assert row["samples_per_s"] * row["train_s"] == pytest.approx(65)


def test_warm_up_leaves_the_trial_as_it_was() -> None:
    """Buffers, the sums of the first epoch, and every stream that a model may draw from."""
    params: dict[str, Any] = {"model": f"{own_models.NAME}:Gambling", "train_subset": 192}
    session = begun(**params)
    before = (
        own_models.draws(),
        {name: buffer.clone() for name, buffer in session.model.named_buffers()},
    )
    session = begun(**params)
    warmup.count_flops(session)
    session = warmup.warm_up(session)
    assert session.sums.read() == {"loss": 0, "right": 0}
    assert own_models.draws() == before[0]
    after = dict(session.model.named_buffers())
    assert after.keys() == before[1].keys()
    assert all(torch.equal(after[name], buffer) for name, buffer in before[1].items())


def test_a_trial_begins_every_stream_at_its_seed() -> None:
    def drawn(seed: int) -> tuple[list[float], list[Tensor], list[int], Tensor | None]:
        session = begun(seed, augmentation="flip")
        order = session.order(1)
        assert order.draws is not None
        return (
            own_models.draws(),
            list(session.model.parameters()),
            order.positions.tolist(),
            order.draws.flip,
        )

    (draws, weights, positions, flips), again, other = drawn(0), drawn(0), drawn(1)
    assert (draws, positions) == (again[0], again[2])
    assert all(map(torch.equal, weights, again[1]))
    assert all(one != two for one, two in zip(draws, other[0], strict=True))
    assert not any(map(torch.equal, weights, other[1]))
    assert positions != other[2]
    assert flips is not None
    assert other[3] is not None
    assert not torch.equal(flips, other[3])


def test_each_epoch_has_draws_and_an_order_of_its_own() -> None:
    session = begun(augmentation="crop_flip")
    first, second = session.order(1), session.order(2)
    assert not torch.equal(first.positions, second.positions)
    assert first.draws is not None
    assert second.draws is not None
    for name in ("flip", "top", "left"):
        assert not torch.equal(getattr(first.draws, name), getattr(second.draws, name))
