"""`runner init` writes a grid that is valid as it stands, and no profile where there is no
SLURM."""

from __future__ import annotations

from pathlib import Path

from jobs.hardware import CPU
from runner.grid.expand import load_grid
from tests.runner.cli.conftest import Run
from tests.runner.schema_checks import check

GRIDS = Path(__file__).resolve().parents[3] / "grids"


def test_the_grid_expands_as_it_is(run: Run, tmp_path: Path) -> None:
    done = run("init", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "runner plan grid.yaml" in done.out
    expanded = load_grid(tmp_path / "grid.yaml", targets={"cpu": CPU}, profile_name="this machine")
    assert len(expanded.specs) == 3 * 5 + 3 * 4
    assert expanded.merged == 0
    assert {spec.workload for spec in expanded.specs} == {"train", "svm"}


def test_an_editor_finds_the_schema_that_the_first_line_names(run: Run, tmp_path: Path) -> None:
    run("init", cwd=tmp_path)
    named = (tmp_path / "grid.yaml").read_text().splitlines()[0].partition("$schema=")[2]
    assert check([str(tmp_path / "grid.yaml")], tmp_path / named) == []


def test_an_existing_file_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("precious")
    done = run("init", str(file))
    assert done.code == 1
    assert "exists already" in done.err
    assert file.read_text() == "precious"


def test_a_folder_that_is_not_there_is_an_error(run: Run, tmp_path: Path) -> None:
    done = run("init", str(tmp_path / "no" / "grid.yaml"))
    assert done.code == 1
    assert "No such file or directory" in done.err


def test_without_slurm_the_fix_is_named_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    done = run("init", "--slurm", cwd=tmp_path, PATH=str(empty))
    assert done.code == 1
    assert "login node" in done.err
    assert not (tmp_path / "cluster.yaml").exists()


def test_every_study_that_ships_is_listed_and_written_as_it_is(run: Run, tmp_path: Path) -> None:
    listed = run("init", "--list", cwd=tmp_path)
    lines = listed.out.partition("\n\n")[0].splitlines()
    names = [line for line in lines if not line.startswith(" ")]
    assert [path.stem for path in sorted(GRIDS.glob("*.yaml"))] == sorted(names)
    assert names[0] == "quickstart"
    for name in names:
        assert run("init", "--study", name, cwd=tmp_path).code == 0
        first, rest = (tmp_path / f"{name}.yaml").read_text().split("\n", 1)
        assert first == "# yaml-language-server: $schema=.grid.schema.json"
        assert rest == (GRIDS / f"{name}.yaml").read_text()


def test_an_unknown_study_names_the_known_ones_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    done = run("init", "--study", "resnet", cwd=tmp_path)
    assert done.code == 1
    assert "quickstart" in done.err
    assert list(tmp_path.glob("*.yaml")) == []
