"""`runner params`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.runner.cli.conftest import Run


def test_it_lists_type_range_default_meaning_and_when_it_acts(run: Run) -> None:
    done = run("params", "train", COLUMNS="80")
    assert (done.code, done.err) == (0, "")
    assert (
        "  momentum: float or null, >= 0, < 1; default null\n      Momentum; null is PyTorch's "
        "default, 0.\n" in done.out
    )
    assert "      Acts with optimizer: sgd, " in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_without_a_name_all_built_in_workloads_are_listed(run: Run) -> None:
    out = run("params").out
    assert "parameters of train\n" in out
    assert "parameters of svm\n" in out
    rows = json.loads(run("params", "--json").out)
    assert {row["workload"] for row in rows} == {"train", "svm"}
    assert {row["name"]: row["default"] for row in rows if row["workload"] == "svm"}["C"] == "1.0"


def test_a_function_beside_the_user_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "here" / "own_params.py").write_text(
        "raise SystemExit('never imported')\ndef f(depth: int): ...\n"
    )
    assert "  depth: int; required\n" in run("params", "own_params:f").out
    unknown = run("params", "trian")
    assert unknown.code == 1
    assert "did you mean 'train'" in unknown.err
