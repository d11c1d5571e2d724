"""The Python API does what the commands do, on real submits."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

import runner
from artifacts.errors import UnknownTrial
from runner.errors import SweepNotNamed
from runner.grid.problems import GridError
from runner.grid.source import mapping_source
from runner.report.summary import UnknownColumn
from tests.runner.builders import WORKLOADS
from tests.runner.conftest import Desk

REPOSITORY = Path(__file__).resolve().parents[2]
GRID: dict[str, Any] = {
    "name": "toy",
    "workload": "api_toys:quick",
    "matrix": {"width": [1, 2]},
    "repeats": 2,
}
INLINE = "backend: inline\ntargets: {cpu: {cpus: 1}}\n"


def script(code: str, folder: Path) -> str:
    """Run Python code as a script in a folder, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder, one for all: the trials run in this very process, which imports them."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "api_toys.py").write_text((WORKLOADS / "toys.py").read_text())
    (folder / "cluster.yaml").write_text(INLINE)
    return folder


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """That folder, where the process is, and a store."""
    monkeypatch.chdir(folder)
    desk = Desk(folder, tmp_path / "store")
    yield desk
    desk.clean_up()


def test_importing_it_costs_no_heavy_library(tmp_path: Path) -> None:
    heavy = ("torch", "ray", "submitit", "typer", "rich", "pyarrow", "numpy", "msgspec", "yaml")
    code = f"import runner, sys; print([name for name in {heavy} if name in sys.modules])"
    assert script(code, tmp_path).strip() == "[]"


def test_a_plan_is_what_the_command_prints(here: Desk) -> None:
    file = here.grid("workload: api_toys:quick\nmatrix: {width: [1, 2, 3]}\n")
    plan = runner.plan(file, store=here.store_folder, sets=["width=1,2"], limit=1, backend="inline")
    assert (plan.to_run, plan.held_back, len(plan.trials)) == (1, 1, 2)
    assert not here.store_folder.exists()
    printed = here.json("plan", file, "--set", "width=1,2", "--limit", "1", "--backend", "inline")
    assert msgspec.to_builtins(plan) == msgspec.to_builtins(printed)


def test_a_mapping_is_submitted_loaded_and_summarized_as_a_file_is(
    here: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[object] = []
    first = runner.submit(GRID, store=here.store_folder, limit=1, watch=seen.append)
    assert (first.ok, first.ran, first.held_back) == (True, {"completed": 1}, 3)
    assert seen
    done = runner.submit(GRID, store=str(here.store_folder))
    assert (done.ok, done.ran, done.completed_before) == (True, {"completed": 3}, 1)
    file = here.grid("workload: api_toys:quick\nmatrix: {width: [1, 2]}\nrepeats: 2\n")
    assert runner.plan(file, store=here.store_folder).to_run == 0, "they are the same trials"
    said = capfd.readouterr()
    assert said.err == ""

    records = runner.load(here.store_folder)
    assert len(records) == records.to_arrow().num_rows == 4
    assert list(records.to_pandas()["trial"]) == records.to_arrow()["trial"].to_pylist()
    assert records.summary(by="width") == here.json("collect", "--by", "width")
    assert [group["width"] for group in records.summary(["width"], sort="-width", top=1)] == [2]
    row = records.to_arrow().to_pylist()[0]
    assert records.trial(row["trial"][:8])[0]["total_s"] == row["total_s"]
    assert len(runner.load(here.store_folder, "toy", where="width=1")) == 2
    assert len(runner.load(here.store_folder, [str(file)], attempts=True, earlier=True)) == 4

    with pytest.raises(UnknownColumn, match="widht"):
        records.summary(by="widht")
    with pytest.raises(UnknownTrial):
        records.trial("nothing")


def test_trials_that_fail_raise_nothing(here: Desk) -> None:
    grid = {
        "name": "toy",
        "workload": "api_toys:hopeless",
        "matrix": {"width": [-1, 0]},
        "fixed": {"tally": str(here.store_folder.parent / "tally")},
    }
    done = runner.submit(grid, store=here.store_folder)
    assert not done.ok
    assert done.ran == {"completed": 1, "failed": 1}


def test_polars_gets_the_same_rows_and_is_asked_for_by_name_where_it_is_absent(
    here: Desk,
) -> None:
    runner.submit(GRID, store=here.store_folder)
    records = runner.load(here.store_folder)
    assert isinstance(records.to_arrow(), pa.Table)
    frame = records.to_polars()
    assert frame.columns == records.to_arrow().column_names
    assert frame["trial"].to_list() == records.to_arrow()["trial"].to_pylist()
    code = (
        "import runner, sys; sys.modules['polars'] = None\n"
        f"records = runner.load({str(here.store_folder)!r})\n"
        "try: records.to_polars()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    assert script(code, here.folder).startswith(
        "LibraryMissing to_polars() needs polars, which is not installed: pip install polars"
    )


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"workload": "svm", "matrix": {"C": [1]}}, "grid: name: is missing"),
        (
            {"name": "toy", "workload": "svm", "matrix": {"kernel": ["rbf", "rfb"]}},
            "grid: matrix.kernel[1]: expected 'linear'",
        ),
        (
            {
                "name": "toy",
                "groups": [{"workload": "svm"}, {"workload": "svm", "fixed": {"c": 1}}],
            },
            "grid: groups[1].fixed.c: workload 'svm' has no such parameter",
        ),
        (
            {"name": "toy", "workload": "svm", "matrix": {"C": np.logspace(-1, 1, 3)}},
            "grid: matrix.C: a grid holds numbers, text",
        ),
        (
            {"name": "toy", "workload": "svm", "fixed": {"C": {1: 2}}},
            "grid: fixed.C: the key 1 is not text",
        ),
    ],
)
def test_mistakes_of_a_mapping_name_the_key(here: Desk, grid: dict[str, Any], said: str) -> None:
    with pytest.raises(GridError) as raised:
        runner.plan(grid, store=here.store_folder)
    assert str(raised.value).startswith(said)


def test_text_of_a_mapping_stays_text(here: Desk) -> None:
    words = ["1e-3", "null", "yes", "über: #1", "01", "a\nb"]
    grid = {
        "name": "toy",
        "workload": "api_toys:quick",
        "fixed": {"width": 1},
        "description": words[3],
    }
    assert len(runner.plan(grid, store=here.store_folder).trials) == 1
    values = {"words": words, "numbers": [1e-05, 1, True, None, -0.5, 10**20]}
    assert mapping_source(values).data == values


def test_a_store_without_a_sweep_says_so(here: Desk) -> None:
    with pytest.raises(SweepNotNamed):
        runner.load(here.store_folder)


def test_the_examples_of_the_documentation_run(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/python.md").read_text()
    (grid,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "grid.yaml").write_text(grid)
    (tmp_path / "cluster.yaml").write_text(INLINE)
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    said = script("\n".join(blocks), tmp_path)
    assert said.startswith("8 of 8 trials would run\n{'completed': 8}\n")
    assert said.endswith("has no such parameter: did you mean 'kernel'?\n")


def test_its_functions_have_the_options_of_the_commands() -> None:
    from runner.cli.plan import plan
    from runner.cli.submit import submit

    left_out = {"json", "as_json", "dry_run"}
    for function, command in ((runner.plan, plan), (runner.submit, submit)):
        names = set(inspect.signature(function).parameters) - {"watch"}
        assert names == set(inspect.signature(command).parameters) - left_out
