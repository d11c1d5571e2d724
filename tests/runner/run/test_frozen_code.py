"""The user's code is frozen at submit: what runs is what was submitted, whatever its shape, and
whatever becomes of it meanwhile."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import runner
from tests.runner.conftest import Desk

LOCAL = ["inline", pytest.param("ray", marks=pytest.mark.ray)]

MAIN = """\
import importlib, json, multiprocessing, os, sys
from pathlib import Path

from . import xxlimited
from ._version import VERSION
from .data import load
from mylab.names.inner import NAME
from shared import SHARED
from sub.module import SUB
from tools import TOOL

HERE = Path(__file__).parent


def child(queue):
    from .data import load

    queue.put([load.VALUE, load.__file__])


def main(v: int, live: str, *, context):
    for path in Path(live).rglob("*.py"):
        if path.parent.name != ".git":
            path.write_text("raise SystemExit('this is the live code')")
    (Path(live) / "src/mylab/config.json").write_text('{"rate": 2}')
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.Queue()
    process = spawn.Process(target=child, args=(queue,))
    process.start()
    in_child = queue.get(timeout=60)
    process.join()
    late = importlib.import_module("mylab.late")
    return {
        "seen": [load.VALUE, VERSION, NAME, SHARED, SUB, TOOL, late.LATE, xxlimited.__name__],
        "rate": json.loads((HERE / "config.json").read_text())["rate"],
        "rows": (HERE / "table.csv").read_text(),
        "in_child": in_child,
        "file": __file__,
        "reachable": [entry for entry in sys.path if entry.startswith(live)],
    }


if __name__ == "__main__":
    raise SystemExit("the main guard does not hold")
"""


def git(folder: Path, *arguments: str) -> None:
    """Run git as someone."""
    identity = ("-c", "user.email=a@b", "-c", "user.name=t", "-c", "protocol.file.allow=always")
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files, and the folders that they are in."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with src layout, a compiled and a generated module that git ignores, a package
    called data, a namespace package, a submodule and symlinked modules, in and out of it."""
    other, lab = tmp_path / "other", tmp_path / "lab"
    write(other, {"module.py": "SUB = 'submodule'\n"})
    git(other, "init", "-q")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "first")
    write(
        tmp_path / "tools",
        {"__init__.py": "from .inner import TOOL\n", "inner.py": "TOOL = 'tool'\n"},
    )
    write(
        lab,
        {
            ".gitignore": "*.so\n_version.py\n__pycache__/\ndata/\n*.csv\n.venv/\n",
            "src/mylab/__init__.py": "",
            "src/mylab/main.py": MAIN,
            "src/mylab/names/start.py": "from mylab.main import main as main\n",
            "src/mylab/late.py": "LATE = 'late'\n",
            "src/mylab/_version.py": "VERSION = '1.0'\n",
            "src/mylab/config.json": '{"rate": 1}',
            "src/mylab/table.csv": "1,2\n",
            "src/mylab/data/__init__.py": "",
            "src/mylab/data/load.py": "VALUE = 'first'\n",
            "src/mylab/names/inner.py": "NAME = 'namespace'\n",
            "common/shared.py": "SHARED = 'shared'\n",
            "data/big.npz": "not code",
            ".venv/pyvenv.cfg": "",
            ".venv/lib/python3/site-packages/numpy.py": "",
        },
    )  # fmt: skip
    compiled = Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("xxlimited.*.so")
    for path in compiled:
        (lab / "src/mylab" / path.name).write_bytes(path.read_bytes())
    (lab / "src/shared.py").symlink_to("../common/shared.py")
    (lab / "src/tools").symlink_to(tmp_path / "tools")
    git(lab, "init", "-q")
    git(lab, "submodule", "add", "-q", str(other), "src/sub")
    git(lab, "add", "-A")
    git(lab, "commit", "-qm", "first")
    return lab


