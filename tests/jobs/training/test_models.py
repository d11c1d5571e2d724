"""The models are the ones that their names say, for every image that the data sets have."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from jobs.compat import torchvision
from jobs.data import weights
from jobs.data.errors import WeightsMissing
from jobs.training import models, resnets
from jobs.training.fields import TrainParams
from jobs.training.models import SimpleCNN
from jobs.training.pooling import MaxPool2x2
from jobs.training.shape import ImageShape

CIFAR = ImageShape(3, 32, 32, 10)


def n_weights(model: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize(
    "shape",
    [CIFAR, ImageShape(1, 28, 28, 10), ImageShape(1, 8, 8, 10), ImageShape(3, 64, 48, 7)],
    ids=str,
)
@pytest.mark.parametrize("name", ["simple_cnn", "resnet10", "resnet50"])
def test_every_model_takes_every_image(name: str, shape: ImageShape) -> None:
    model = models.build(TrainParams(model=name), shape, None)
    assert model(torch.zeros(2, *shape[:3])).shape == (2, shape.classes)


def test_simple_cnn_is_the_net_of_the_first_study() -> None:
    layers = [
        layer for layer in SimpleCNN(CIFAR).modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    assert [tuple(layer.weight.shape) for layer in layers] == [
        (6, 3, 5, 5),
        (16, 6, 5, 5),
        (120, 400),
        (84, 120),
        (10, 84),
    ]


def test_simple_cnn_computes_what_the_plain_one_does() -> None:
    torch.manual_seed(0)
    model, images = SimpleCNN(CIFAR), torch.randn(4, 3, 32, 32)
    first, second = (layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    plain = functional.max_pool2d(functional.relu(first(images)), 2)
    plain = functional.max_pool2d(functional.relu(second(plain)), 2)
    assert torch.equal(model(images), model.classifier(plain))


def test_simple_cnn_pads_28_to_32_with_black() -> None:
    torch.manual_seed(0)
    small = SimpleCNN(ImageShape(1, 28, 28, 10))
    whole = SimpleCNN(ImageShape(1, 32, 32, 10))
    whole.load_state_dict(small.state_dict())
    images = torch.randn(4, 1, 28, 28)
    assert torch.allclose(small(images), whole(functional.pad(images, (2, 2, 2, 2))), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "weights"),
    [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)],
)
def test_resnets_are_torchvisions(name: str, weights: int) -> None:
    ours = resnets.build(name, ImageShape(3, 224, 224, 1000), "imagenet", None, pretrained=False)
    assert n_weights(ours) == weights == n_weights(getattr(torchvision().models, name)())


def test_resnet10_has_one_block_a_stage() -> None:
    ours = resnets.build("resnet10", CIFAR, "imagenet", None, pretrained=False)
    assert [len(getattr(ours, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [1, 1, 1, 1]


@pytest.mark.parametrize(("stem", "side"), [("cifar", 32), ("imagenet", 8)])
def test_the_stem_decides_how_much_of_the_image_is_left(stem: str, side: int) -> None:
    model = resnets.build("resnet10", CIFAR, stem, None, pretrained=False)
    seen: list[torch.Size] = []
    model.get_submodule("layer1").register_forward_pre_hook(
        lambda _module, inputs: seen.append(inputs[0].shape)
    )
    model(torch.zeros(2, 3, 32, 32))
    assert seen[0][-2:] == (side, side)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Weights of a ResNet-18 as torchvision would publish them, put where a trial looks for them
    below `tmp_path`."""
    torch.manual_seed(1)
    state: dict[str, torch.Tensor] = torchvision().models.resnet18().state_dict()
    made = tmp_path / "weights" / "made.pth"
    made.parent.mkdir(parents=True)
    torch.save(state, made)
    name = f"resnet18-{hashlib.sha256(made.read_bytes()).hexdigest()[:8]}.pth"
    made.rename(made.with_name(name))
    monkeypatch.setattr(weights, "ADDRESSES", {"resnet18": f"https://weights.example/{name}"})
    return state


@pytest.mark.parametrize(("stem", "fits"), [("imagenet", True), ("cifar", False)])
def test_pretrained_weights_are_loaded_wherever_they_fit(
    published: dict[str, torch.Tensor], tmp_path: Path, stem: str, fits: bool
) -> None:
    loaded = resnets.build("resnet18", CIFAR, stem, tmp_path, pretrained=True).state_dict()
    same = {
        name
        for name in published
        if published[name].shape == loaded[name].shape
        and torch.equal(published[name], loaded[name])
    }
    assert set(published) - same == {"fc.weight", "fc.bias"} | (set() if fits else {"conv1.weight"})


@pytest.mark.usefixtures("published")
def test_pretrained_weights_answer_a_gray_image_as_its_three_equal_channels(tmp_path: Path) -> None:
    gray = resnets.build(
        "resnet18", ImageShape(1, 32, 32, 10), "imagenet", tmp_path, pretrained=True
    )
    color = resnets.build("resnet18", CIFAR, "imagenet", tmp_path, pretrained=True)
    image = torch.randn(2, 1, 32, 32)
    responses = (
        gray.get_submodule("conv1")(image),
        color.get_submodule("conv1")(image.expand(-1, 3, -1, -1)),
    )
    assert torch.allclose(*responses, atol=1e-5)


def test_missing_weights_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsMissing,
        match=r"resnet18-f37072fd\.pth is not there; .*runner data prepare weights:resnet18",
    ):
        models.build(TrainParams(model="resnet18", pretrained=True), CIFAR, tmp_path)


def test_weights_that_are_not_the_published_ones_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "resnet18-f37072fd.pth"
    path.parent.mkdir()
    path.write_bytes(b"anything")
    with pytest.raises(WeightsMissing, match="SHA-256"):
        models.build(TrainParams(model="resnet18", pretrained=True), CIFAR, tmp_path)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(4, 6), (28, 28), (5, 4)])
def test_pooling_and_its_gradient_are_pytorchs(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    images = torch.randn(3, 2, *size).contiguous(memory_format=layout).requires_grad_()
    pooled, expected = MaxPool2x2()(images), functional.max_pool2d(images, 2)
    assert torch.equal(pooled, expected)
    weights = torch.randn(pooled.shape)
    (gradient,) = torch.autograd.grad(pooled, images, weights)
    assert torch.equal(gradient, torch.autograd.grad(expected, images, weights)[0])


def test_pooling_gives_the_gradient_of_equal_numbers_to_one_of_them() -> None:
    images = torch.zeros(1, 1, 2, 2, requires_grad=True)
    MaxPool2x2()(images).sum().backward()
    assert images.grad is not None
    assert sorted(images.grad.flatten().tolist()) == [0, 0, 0, 1]
