"""Check whether the packages that a worker needs are installed and can be imported."""

from __future__ import annotations

import importlib
import re
from importlib import metadata

NEEDED = {
    "numpy": "numpy",
    "torch": "torch",
    "torchvision": "torchvision",
    "scikit-learn": "sklearn",
    "pyarrow": "pyarrow.parquet",
    "psutil": "psutil",
    "msgspec": "msgspec",
    "nvidia-ml-py": "pynvml",
}
"""Distribution and the module that workers import of it."""


def versions() -> dict[str, str]:
    """Return the versions of the packages that are installed for this interpreter."""
    found = {}
    for name in NEEDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def broken() -> dict[str, str]:
    """Import every package and return the error of each that fails, in one line. Takes seconds,
    because torch is large."""
    errors = {}
    for name, module in NEEDED.items():
        try:
            if name == "torchvision":
                from jobs.compat import torchvision

                torchvision()
            else:
                importlib.import_module(module)
        except Exception as error:  # a library that does not load raises what it likes
            errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return errors


def pair_problem(installed: dict[str, str]) -> str | None:
    """Return what is wrong with torch and torchvision as a pair, because each torchvision is built
    for one torch; None if they match."""
    if not {"torch", "torchvision"} <= set(installed):
        return None
    for requirement in metadata.requires("torchvision") or ():
        wanted = re.fullmatch(r"torch\s*\(?==\s*([^\s;)]+)\)?.*", requirement)
        if wanted and wanted[1].partition("+")[0] != installed["torch"].partition("+")[0]:
            return (
                f"torchvision {installed['torchvision']} is built for torch {wanted[1]}, and "
                f"torch is {installed['torch']}"
            )
    return None
