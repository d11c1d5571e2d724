"""The real datasets, prepared once for all tests of this folder, and a publisher of our own."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.data import open_dataset
from jobs.data.dataset import Dataset

NOWHERE = "http://127.0.0.1:9/"  # the discard port: nobody listens


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address it is served under."""
    folder = tmp_path / "published"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def open_real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """Open a real dataset in a cache that the tests share."""
    cache = tmp_path_factory.mktemp("prepared")

    def opened(name: str) -> Dataset:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RUNNER_CACHE", str(cache))
            return open_dataset(name, real_data)

    return opened


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """scikit-learn's digits, opened once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNNER_CACHE", str(tmp_path_factory.mktemp("digits")))
        return open_dataset("digits", None)
