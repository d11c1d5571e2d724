"""`runner report`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.cli.conftest import Run
from tests.runner.report.making import publish, record


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with two cells of two repeats, and a failure."""
    publish(
        tmp_path / "store",
        *(
            record(
                10 * (lr > 0.1) + seed, {"lr": lr}, seed=seed, test_accuracy=lr, train_s=lr + seed
            )
            for lr in (0.1, 0.2)
            for seed in (0, 1)
        ),
        record(99, {"lr": 0.2}, seed=2, outcome="failed", error_message="a [bad](x) day"),
    )
    return tmp_path / "store"


def test_it_writes_a_page_that_needs_no_other_file(run: Run, store: Path, tmp_path: Path) -> None:
    done = run("report", "--store", str(store), cwd=tmp_path)
    assert done.code == 0, done.err
    page = (tmp_path / "report.html").read_text()
    assert "wrote report.html" in done.err
    assert "4 of 5 trials completed" in page
    before_scripts = page.split("<script")[0]
    assert "Content-Security-Policy" in before_scripts
    assert "src=" not in before_scripts
    assert "<link" not in before_scripts


def test_markdown_and_plots_are_for_readmes_and_papers(
    run: Run, store: Path, tmp_path: Path
) -> None:
    done = run(
        "report", "study", "--markdown", "--plots", "figures", "--store", str(store), cwd=tmp_path
    )
    assert done.code == 0, done.err
    assert not (tmp_path / "report.html").exists()
    assert "| 0.1 | 2 |" in done.out
    assert "(figures/accuracy-against-time.png)" in done.out
    assert "1 × failed: a \\[bad\\](x) day" in done.out
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {
        f"{plot}.{end}"
        for plot in ("accuracy-against-time", "speed-up", "time-ledger")
        for end in ("pdf", "png")
    }
    assert (tmp_path / "figures" / "accuracy-against-time.pdf").read_bytes().startswith(b"%PDF")
    assert "not drawn: The sweep by node" in done.err


def test_a_store_without_a_sweep_says_how_to_start(run: Run, tmp_path: Path) -> None:
    done = run("report", "--store", str(tmp_path / "none"))
    assert done.code == 1
    assert "runner init" in done.err
