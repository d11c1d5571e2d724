"""A store that an earlier version wrote is looked at and gone on with as if it had been written today."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.runner.conftest import Desk

STORES = Path(__file__).parents[1] / "stores"
TRAINED = "fc70c06f95abfb89"
STUDY = """
import time
def sometimes(width):
    if width == 3:
        raise ValueError("three is too wide")
    return {"score": width / 2, "words": ["a", "b"]}
def slow(width):
    return {"score": width}
"""
YESTERDAY = """
groups:
  - workload: train
    matrix: {lr: [1e-2, 1e-3]}
    fixed: {dataset: digits, model: simple_cnn, epochs: 1, normalization: half, loader: dataloader, split: [0.7, 0.1, 0.2]}
    resources: {mem_gb: 2}
    repeats: 2
  - workload: svm
    matrix: {kernel: [linear, rbf]}
    fixed: {dataset: digits}
  - workload: mine:sometimes
    matrix: {width: [1, 2, 3]}
"""


@pytest.fixture
def older(desk: Desk) -> Desk:
    """A desk with a store of schema 1, and the study that it was made by."""
    shutil.copytree(STORES / "schema-1", desk.store_folder)
    (desk.folder / "mine.py").write_text(STUDY)
    return desk


def test_it_is_shown_and_nothing_in_it_is_changed(older: Desk) -> None:
    files = {
        path: path.read_bytes()
        for path in older.store_folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }
    yesterday, cut_short = older.json("status", "yesterday", "cut-short")
    assert yesterday["counts"] == {"completed": 8, "failed": 1}
    assert cut_short["counts"] == {"completed": 1, "cut short": 1, "waiting": 1}
    shown = older.run("show", TRAINED)
    assert "normalization half" in shown
    assert "loader dataloader" in shown
    assert "startup_s" in shown
    assert "wide 1" in older.run("logs", "0097c43cf048ea5f")
    rows = older.json("collect", "yesterday")
    assert Counter(row["normalization"] for row in rows) == {"half": 4, None: 5}
    assert files == {path: path.read_bytes() for path in files}


def test_a_submit_goes_on_with_it(older: Desk) -> None:
    """What completed keeps its trial's id, also where the grid has to use other words now."""
    older.grid(YESTERDAY, "yesterday")
    older.run("submit", "grid.yaml", "--backend", "inline", code=1)
    assert older.outcomes("yesterday") == {"completed": 8, "failed": 2}
    older.grid("workload: mine:slow\nmatrix: {width: [1, 2, 3]}", "cut-short")
    older.run("submit", "grid.yaml", "--backend", "inline")
    assert older.outcomes("cut-short") == {"completed": 3, "interrupted": 1}
    rows = older.json("collect", "yesterday", "cut-short", "--attempts")
    assert len(rows) == 10 + 4
    assert {row["schema_version"] for row in rows} == {2}
    assert older.json("status", "cut-short")[0]["counts"] == {"completed": 3}


def test_a_grid_in_the_words_of_before_is_told_the_new_ones(older: Desk) -> None:
    words = YESTERDAY.replace("normalization", "normalisation").replace("dataloader", "workers")
    said = older.run("plan", older.grid(words, "yesterday"), code=1)
    assert (
        "normalisation: workload 'train' has no such parameter: did you mean 'normalization'?"
        in said
    )
    assert "expected 'resident' or 'dataloader', got 'workers'" in said
