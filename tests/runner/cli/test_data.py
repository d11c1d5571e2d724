"""`runner data prepare`, on the bundled digits."""

from __future__ import annotations

from pathlib import Path

from tests.runner.cli.conftest import Run


def test_it_prepares_and_says_where(run: Run) -> None:
    done = run("data", "prepare", "digits")
    assert (done.code, done.err) == (0, "")
    assert "1797 images" in done.out


def test_one_that_fails_is_named_and_the_others_are_done(run: Run, tmp_path: Path) -> None:
    done = run("data", "prepare", "nonsense", "npz:gone.npz", "digits", "--data-dir", str(tmp_path))
    assert done.code == 1
    assert "1797 images" in done.out
    assert done.err.splitlines()[-1] == "error: not prepared: nonsense, npz:gone.npz"


def test_weights_are_told_from_datasets(run: Run, tmp_path: Path) -> None:
    done = run("data", "prepare", "weights:resnet10", "--data-dir", str(tmp_path))
    assert done.code == 1
    assert "there are weights:resnet18" in done.err
