"""retry runs only what this user submitted, unless told that it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.conftest import Desk

GRID = "workload: toys:moody\nmatrix: {width: [1]}\nfixed: {tally: TALLY}\n"


@pytest.mark.parametrize("file", ["submission.json", "specs.jsonl", "cluster.yaml"])
def test_a_submission_that_was_changed_is_run_only_where_it_is_trusted(
    desk: Desk, tmp_path: Path, file: str
) -> None:
    desk.run("submit", desk.grid(GRID), "--backend", "inline", code=1)
    other = tmp_path / "other"
    other.mkdir()
    (other / "toys.py").write_text((desk.folder / "toys.py").read_text())
    frozen = desk.store_folder / "sweeps" / "toy" / "001" / file
    frozen.write_text(
        frozen.read_text().replace(f'"{desk.folder}"', f'"{other}"').replace("\n", " \n")
    )
    said = desk.run("retry", "toy", "--force", code=1)
    assert "is not what you submitted from this account" in said
    assert "toys:moody, imported from " in said
    assert sum(desk.ran().values()) == 1
    desk.run("retry", "toy", "--force", "--trust", code=1)
    assert sum(desk.ran().values()) == 2
    desk.run("retry", "toy", "--force", code=1)  # which is one's own now


def test_someone_else_s_submission_is_not_ones_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk.run("submit", desk.grid(GRID), "--backend", "inline", code=1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of-another"))
    assert "add --trust" in desk.run("retry", "toy", "--force", code=1)
