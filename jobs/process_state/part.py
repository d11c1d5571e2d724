"""One thing that a trial may change of its process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StatePart:
    """One thing that a trial may change."""

    name: str
    """For people."""
    read: Callable[[], Any]
    """Its present value."""
    write: Callable[[Any], object] | None
    """Puts a value back; None where only a new process can."""
