"""Training as a person writes it: PIL images transformed one by one in a DataLoader, and `.item()`
in every step."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from jobs.compat import torchvision
from jobs.data.dataset import Dataset as Prepared
from jobs.data.splits import Split

NUM_WORKERS = 2


@dataclass(frozen=True)
class Trained:
    """What one run of a loop came to; seconds and GiB (2**30 bytes) as in the record,
    memory only of a GPU."""

    train_s: float
    total_s: float
    images: int
    test_accuracy: float
    allocated_gb: float | None = None
    reserved_gb: float | None = None


class Net(nn.Module):
    """The net of PyTorch's own tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (n, 10)."""
        x = self.pool(functional.relu(self.conv1(x)))
        x = self.pool(functional.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits


class Images(Dataset[tuple[Tensor, int]]):
    """Some images of a data set, each made a PIL image and transformed when it is asked for, as
    torchvision's own do."""

    def __init__(self, prepared: Prepared, part: np.ndarray, *, augmented: bool = False) -> None:
        transforms = torchvision().transforms
        self.images, self.labels = (
            prepared.images[part].squeeze(),
            prepared.labels[part],
        )  # PIL wants gray images without channels
        half = (0.5,) * prepared.images.shape[3]
        changes = (
            [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
            if augmented
            else []
        )
        self.transform = transforms.Compose(
            [*changes, transforms.ToTensor(), transforms.Normalize(half, half)]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def build(model: str, channels: int) -> nn.Module:
    """``simple_cnn``, or torchvision's ``resnet10`` or ``resnet18`` for ten classes."""
    if model == "simple_cnn":
        return Net()
    resnet = torchvision().models.resnet
    net: nn.Module = resnet.ResNet(
        resnet.BasicBlock, [1, 1, 1, 1] if model == "resnet10" else [2, 2, 2, 2], num_classes=10
    )
    if channels == 1:
        net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return net


def train(
    prepared: Prepared,
    split: Split,
    *,
    model: str,
    seed: int,
    epochs: int,
    batch_size: int,
    lr: float,
    device: str,
    optimizer: str = "adam",
    schedule: str = "none",
    augmentation: str = "none",
    grad_accumulation: int = 1,
) -> Trained:
    """Train, and test after every epoch; parameters as ours are called."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    if device == "cuda":
        gc.collect()  # what a trial before has left must not count as this one's memory
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    train_images = Images(prepared, split.train, augmented=augmentation == "crop_flip")
    train_loader = DataLoader(
        train_images, batch_size=batch_size, shuffle=True, num_workers=NUM_WORKERS
    )
    test_loader = DataLoader(
        Images(prepared, split.test), batch_size=batch_size, num_workers=NUM_WORKERS
    )
    net = build(model, prepared.images.shape[3]).to(device)
    step = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer](
        net.parameters(), lr=lr
    )
    n_steps = epochs * -(-len(train_loader) // grad_accumulation)
    scheduler = (
        torch.optim.lr_scheduler.OneCycleLR(step, max_lr=lr, total_steps=n_steps)
        if schedule == "onecycle"
        else None
    )
    train_s = accuracy = 0.0
    for _ in range(epochs):
        epoch = time.perf_counter()
        net.train()
        running_loss, right = 0.0, 0
        for number, (images, labels) in enumerate(train_loader, 1):
            images, labels = images.to(device), labels.to(device)
            logits = net(images)
            loss = functional.cross_entropy(logits, labels)
            (loss / grad_accumulation).backward()
            if number % grad_accumulation == 0 or number == len(train_loader):
                step.step()
                step.zero_grad()
                if scheduler is not None:
                    scheduler.step()
            running_loss += loss.item()
            right += (logits.argmax(1) == labels).sum().item()
        train_s += time.perf_counter() - epoch
        accuracy = test(net, test_loader, device)
    peaks = (
        (torch.cuda.max_memory_allocated() / 2**30, torch.cuda.max_memory_reserved() / 2**30)
        if device == "cuda"
        else (None, None)
    )
    return Trained(
        train_s, time.perf_counter() - began, epochs * len(split.train), accuracy, *peaks
    )


def test(net: nn.Module, loader: DataLoader[tuple[Tensor, int]], device: str) -> float:
    """Share of the test images that are classified right."""
    net.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            predicted = net(images.to(device)).argmax(1)
            right += (predicted == labels.to(device)).sum().item()
            total += len(labels)
    return right / total
