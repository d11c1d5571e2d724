"""Environment variables that decide numbers: how libraries compute, never tokens and keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from jobs.measure.threads import VARIABLES as THREADS

DECIDING: Final = re.compile(
    r"(OMP|MKL|OPENBLAS|CUDA|CUBLAS|CUDNN|PYTORCH|TORCH|NCCL)_[A-Z0-9_]+", re.IGNORECASE
)
HANDED_OUT: Final = frozenset(THREADS)
"""What the runner sets for each trial: the record has a column of its own for it."""

_OF_ALLOCATION: Final = "CUDA_VISIBLE_DEVICES"
"""Which GPUs a scheduler gave, to the task as to the shell of the user: no trial's choice."""
_USUAL: Final = frozenset({("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), ("CUDA_MODULE_LOADING", "LAZY")})
"""What the runner, or torch once it has started CUDA, sets unless the user says otherwise."""

_SECRET_NAME: Final = re.compile(
    r"TOKEN|SECRET|PASS|PWD|CREDENTIAL|COOKIE|SIGNATURE|AUTH|PRIVATE|(^|_)(API|ACCESS)?_?KEYS?(_|$)",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(
    r"""://[^/\s]*:[^/\s]*@                                  # a password in an address
    |\b(hf_|gh[a-z]_|github_pat_|glpat-|sk-|xox[a-z]-|AKIA|ASIA|eyJ)[A-Za-z0-9_-]{8,}
    |-----BEGIN
    |\A(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+][A-Za-z0-9+/]{31,}={0,2}\Z
    |(?<![A-Za-z0-9+/_-])(?=[^\s:,;/.=]*[0-9])(?=[^\s:,;/.=]*[A-Za-z])[A-Za-z0-9+_-]{24,}={0,2}
    """,
    re.VERBOSE,
)
"""How tokens begin; and a long word of letters and digits, as random ones are."""


def deciding_variables(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return those variables that decide numbers, by name; this process's own if none are given.

    Left out is what looks like a secret, by its name or by its value.
    """
    given = os.environ if variables is None else variables
    return {
        name: value
        for name, value in sorted(given.items())
        if DECIDING.fullmatch(name)
        and name != _OF_ALLOCATION
        and (name, value) not in _USUAL
        and not _SECRET_NAME.search(name)
        and not _SECRET_VALUE.search(value)
    }
