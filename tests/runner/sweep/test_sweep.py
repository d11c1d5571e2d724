"""A sweep is read once by a command, and as it is."""

from __future__ import annotations

import pytest

import runner
from runner.sweep.status import sweep_status
from runner.sweep.sweep import Sweep
from tests.runner.conftest import Desk
from tests.runner.counting import count_readings


def test_a_command_reads_journal_and_records_once_and_opens_no_scheduler_for_local_trials(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1, 2, 3]}\n")
    desk.run("submit", grid, "--backend", "inline")
    monkeypatch.chdir(desk.folder)
    for command in (
        lambda: sweep_status(Sweep(desk.store, "toy")),
        lambda: runner.submit(grid, store=desk.store_folder, backend="inline"),
    ):
        with monkeypatch.context() as patch:
            readings = count_readings(patch)
            command()
        assert len(readings.entries) == 6
        assert set(readings.entries.values()) == {1}
        assert set(readings.records.values()) == {1}
        assert not readings.schedulers
