"""What a sweep of no-ops costs on SLURM, beside a bare job array and submitit, in one run on a real
SLURM of this machine.

    python -m benchmarks.slurm

It starts the tests' site (root and Debian's slurm-wlm), with MaxArraySize 101 and a submit limit of
200. Every call of SLURM's commands is counted by a wrapper on PATH, whoever makes it. The slow rows
run fewer no-ops; rates make them comparable. A row ends when its last no-op has run. Ours also
leaves a durable record of each trial.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe, sum_up
from tests.slurm.configuration import MAX_ARRAY_SIZE
from tests.slurm.site import Site

ARRAY_SIZE, SUBMIT_LIMIT = 101, 200
TRIALS, BARE_TRIALS, SUBMITIT_TRIALS = 3000, 200, 100
COUNTED = ("sbatch", "squeue", "sacct", "scontrol", "sacctmgr", "sinfo", "scancel")

_PROFILE = "backend: slurm\ntargets:\n  cpu: {partition: cpu, cpus: 1, mem_gb: 0.5, time_min: 30}\n"
_WORKLOAD = "def noop(width: int = 0):\n    return {'doubled': 2 * width}\n"


@dataclass(frozen=True)
class Row:
    """One way to run no-ops."""

    name: str
    trials: int
    tasks: int
    wall_s: float
    calls: Mapping[str, int]

    @property
    def rate(self) -> float:
        return self.trials / self.wall_s


def note(tally: str, width: int) -> None:
    """The no-op of the other rows: it leaves a line, so that all of them can be seen to have
    run."""
    with Path(tally).open("a") as file:
        file.write(f"{width}\n")


def ours(folder: Path, calls: Path, *options: str) -> Row:
    """`runner submit`, then `runner status --wait`, as a user types them."""
    from artifacts.store import Store
    from runner.sweep.journal import AttemptStarted, read_all

    (folder / "cluster.yaml").write_text(_PROFILE)
    (folder / "noops.py").write_text(_WORKLOAD)
    (folder / "grid.yaml").write_text(
        f"name: noop\nworkload: noops:noop\nmatrix: {{width: {{range: [0, {TRIALS}]}}}}\n"
    )
    runner = Path(sys.executable).with_name("runner")
    begin = time.perf_counter()
    subprocess.run(
        [runner, "submit", "grid.yaml", *options], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    store = Store(folder / "results")
    _until(lambda: len(store.index("noop").completed) == TRIALS)
    wall_s = time.perf_counter() - begin
    subprocess.run([runner, "status", "--wait"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    begun = [
        entry for entry in read_all(store.sweep_folder("noop")) if isinstance(entry, AttemptStarted)
    ]
    if set(Counter(entry.trial for entry in begun).values()) != {1} or len(begun) != TRIALS:
        raise RuntimeError("a trial ran twice, or never")
    tasks = len({(entry.array_job_id, entry.array_task_id) for entry in begun})
    command = " ".join(("runner submit", *options))
    return Row(
        f"`{command}`, `status --wait`; durable records", TRIALS, tasks, wall_s, _counted(calls)
    )


def ours_in_large_packs(folder: Path, calls: Path) -> Row:
    """The same in a tenth of the tasks."""
    return ours(folder, calls, "--pack", "150")


def bare(folder: Path, calls: Path) -> Row:
    """`sbatch --array`, one process a no-op."""
    tally = folder / "tally"
    command = f'{sys.executable} -c \'open("{tally}", "a").write("x\\n")\''
    begin = time.perf_counter()
    for first in range(0, BARE_TRIALS, ARRAY_SIZE):
        last = min(ARRAY_SIZE, BARE_TRIALS - first) - 1
        options = [
            f"--array=0-{last}",
            "--partition=cpu",
            "--mem=512",
            "--output=/dev/null",
            "--wrap",
            command,
        ]
        subprocess.run(["sbatch", *options], check=True, stdout=subprocess.DEVNULL)
    _until(lambda: _lines(tally) == BARE_TRIALS)
    return Row(
        "`sbatch --array`, a Python process each",
        BARE_TRIALS,
        BARE_TRIALS,
        time.perf_counter() - begin,
        _counted(calls),
    )


def submitit_array(folder: Path, calls: Path) -> Row:
    """`submitit.map_array`."""
    import submitit

    tally = folder / "tally"
    executor = submitit.SlurmExecutor(folder / "logs")
    executor.update_parameters(
        partition="cpu", time=30, mem="512M", cpus_per_task=1, array_parallelism=SUBMITIT_TRIALS
    )
    begin = time.perf_counter()
    executor.map_array(note, [str(tally)] * SUBMITIT_TRIALS, range(SUBMITIT_TRIALS))
    _until(lambda: _lines(tally) == SUBMITIT_TRIALS)
    return Row(
        "`submitit.map_array`",
        SUBMITIT_TRIALS,
        SUBMITIT_TRIALS,
        time.perf_counter() - begin,
        _counted(calls),
    )


def main() -> None:
    """Run every row and print the table."""
    obstacle = Site.obstacle()
    if obstacle is not None:
        sys.exit(f"no SLURM here: {obstacle}")
    load_before = os.getloadavg()[0]
    with Site() as site, tempfile.TemporaryDirectory() as folder:
        _resize(site)
        rows = []
        for measure in (ours, ours_in_large_packs, bare, submitit_array):
            own = Path(folder) / measure.__name__
            own.mkdir()
            with _at(site, own / "calls") as calls:
                rows.append(measure(own, calls))
            site.recover()
            site.limit_submitted_jobs(SUBMIT_LIMIT)
        version = site.run("sinfo", "--version")
    print(
        f"{describe('submitit', 'pyarrow')}, {version}, MaxArraySize {ARRAY_SIZE}, MaxSubmitJobs "
        f"{SUBMIT_LIMIT}"
    )
    print(f"load of the machine before and after: {load_before:.1f}, {os.getloadavg()[0]:.1f}")
    print(
        "\n| | no-ops | array tasks | wall s | a second | ours is | sbatch calls | other calls of "
        "SLURM's commands |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    for row in rows:
        others = (
            ", ".join(
                f"{name} {count}" for name, count in sorted(row.calls.items()) if name != "sbatch"
            )
            or "none"
        )
        numbers = (
            f"{row.trials} | {row.tasks} | {row.wall_s:.1f} | {row.rate:.2f} | "
            f"{rows[0].rate / row.rate:.1f}x | {row.calls['sbatch']}"
        )
        print(f"| {row.name} | {numbers} | {others} |")
    others = ", ".join(f"{rows[0].rate / row.rate:.1f}x {row.name}" for row in rows[1:])
    sum_up(f"{rows[0].rate:.1f} no-ops a second on SLURM: {others}")


def _resize(site: Site) -> None:
    """Give the tests' site the limits of the benchmark."""
    site.stop_controller()
    conf = site.folder / "slurm.conf"
    conf.write_text(
        conf.read_text().replace(f"MaxArraySize={MAX_ARRAY_SIZE}", f"MaxArraySize={ARRAY_SIZE}")
    )
    site.start_controller()
    site.until(
        lambda: f"= {ARRAY_SIZE}" in site.run("scontrol", "show", "config"),
        what="the new MaxArraySize holds",
    )
    site.recover()
    site.limit_submitted_jobs(SUBMIT_LIMIT)


@contextmanager
def _at(site: Site, calls: Path) -> Iterator[Path]:
    """Talk to the site, through wrappers that note every call."""
    shims = calls.with_name("bin")
    shims.mkdir()
    for name in COUNTED:
        real = shutil.which(name)
        (shims / name).write_text(f'#!/bin/sh\necho {name} >> {calls}\nexec {real} "$@"\n')
        (shims / name).chmod(0o755)
    before = dict(os.environ)
    os.environ |= {
        "SLURM_CONF": site.environment["SLURM_CONF"],
        "PATH": f"{shims}:{before['PATH']}",
    }
    try:
        yield calls
    finally:
        os.environ.clear()
        os.environ |= before


def _counted(calls: Path) -> Counter[str]:
    return Counter(calls.read_text().split())


def _lines(tally: Path) -> int:
    return len(tally.read_text().splitlines()) if tally.exists() else 0


def _until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.2)


if __name__ == "__main__":
    main()
