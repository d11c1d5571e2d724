"""`runner schema grid` and `runner schema cluster`, as check-jsonschema applies them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.profile import json_schema
from runner.grid import language
from runner.grid.schema import grid_schema
from tests.runner.cli.conftest import Run, run
from tests.runner.grid.test_document import EXAMPLES, FAULTY
from tests.runner.schema_checks import check

__all__ = ["run"]

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "grid.schema.json"
    path.write_text(json.dumps(grid_schema()))
    return path


def test_every_grid_that_ships_and_every_example_fits(grid: Path, tmp_path: Path) -> None:
    files = [str(path) for path in (REPOSITORY / "grids").glob("*.yaml")]
    for number, example in enumerate(text for text in EXAMPLES if not text.startswith(FAULTY)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(example)
        files.append(str(path))
    assert check(files, grid) == []


def test_the_documented_mistakes_are_found_where_they_are(grid: Path, tmp_path: Path) -> None:
    (example,) = (text for text in EXAMPLES if text.startswith(FAULTY))
    path = tmp_path / "grid.yaml"
    path.write_text(example)
    found = dict(check([str(path)], grid))
    # Left to `runner plan`: what concerns several values at once.
    assert found.keys() == {
        "$.name",
        "$",
        "$.matrix.lr[1]",
        "$.matrix",
        "$.matrix.batch_size",
        "$.zip.optimizer[1]",
    }
    assert "targt" in found["$"]
    assert "modle" in found["$.matrix"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{name: a, groups: [{matrix: {lr: [0]}}]}", "$.groups[0].matrix.lr[0]"),
        ("{name: a, groups: [{matrx: {lr: [1]}}]}", "$.groups[0]"),
        ("{name: a, groups: [], matrix: {}}", "$"),
        ("{name: a, workload: svm, matrix: {lr: [1]}}", "$.matrix"),
        ("{name: a, repeats: 0}", "$.repeats"),
        ("{name: a, resources: {time_min: -1}}", "$.resources.time_min"),
        ("{name: a, matrix: {lr: {logspce: [1, 2, 3]}}}", "$.matrix.lr"),
        ("{name: a, exclude: [{}]}", "$.exclude[0]"),
        ("{matrix: {lr: [1]}}", "$"),
    ],
)
def test_a_mistake_is_found(grid: Path, tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    assert place in dict(check([str(path)], grid))


@pytest.mark.parametrize(
    "text",
    [
        "{name: a, workload: 'mine:fit', matrix: {anything: [1, x]}}",
        "{name: a, groups: [{name: b}]}",
    ],
)
def test_what_only_the_user_knows_is_let_pass(grid: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    assert check([str(path)], grid) == []


def test_it_has_every_key_of_a_group() -> None:
    assert set(grid_schema()["definitions"]["group"]["properties"]) == {
        "name",
        *language.GROUP_KEYS,
    }


def test_the_profile_of_the_documentation_and_of_the_studies_fits(run: Run, tmp_path: Path) -> None:
    schema = tmp_path / "cluster.schema.json"
    schema.write_text(run("schema", "cluster").out)
    text = (REPOSITORY / "docs" / "cluster-profile.md").read_text()
    example = tmp_path / "cluster.yaml"
    example.write_text(text.partition("```yaml\n")[2].partition("```")[0])
    assert check([str(example), str(REPOSITORY / "tests" / "grids" / "cluster.yaml")], schema) == []
    example.write_text("targets: {a30: {gpus: -1}, t4: {color: red}}\nbackend: pbs")
    assert {place for place, _ in check([str(example)], schema)} == {
        "$.targets.a30.gpus",
        "$.targets.t4",
        "$.backend",
    }


def test_both_are_printed_as_they_are_made(run: Run) -> None:
    assert json.loads(run("schema", "grid").out) == json.loads(json.dumps(grid_schema()))
    assert json.loads(run("schema", "cluster").out) == json.loads(json.dumps(json_schema()))
