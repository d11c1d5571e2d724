"""Modules of the user's are found where a worker finds them, and hide none that is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.errors import BadWorkload
from jobs.importing import OURS, find, why_out_of_reach
from jobs.registry import workload

SCRIPT = """
import sys
from jobs.importing import add_to_path
add_to_path(sys.argv[1:])
import artifacts.store, cluster.ray.worker, jobs.execute, runner.run.worker, random, numpy, json.decoder, mine, pkg.inner
print(mine.__file__, pkg.inner.__file__)
"""


@pytest.mark.parametrize("name", [*sorted(OURS), "random", "numpy", "torch", "json"])
def test_a_module_of_any_name_does_no_harm_and_cannot_be_a_workload(
    tmp_path: Path, name: str
) -> None:
    for file in (f"{name}.py", "mine.py", "pkg/__init__.py", "pkg/inner.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("def main(): ...\n")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert done.stdout.split() == [str(tmp_path / "mine.py"), str(tmp_path / "pkg" / "inner.py")]
    for module in ("mine", "pkg.inner"):
        spec = find(module, [str(tmp_path)])
        assert spec is not None
        assert spec.origin is not None
        assert spec.origin.startswith(str(tmp_path))
        assert why_out_of_reach(module, [str(tmp_path)]) is None
    with pytest.raises(
        BadWorkload, match=f"{name}.py cannot be imported: '{name}' is .*another name"
    ):
        workload(f"{name}:main", (str(tmp_path),))


def test_a_folder_hides_what_is_installed_unless_it_would_hide_what_is_needed(
    tmp_path: Path,
) -> None:
    (tmp_path / "pytest.py").write_text("def main(): ...\n")
    assert callable(workload("pytest:main", (str(tmp_path),)).load)
    other = tmp_path / "other"
    other.mkdir()
    (other / "pytest.py").write_text("def main(): ...\n")
    (other / "jobs").mkdir()
    assert (
        why_out_of_reach("pytest", [str(other)]) is None
    )  # a folder without __init__.py hides nothing
    (other / "runner.py").write_text("")
    importing_fails = r"installed package.*because 'runner' in .*other would hide"
    # What a folder holds is looked at once in a process, as its workers do.
    with pytest.raises(BadWorkload, match=importing_fails):
        workload("pytest:main", (str(other) + "/.",))


def test_a_package_without_an_init_within_another_is_found(tmp_path: Path) -> None:
    for name in ("lab/__init__.py", "lab/space/inner.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("def main(v: int): ...\n")
    spec = find("lab.space.inner", [str(tmp_path)])
    assert spec is not None
    assert spec.origin == str(tmp_path / "lab/space/inner.py")
    assert workload("lab.space.inner:main", (str(tmp_path),)).names() == ("v",)
    assert "lab" not in sys.modules
