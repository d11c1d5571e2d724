"""Fetching what is published, through the downloaders of torchvision and torch and against their
checksums.

Only `runner data prepare` comes here. Files arrive in a folder aside and are moved to their place
when their checksum is right, so a download that breaks off leaves nothing that looks whole.
"""

from __future__ import annotations

import errno
import http.client
import socket
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from jobs.data import weights
from jobs.data.cache import locked, writing
from jobs.data.catalog import PUBLISHED, missing, prepare_command
from jobs.data.errors import BadSource, DownloadFailed

_SILENCE_S: Final = 30.0  # a publisher that sends nothing for so long is not there
_OF_THE_DISK: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES))


def download(name: str, data_dir: Path, say: Callable[[str], None]) -> None:
    """Put a published dataset below `data_dir`, in torchvision's native layout.

    Raises:
        DownloadFailed: No mirror answered, or what came has another checksum.
        CacheNotWritable: `data_dir` has no room, or is read-only.
    """
    from jobs.compat import torchvision

    torchvision()  # late, and by its own door: this is the only place here that needs torch
    with writing(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        with locked(data_dir / f".{name}.download.lock"):
            if missing(name, data_dir) is None:  # another process has just fetched it
                return
            with tempfile.TemporaryDirectory(
                prefix=f".{name}.", suffix=".partial", dir=data_dir
            ) as aside:
                (_fetch_idx if PUBLISHED[name].reader == "idx" else _fetch_cifar)(
                    name, data_dir, Path(aside), say
                )


def download_weights(model: str, data_dir: Path, say: Callable[[str], None]) -> None:
    """Put the published weights of a model below `data_dir`, in the place of whatever lies there
    under their name.

    Raises:
        DownloadFailed: The publisher did not answer, or what came has another checksum.
        CacheNotWritable: `data_dir` has no room, or is read-only.
    """
    from torch.hub import download_url_to_file

    name, path = weights.PREFIX + model, weights.weights_path(model, data_dir)
    fix = (
        f"with a network elsewhere, run {prepare_command(name, None)} there and copy "
        f"DIR/weights into {data_dir}"
    )
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{model}.", suffix=".partial", dir=path.parent
        ) as aside:
            new = Path(aside) / path.name

            def fetch(url: str) -> None:
                download_url_to_file(
                    url, str(new), hash_prefix=weights.checksum(model), progress=False
                )

            _from_first_that_answers(name, [weights.ADDRESSES[model]], fetch, fix, say)
            new.replace(path)


def _fetch_idx(name: str, data_dir: Path, aside: Path, say: Callable[[str], None]) -> None:
    from torchvision import datasets

    publisher = {"mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST}[name]
    target = data_dir / PUBLISHED[name].native
    target.mkdir(parents=True, exist_ok=True)
    for file, md5 in publisher.resources:
        if not any((target / present).exists() for present in (file, file.removesuffix(".gz"))):
            _fetch(name, [mirror + file for mirror in publisher.mirrors], md5, data_dir, aside, say)
            (aside / file).replace(target / file)


def _fetch_cifar(name: str, data_dir: Path, aside: Path, say: Callable[[str], None]) -> None:
    from torchvision.datasets import CIFAR10

    target = data_dir / PUBLISHED[name].native
    if target.exists():
        raise BadSource(str(target), "is not complete: move it away and prepare the dataset again")
    _fetch(name, [CIFAR10.url], CIFAR10.tgz_md5, data_dir, aside, say)
    with tarfile.open(aside / CIFAR10.filename) as archive:
        archive.extractall(aside, filter="data")
    (aside / CIFAR10.base_folder).rename(target)


def _fetch(
    name: str,
    urls: Sequence[str],
    md5: str,
    data_dir: Path,
    aside: Path,
    say: Callable[[str], None],
) -> None:
    """Bring one file into `aside`, from the first mirror that sends what the checksum says."""
    from torchvision.datasets.utils import download_url

    fix = (
        f"with a network elsewhere, run {prepare_command(name, None)} there and copy "
        f"DIR/{PUBLISHED[name].native} into {data_dir}"
    )
    _from_first_that_answers(name, urls, lambda url: download_url(url, aside, md5=md5), fix, say)


def _from_first_that_answers(
    name: str,
    urls: Sequence[str],
    fetch: Callable[[str], None],
    fix: str,
    say: Callable[[str], None],
) -> None:
    """Fetch one of the addresses; DownloadFailed tells what each answered."""
    reasons = []
    for url in urls:
        say(f"{name}: fetching {url}")
        try:
            with _giving_up_on_silence():
                fetch(url)
            return
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise
            reasons.append(f"{url}: {error}")
    raise DownloadFailed(name, "; ".join(reasons), fix)


@contextmanager
def _giving_up_on_silence() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
