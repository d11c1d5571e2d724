"""Small stores with real sweeps, made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import runner
from artifacts.store import Store
from runner.sweep.sweep import Sweep
from tests.runner.builders import WORKLOADS

MakeStore = Callable[[str], Store]


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the sweeps ``one`` (widths 1, 2) and ``two`` (2, 3), whose trials have files and
    logs."""
    folder = tmp_path_factory.mktemp("pattern")
    (folder / "toys.py").write_text((WORKLOADS / "toys.py").read_text())
    root = folder / "store"
    for name, widths in (("one", [1, 2]), ("two", [2, 3])):
        grid = folder / f"{name}.yaml"
        grid.write_text(f"name: {name}\nworkload: toys:quick\nmatrix: {{width: {widths}}}\n")
        runner.submit(grid, store=root, backend="inline")
        store = Store(root)
        for trial in store.index(name).trials:
            for kind in ("checkpoint", "profile", "tensorboard"):
                file = store.files_folder(trial) / kind / "content"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(b"0" * 1000)
        for number, trial in enumerate(store.index(name).trials):
            log = store.logs_folder(name) / f"{trial}-1.node-{number}.log"
            log.parent.mkdir(exist_ok=True)
            log.write_text("what it printed\n")
    return root


@pytest.fixture
def make_store(pattern: Path, tmp_path: Path) -> MakeStore:
    """Makes further stores of the pattern; as if their trials had run there."""

    def make(name: str) -> Store:
        store = Store(tmp_path / name)
        shutil.copytree(pattern, store.root)
        (store.root / "id").unlink()
        store.create()
        return store

    return make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """A store of the pattern."""
    return make_store("store")


def trials(store: Store, sweep: str) -> set[str]:
    """The trials that a sweep froze."""
    return {spec.trial_id for spec in Sweep(store, sweep).latest.specs}
