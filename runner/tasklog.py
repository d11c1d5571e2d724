"""What trials print: one file for each worker, with a heading before each attempt by which its part is found again."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

_HEADING = re.compile(r"=== trial (\S+) attempt (\d+)\b.* ===\s*$")


@contextmanager
def section(log: Path, trial: str, attempt: int) -> Iterator[None]:
    """Send what this process prints, also from C, to a log, under the heading of an attempt."""
    _redirect(log)
    print(f"=== trial {trial} attempt {attempt} {datetime.now(UTC).isoformat(timespec='seconds')} ===", flush=True)
    yield
    sys.stdout.flush()
    sys.stderr.flush()


def section_lines(log: Path, trial: str, attempt: int) -> Iterator[str]:
    """The lines of a log that belong to one attempt, its heading first; none if the file is gone."""
    inside = False
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                heading = _HEADING.match(line)
                if heading is not None:
                    inside = (heading[1], int(heading[2])) == (trial, attempt)
                if inside:
                    yield line.rstrip("\n")
    except FileNotFoundError:
        return


@lru_cache(maxsize=1)
def _redirect(log: Path) -> None:
    """Point stdout and stderr at a log, once."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
