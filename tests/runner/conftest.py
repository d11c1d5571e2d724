"""A folder as a user would have it: a grid, their own workload beside it, and a store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from artifacts.store import Store
from tests.patience import PATIENCE_S
from tests.runner.builders import WORKLOADS, hide_what_is_needed


class Desk:
    """Runs the command line in the user's folder."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self.store_folder = folder, store
        self.tally = folder / "tally"
        self.environment: dict[str, str] = {}
        """Variables of its commands, whatever the test that runs them has set."""
        self._started: list[subprocess.Popen[str]] = []

    @property
    def store(self) -> Store:
        """The store, read afresh."""
        return Store(self.store_folder)

    def grid(self, text: str, name: str = "toy") -> Path:
        """Write a grid; ``TALLY`` in it becomes the path of the tally."""
        path = self.folder / "grid.yaml"
        path.write_text(f"name: {name}\n" + text.replace("TALLY", str(self.tally)))
        return path

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command and return at once; its process group is its own, as a shell's job has
        it."""
        process = subprocess.Popen(
            [Path(sys.executable).with_name("runner"), *map(str, arguments), "--store", str(self.store_folder)],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "COLUMNS": "200", **self.environment},
        )  # fmt: skip
        self._started.append(process)
        return process

    def run(self, *arguments: str | Path, code: int = 0) -> str:
        """Run a command to its end, hold its exit code, and return all it printed."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, f"exit code {process.returncode}:\n{out}\n{err}"
        return out + err

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        """What a command prints with ``--json``."""
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, f"exit code {process.returncode}:\n{out}\n{err}"
        return json.loads(out)

    def outcomes(self, sweep: str = "toy") -> Counter[str]:
        """How many attempts ended how."""
        return Counter(
            attempt.outcome.value
            for attempts in self.store.index(sweep).trials.values()
            for attempt in attempts
        )

    def ran(self) -> Counter[str]:
        """How often each line was left in the tally: a trial's real executions."""
        return Counter(self.tally.read_text().split()) if self.tally.exists() else Counter()

    def wait_until(
        self, true: Callable[[], bool], process: subprocess.Popen[str] | None = None
    ) -> None:
        """Until a condition holds while the process, if one is given, still runs."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert process is None or process.poll() is None, (
                f"it ended early: {process and process.communicate()}"
            )
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def clean_up(self) -> None:
        """Kill what a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A user's folder with the toy workloads in it."""
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "toys.py").write_text((WORKLOADS / "toys.py").read_text())
    hide_what_is_needed(folder)
    desk = Desk(folder, tmp_path / "store")
    yield desk
    desk.clean_up()
