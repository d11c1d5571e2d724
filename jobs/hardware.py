"""What a plan needs to know of a target's hardware: what can act there, and what cannot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

BEFORE_AMPERE: Final = re.compile(r"[kmptv]\d+[gs]?|gtx\d*|titan\w*|rtx20\d0\w*")
"""Words in the names of GPUs of a compute capability below 8.0
(https://developer.nvidia.com/cuda-gpus): K80, P100, V100, T4, GTX 1080, RTX 2080."""


@dataclass(frozen=True)
class Hardware:
    """What a trial's target has."""

    gpu: bool
    """Whether it has a GPU."""
    model: str | None = None
    """Of the GPU, as the cluster profile spells it; None where it does not say."""
    cpus: int | None = None
    """How many a trial is given; None where nobody says."""

    @property
    def before_ampere(self) -> bool:
        """Return whether this GPU is known to be older than Ampere, with which TF32 and bf16
        began."""
        return any(BEFORE_AMPERE.fullmatch(word) for word in words(self.model or ""))


def words(name: str) -> list[str]:
    """Return the words of a product's name, in lower case, without what stands between them."""
    return re.findall(r"[a-z0-9]+", name.lower())


CPU: Final = Hardware(gpu=False)