@pytest.mark.long
@pytest.mark.parametrize("backend", LOCAL)
def test_a_repository_of_any_shape_runs_as_it_was_submitted(
    desk: Desk, repository: Path, backend: str
) -> None:
    folder = repository / "src"
    grid = folder / "study.yaml"
    grid.write_text(
        "name: toy\nworkload: mylab.names.start:main\ntarget: cpu\nisolate: true\nmatrix: {v: [1, 2]}\n"
        f"fixed: {{live: {repository}}}\n"
    )
    desk.folder = folder
    desk.run("submit", grid, "--backend", backend)
    rows: list[dict[str, Any]] = desk.json("collect", "toy")
    assert len(rows) == 2
    frozen = desk.store_folder / "code" / rows[0]["code"] / "lab"
    for row in rows:
        assert row["code"] == rows[0]["code"]
        assert row["code_outside"] is None
        assert row["seen"] == [
            "first", "1.0", "namespace", "shared", "submodule", "tool", "late",
            "mylab.xxlimited",
        ]  # fmt: skip
        assert row["rate"] == 1
        assert row["rows"] == "1,2\n"
        assert row["in_child"] == ["first", str(frozen / "src/mylab/data/load.py")]
        assert row["file"] == str(frozen / "src/mylab/main.py")
        assert row["reachable"] == []
    found = {str(path.relative_to(frozen)) for path in frozen.rglob("*") if not path.is_dir()}
    assert "src/mylab/table.csv" in found
    assert not [name for name in found if name.endswith(".pyc") or ".venv" in name]
    assert (frozen / "data").is_symlink()
    assert not [
        path
        for path in frozen.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o222 and not path.is_symlink()
    ]


SCRIPT = """\
import json, os, sys
from pathlib import Path

import helper

Path("out.txt").write_text(str(helper.VERSION))
for path in Path(sys.argv[2]).glob("*.py"):
    path.write_text("raise SystemExit('this is the live code')")
Path(sys.argv[2], "settings.json").write_text('{"rate": 2}')
with open(os.environ["RUNNER_RESULTS"], "w") as file:
    json.dump(
        {
            "version": helper.VERSION,
            "rate": json.loads(Path("settings.json").read_text())["rate"],
            "points": Path("../points.csv").read_text(),
            "file": helper.__file__,
        },
        file,
    )
"""


def test_a_command_runs_the_script_that_was_submitted_in_a_folder_like_its_own(
    desk: Desk, tmp_path: Path
) -> None:
    loose = tmp_path / "loose"
    write(
        loose,
        {
            "scripts/train.py": SCRIPT,
            "scripts/helper.py": "VERSION = 1\n",
            "scripts/settings.json": '{"rate": 1}',
            "scripts/run.sh": 'exec python train.py "$@"\n',
            "points.csv": "1,2\n",
        },
    )
    git(loose, "init", "-q")
    desk.folder = loose / "scripts"
    grid = desk.grid(
        f'command: "bash run.sh {{v}} {loose}/scripts"\ntarget: cpu\nmatrix: {{v: [1, 2]}}\n'
    )
    desk.run("submit", grid, "--backend", "inline")
    rows = desk.json("collect", "toy")
    assert [(row["version"], row["rate"], row["points"]) for row in rows] == [(1, 1, "1,2\n")] * 2
    assert {row["file"] for row in rows} == {
        str(desk.store_folder / "code" / rows[0]["code"] / "loose/scripts/helper.py")
    }
    for row in rows:
        kept = desk.store_folder / "files" / row["trial"] / "work"
        assert [path for path in kept.rglob("*") if not path.is_dir()] == [
            kept / "loose/scripts/out.txt"
        ]


