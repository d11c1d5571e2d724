"""Training as a person writes it: PIL images transformed one by one in a DataLoader, and `.item()` in every step."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from jobs.data.dataset import Dataset as Prepared
from jobs.data.splits import Split
from jobs.training.compat import torchvision

NUM_WORKERS = 2


@dataclass(frozen=True)
class Trained:
    """What one run of a loop came to; seconds as in the record."""

    train_s: float
    total_s: float
    images: int
    test_accuracy: float


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
    """Some images of a data set, each made a PIL image and transformed when it is asked for, as torchvision's own do."""

    def __init__(self, prepared: Prepared, part: np.ndarray) -> None:
        transforms = torchvision().transforms
        self.images, self.labels = prepared.images[part], prepared.labels[part]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def train(prepared: Prepared, split: Split, model: str, *, seed: int, epochs: int, batch_size: int, lr: float, device: str) -> Trained:
    """Train with Adam and test after every epoch.

    Args:
        model: ``simple_cnn`` or ``resnet18``, torchvision's.
    """
    began = time.perf_counter()
    torch.manual_seed(seed)
    train_loader = DataLoader(Images(prepared, split.train), batch_size=batch_size, shuffle=True, num_workers=NUM_WORKERS)
    test_loader = DataLoader(Images(prepared, split.test), batch_size=batch_size, num_workers=NUM_WORKERS)
    net: nn.Module = Net() if model == "simple_cnn" else torchvision().models.resnet18(num_classes=10)
    net.to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    train_s = accuracy = 0.0
    for _ in range(epochs):
        epoch = time.perf_counter()
        net.train()
        running_loss, right = 0.0, 0
        for images, labels in train_loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            logits = net(images)
            loss = functional.cross_entropy(logits, labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            running_loss += loss.item()
            right += (logits.argmax(1) == labels).sum().item()
        train_s += time.perf_counter() - epoch
        accuracy = test(net, test_loader, device)
    return Trained(train_s, time.perf_counter() - began, epochs * len(split.train), accuracy)


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
