"""A grid from a text, expanded against a profile with three targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.hardware import CPU, Hardware
from runner.grid.expand import Expanded, load_grid
from runner.grid.problems import GridError

TARGETS = {"a30": Hardware(True, "a30"), "t4": Hardware(True, "t4"), "cpu": CPU}

Expand = Callable[..., Expanded]


@pytest.fixture
def expand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Expand:
    """``expand(text, **options)`` writes the text to grid.yaml in the current folder and loads
    it."""
    monkeypatch.chdir(tmp_path)

    def expand(text: str, **options: Any) -> Expanded:
        Path("grid.yaml").write_text(text, encoding="utf-8")
        return load_grid(
            Path("grid.yaml"), **{"targets": TARGETS, "profile_name": "cluster.yaml", **options}
        )

    return expand


@pytest.fixture
def mistakes(expand: Expand) -> Callable[..., list[str]]:
    """``mistakes(text, **options)`` are the problems of a grid, as they are printed."""

    def mistakes(text: str, **options: Any) -> list[str]:
        with pytest.raises(GridError) as caught:
            expand(text, **options)
        return str(caught.value).splitlines()

    return mistakes
