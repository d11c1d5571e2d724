"""Fixtures that every floor's tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# A shell has its background jobs ignore Ctrl-C, and what they start ignores it too: the tests send
# it to what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup has everything below it ignore hang-ups, and the tests send them too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _no_settings_of_the_person_at_the_keyboard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A developer's own store, data folder or cluster profile must not reach a test."""
    for name in ("RUNNER_STORE", "RUNNER_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real MNIST and CIFAR-10: RUNNER_TEST_DATA, else shared/data beside the
    checkout."""
    folder = Path(os.environ.get("RUNNER_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (set RUNNER_TEST_DATA)")
    return folder
