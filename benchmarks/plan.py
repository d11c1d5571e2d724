"""Planning a grid of 100,000 trials, beside the least anybody could do: itertools.product, json and
sha256.

python -m benchmarks.plan
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from benchmarks.machine import describe, sum_up

AXES: dict[str, list[float]] = {
    "lr": [round(1e-4 * (k + 1), 6) for k in range(100)],
    "batch_size": [8 * (k + 1) for k in range(50)],
    "epochs": list(range(1, 21)),
}
GRID = f"""\
name: large
matrix:
  lr: {AXES["lr"]}
  batch_size: {AXES["batch_size"]}
  epochs: {AXES["epochs"]}
"""
REPEATS = 3


def bare() -> float:
    """Seconds for the product, one JSON text and one hash each."""
    begin = time.perf_counter()
    ids = {
        sha256(
            json.dumps(dict(zip(AXES, values, strict=True)), sort_keys=True).encode()
        ).hexdigest()
        for values in itertools.product(*AXES.values())
    }
    assert len(ids) == 100_000
    return time.perf_counter() - begin


def planned(grid: Path) -> float:
    """Seconds for the whole command, from the shell and back."""
    begin = time.perf_counter()
    subprocess.run(
        [Path(sys.executable).with_name("runner"), "plan", grid, "--store", grid.parent / "store"],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - begin


def main() -> None:
    """Print both, best of several, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder) / "grid.yaml"
        grid.write_text(GRID)
        least = min(bare() for _ in range(REPEATS))
        ours = min(planned(grid) for _ in range(REPEATS))
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    print(describe("msgspec"))
    print(f"100,000 trials, best of {REPEATS}")
    print(
        f"product + json + sha256 {least:.2f} s; `runner plan` {ours:.2f} s, {peak_gb:.2f} GB at "
        "its peak"
    )
    sum_up(f"planning 100,000 trials takes {ours / least:.1f}x plain Python (aim 4x)")


if __name__ == "__main__":
    main()