@pytest.mark.long
def test_other_code_is_another_snapshot_and_the_same_code_is_the_same(desk: Desk) -> None:
    module = desk.folder / "ed.py"
    module.write_text("def main(v):\n    return {'version': 1}\n")
    text = "workload: ed:main\ntarget: cpu\nmatrix: {v: VALUES}\n"
    grid = desk.grid(text.replace("VALUES", "[1]"))
    desk.run("submit", grid, "--backend", "inline")
    (desk.folder / "cluster.yaml").write_text("targets: {cpu: {cpus: 1}}\n")
    (desk.folder / "notes.txt").write_text("no code\n")
    desk.grid(text.replace("VALUES", "[1, 2]"))
    desk.run("submit", grid, "--backend", "inline")
    assert len(list((desk.store_folder / "code").iterdir())) == 1
    module.write_text("def main(v):\n    return {'version': 2}\n")
    desk.grid(text.replace("VALUES", "[1, 2, 3]"))
    desk.run("submit", grid, "--backend", "inline")
    rows = {row["v"]: row for row in desk.json("collect", "toy")}
    assert [rows[v]["version"] for v in (1, 2, 3)] == [1, 1, 2]
    assert rows[1]["code"] == rows[2]["code"] != rows[3]["code"]
    assert {path.name for path in (desk.store_folder / "code").iterdir()} == {
        rows[1]["code"],
        rows[3]["code"],
    }


@pytest.mark.long
def test_what_is_imported_from_elsewhere_is_told(desk: Desk, tmp_path: Path) -> None:
    elsewhere, inside = tmp_path / "elsewhere", desk.folder / "inside"
    write(elsewhere, {"other.py": "OTHER = 1\n"})
    write(inside, {"near.py": "NEAR = 1\n"})
    (desk.folder / "ed.py").write_text(
        "import near, other\ndef main(v):\n    return {'near': near.__file__}\n"
    )
    desk.environment["PYTHONPATH"] = f"{elsewhere}:{inside}"
    grid = desk.grid("workload: ed:main\ntarget: cpu\nmatrix: {v: [1]}\n")
    desk.run("submit", grid, "--backend", "inline")
    (row,) = desk.json("collect", "toy")
    assert list(json.loads(row["code_outside"])) == ["other"]
    assert row["near"].startswith(str(desk.store_folder / "code"))
    (elsewhere / "other.py").write_text("OTHER = 2\n")
    desk.run(
        "submit", desk.grid(grid.read_text().partition("\n")[2], "again"), "--backend", "inline"
    )
    (again,) = desk.json("collect", "again")
    assert again["code"] == row["code"]
    assert again["code_outside"] != row["code_outside"]


def test_live_code_runs_on_demand_and_the_records_say_so(desk: Desk) -> None:
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1]}\n")
    desk.run("submit", grid, "--backend", "inline", "--no-snapshot")
    (row,) = desk.json("collect", "toy")
    assert row["code"] == "live"
    assert list(json.loads(row["code_outside"])) == ["toys"]
    assert not (desk.store_folder / "code").exists()


