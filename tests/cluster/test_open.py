"""Which backend a name means."""

from __future__ import annotations

import pytest

from cluster.errors import UnknownBackend
from cluster.open import resolve
from cluster.profile import Profile, builtin


def test_auto_is_the_profiles_own_backend_and_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert resolve("auto", Profile(name="site", backend="slurm", targets={})) == "slurm"
    assert resolve("inline", Profile(name="site", backend="slurm", targets={})) == "inline"
    monkeypatch.setenv("PATH", "")
    assert resolve("auto", builtin()) == "ray"
    with pytest.raises(UnknownBackend, match="auto, slurm, ray, inline"):
        resolve("kubernetes", builtin())
