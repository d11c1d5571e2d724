"""Run benchmarks one after another, and say at the end what they came to.

    python -m benchmarks plan overhead

What a benchmark prints is shown as it comes. The exit code is 1 if one of them failed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.machine import SUMMARY


def run(name: str) -> tuple[int, float, list[str]]:
    """Run one benchmark; its exit code, its seconds, and what it says in short."""
    began = time.perf_counter()
    said = []
    print(f"\n== {name}\n", flush=True)
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith(SUMMARY):
                said.append(line.removeprefix(SUMMARY).strip())
    return process.returncode, time.perf_counter() - began, said


def main(names: Sequence[str]) -> int:
    """Run the benchmarks of these names and print the summary."""
    found = {name: run(name) for name in names}
    print("\n== summary\n")
    for name, (code, seconds, said) in found.items():
        words = "; ".join(said) if code == 0 else f"failed with exit code {code}"
        print(f"{name:<10}{seconds:>7.0f} s  {words}")
    return int(any(code for code, _, _ in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
