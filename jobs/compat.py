"""Lets torchvision be imported beside a torch it was not compiled against.

The torchvision on PyPI is built against CUDA torch. Beside a CPU-only torch its compiled operators
do not load, and the import ends in "operator torchvision::nms does not exist", because the Python
side registers shapes for operators that were never declared. Models, data sets and transforms need
none of these operators, so declaring their schemas is enough.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

_declared: list[
    torch.library.Library
] = []  # a Library takes its declarations back when it is collected


def torchvision() -> ModuleType:
    """Return torchvision, imported; its missing operators declared first where its compiled part
    cannot load."""
    if "torchvision" not in sys.modules and not _declared and not _operators_load():
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(operator + SCHEMA)  # type: ignore[no-untyped-call]
        _declared.append(library)
    import torchvision

    return torchvision  # type: ignore[no-any-return]


def _operators_load() -> bool:
    """Whether torchvision's compiled operators load beside this torch; they stay loaded if they
    do."""
    package = importlib.util.find_spec("torchvision")
    if package is None or not package.submodule_search_locations:
        return True  # nothing to fix here: the import itself says that torchvision is missing
    for folder in package.submodule_search_locations:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            library = Path(folder) / f"_C{suffix}"
            if library.exists():
                try:
                    torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
                except OSError:
                    return False
                return hasattr(torch.ops.torchvision, "nms")
    return False