def test_a_process_that_has_run_other_code_runs_each_submission_as_it_was_frozen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, which also holds the live module."""
    (desk.folder / "runner.py").unlink()
    module = desk.folder / "edited_between.py"
    text = "from pathlib import Path\ndef main(v):\n    return {'version': VERSION}\n"
    grid = desk.grid("workload: edited_between:main\ntarget: cpu\nmatrix: {v: [1, 2]}\n")
    monkeypatch.chdir(desk.folder)
    monkeypatch.syspath_prepend(str(desk.folder))
    module.write_text(text.replace("VERSION", "0"))
    live = importlib.import_module("edited_between")
    path = list(sys.path)
    for version in (1, 2):
        module.write_text(text.replace("VERSION", str(version)))
        grid = desk.grid(grid.read_text().partition("\n")[2], f"sweep{version}")
        report = runner.submit(grid, store=desk.store_folder, backend="inline")
        assert report.ran == {"completed": 2}
        rows = runner.load(desk.store_folder, f"sweep{version}").to_arrow().to_pylist()
        assert [row["version"] for row in rows] == [version] * 2
    assert sys.modules["edited_between"] is live
    assert sys.path == path


@pytest.mark.long
def test_retry_runs_the_code_that_was_submitted(desk: Desk) -> None:
    module = desk.folder / "ed.py"
    module.write_text("def main(v):\n    raise ValueError('first')\n")
    grid = desk.grid("workload: ed:main\ntarget: cpu\nmatrix: {v: [1]}\n")
    desk.run("submit", grid, "--backend", "inline", code=1)
    module.write_text("def main(v):\n    raise ValueError('second')\n")
    desk.run("retry", "toy", "--force", code=1)
    rows = desk.json("collect", "toy", "--attempts")
    assert [row["error_message"] for row in rows] == ["first", "first"]
    assert rows[0]["code"] == rows[1]["code"]
    snapshot = desk.store_folder / "code" / rows[0]["code"]
    aside = snapshot.rename(snapshot.with_name("aside"))
    assert "submit the grid again" in desk.run("retry", "toy", "--force", code=1)
    aside.rename(snapshot)
    if os.getuid() == 0:
        os.chown(snapshot, 12345, -1)
        assert "belongs to another user" in desk.run("retry", "toy", "--force", code=1)


def test_code_that_is_too_large_is_refused_with_its_largest_files_and_a_way_to_exclude_them(
    desk: Desk,
) -> None:
    (desk.folder / "assets").mkdir()
    (desk.folder / "assets/shapes.json").write_text("1" * 2_000_000)
    profile = desk.folder / "cluster.yaml"
    profile.write_text("targets: {cpu: {cpus: 1}}\nsnapshot: {max_mb: 1}\n")
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1]}\n")
    desk.run("plan", grid, code=1)
    said = desk.run("submit", grid, "--backend", "inline", code=1)
    assert "assets/shapes.json (2.0 MB)" in said
    assert "snapshot: {exclude: [...]}" in said
    assert desk.outcomes() == {}
    (desk.folder / ".runnerignore").write_text("assets/\n")
    desk.run("submit", grid, "--backend", "inline")
    (desk.folder / ".runnerignore").unlink()
    profile.write_text('targets: {cpu: {cpus: 1}}\nsnapshot: {max_mb: 1, exclude: ["assets/"]}\n')
    assert "nothing to run" in desk.run("submit", grid, "--backend", "inline")
    assert len(list((desk.store_folder / "code").iterdir())) == 1


def test_a_trial_that_other_code_has_begun_says_so(desk: Desk) -> None:
    module = desk.folder / "ed.py"
    text = (
        "def main(v, *, context):\n"
        "    state = context.checkpoint_folder / 'state'\n"
        "    if not context.resumed:\n"
        "        state.write_text('half')\n"
        "        raise SystemExit('stopped half-way')\n"
        "    return {'state': state.read_text()}\n"
    )
    module.write_text(text)
    grid = desk.grid("workload: ed:main\ntarget: cpu\nmatrix: {v: [1]}\n")
    desk.run("submit", grid, "--backend", "inline", code=1)
    module.write_text(text + "# corrected\n")
    desk.run("submit", grid, "--backend", "inline")
    first, second = desk.json("collect", "toy", "--attempts")
    assert first["checkpoint_code"] is None
    assert second["state"] == "half"
    assert second["checkpoint_code"] == first["code"] != second["code"]


def test_code_that_is_taken_away_meanwhile_is_no_failure_of_a_trial(desk: Desk) -> None:
    (desk.folder / "ed.py").write_text(
        "import shutil\nfrom pathlib import Path\n"
        "def main(v):\n"
        "    code = Path(__file__).parents[1]\n"
        "    code.chmod(0o755)\n"
        "    code.rename(code.with_name('aside'))\n"
    )
    grid = desk.grid("workload: ed:main\ntarget: cpu\nmatrix: {v: [1, 2]}\n")
    said = desk.run("submit", grid, "--backend", "inline", code=1)
    assert "is not there any more: submit the grid again" in said
    assert desk.outcomes() == {"completed": 1}
