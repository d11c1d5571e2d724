"""Published ImageNet weights: fetched once by a person, and compared with their published checksum
by everyone who loads them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jobs.data.catalog import prepare_command
from jobs.data.errors import WeightsMissing

PREFIX: Final = "weights:"
"""Tells weights from a dataset where both may be named: `runner data prepare weights:resnet18`."""

ADDRESSES: Final[Mapping[str, str]] = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
}
"""torchvision's IMAGENET1K_V1 of each model; a file's name ends in the first eight digits of its
SHA-256."""


def weights_names() -> tuple[str, ...]:
    """Return what `prepare_weights` can fetch."""
    return tuple(PREFIX + model for model in ADDRESSES)


def are_weights(name: str) -> bool:
    """Return whether a name that `runner data prepare` was given asks for weights, published or
    not."""
    return name.startswith(PREFIX)


def weights_path(model: str, data_dir: Path) -> Path:
    """Return where the weights of a model lie below the data folder: under their published name."""
    return data_dir / "weights" / ADDRESSES[model].rpartition("/")[2]


def checksum(model: str) -> str:
    """Return the first eight hexadecimal digits of the SHA-256 of a model's published weights."""
    return Path(ADDRESSES[model]).stem.rpartition("-")[2]


def require_weights(model: str, data_dir: Path | None) -> Path:
    """Return the file with a model's published weights; all of it is read, and its checksum
    compared.

    Raises:
        WeightsMissing: It is not there, or is not what was published; the message says which
            command fixes it.
    """
    if problem := problem_with(model, data_dir):
        fix = f"on a machine with a network run: {prepare_command(PREFIX + model, data_dir)}"
        raise WeightsMissing(model, problem, fix)
    assert data_dir is not None
    return weights_path(model, data_dir)


def missing_weights(model: str, data_dir: Path | None) -> str | None:
    """Return why a model's weights cannot be loaded on this machine, and the command that fixes it;
    None if they can."""
    try:
        require_weights(model, data_dir)
    except WeightsMissing as error:
        return str(error)
    return None


def problem_with(model: str, data_dir: Path | None) -> str | None:
    """Return why the weights of a model cannot be loaded from there; None if they can."""
    if data_dir is None:
        return "no data folder is set (--data-dir or RUNNER_DATA)"
    path = weights_path(model, data_dir)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{path} is not there"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    if found.startswith(checksum(model)):
        return None
    return (
        f"{path} is not the published file: its SHA-256 begins with {found[:8]}, not with "
        f"{checksum(model)}"
    )
