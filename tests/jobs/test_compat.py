"""torchvision can be imported beside this torch, whichever it is, and only what is missing is
declared."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter: what is imported here stays imported."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_models_and_transforms_work_after_the_import() -> None:
    done = run(
        "import torch; from jobs.compat import torchvision; tv = torchvision();"
        "from torchvision.transforms import v2; v2.RandomCrop(4)(torch.zeros(3, 8, 8)); "
        "tv.models.resnet18(num_classes=2)"
    )
    assert done.returncode == 0, done.stderr


def test_operators_are_declared_only_where_the_compiled_ones_do_not_load() -> None:
    bare = run("import torchvision")
    done = run("from jobs import compat; compat.torchvision(); print(len(compat._declared))")
    assert done.stdout.strip() == ("0" if bare.returncode == 0 else "1"), done.stderr


def test_asking_twice_is_harmless() -> None:
    assert run("from jobs.compat import torchvision as t; assert t() is t()").returncode == 0
