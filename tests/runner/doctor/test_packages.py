"""The packages of the environment that the tests run in, which is a good one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.doctor import packages


def test_the_environment_of_the_tests_is_whole() -> None:
    installed = packages.versions()
    assert set(installed) == set(packages.NEEDED)
    assert packages.broken() == {}
    assert packages.pair_problem(installed) is None


def test_a_torch_of_another_version_is_no_pair() -> None:
    installed = packages.versions()
    problem = packages.pair_problem({**installed, "torch": "1.0.0+cu90"})
    assert problem is not None
    assert "torch is 1.0.0+cu90" in problem
    assert (
        packages.pair_problem(
            {**installed, "torch": installed["torch"].partition("+")[0] + "+rocm7"}
        )
        is None
    )


def test_a_package_that_does_not_import_is_named_and_the_others_are_still_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec").mkdir()
    (tmp_path / "msgspec" / "__init__.py").write_text(
        "raise OSError('libstdc++.so.6: version\\n not found')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "msgspec")
    assert packages.broken() == {"msgspec": "OSError: libstdc++.so.6: version not found"}
