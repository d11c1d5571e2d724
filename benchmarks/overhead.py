"""What running one trial costs: no-op trials a second, beside what people use instead, in one run.

    python -m benchmarks.overhead

Every row does the same nothing; ours also leaves a durable Parquet record of each trial. The limit
is Ray tasks that do nothing but write the same record. Rates are over the trials alone, without the
start of Ray or of the workers, which is given beside them.
"""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from artifacts.record import Outcome, Record
from artifacts.store import Store
from benchmarks.machine import describe, sum_up

WORKERS = 2
TRIALS = 1000


@dataclass(frozen=True)
class Row:
    """One way to run no-ops."""

    name: str
    trials: int
    start_s: float
    run_s: float

    @property
    def rate(self) -> float:
        return self.trials / self.run_s


def noop(width: int = 0) -> dict[str, int]:
    """The trial of every row."""
    return {"doubled": 2 * width}


def ours() -> Row:
    """`runner submit` of a grid of no-op custom trials on two Ray workers."""
    from runner.planning.plan import Options
    from runner.planning.request import read_request
    from runner.run.progress import Feeding, Progress, Stopping
    from runner.run.submit import submit

    seen: list[tuple[float, int]] = []

    def watch(progress: Progress | Feeding | Stopping) -> None:
        assert isinstance(progress, Progress)
        if progress.done and (not seen or progress.done > seen[-1][1]):
            seen.append((time.perf_counter(), progress.done))

    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder) / "grid.yaml"
        grid.write_text(
            f"name: noop\nworkload: benchmarks.overhead:noop\nmatrix: {{width: {{range: [0, "
            f"{TRIALS}]}}}}\n"
        )
        begin = time.perf_counter()
        submitted = submit(
            read_request(grid, backend="ray"), Store(Path(folder) / "store"), Options(), watch
        )
        assert submitted.progress is not None
        assert submitted.progress.completed == TRIALS
        print(
            f"ours: {time.perf_counter() - seen[-1][0]:.1f} s from the last record to the prompt: "
            "compaction, the end of Ray"
        )
    (started, before), (ended, after) = seen[0], seen[-1]
    return Row(
        "runner submit, Ray, durable records", after - before, started - begin, ended - started
    )


def ray_limit() -> Row:
    """Ray tasks that only write the record."""
    import ray

    folder = Path(tempfile.mkdtemp())
    Store(folder).create()
    begin = time.perf_counter()
    _start_ray()
    write = ray.remote(num_cpus=1)(_write_record)
    ray.get([write.remote(str(folder), -1 - index) for index in range(WORKERS)])
    ready = time.perf_counter()
    ray.get([write.remote(str(folder), index) for index in range(TRIALS)])
    end = time.perf_counter()
    shutil.rmtree(folder)
    return Row(
        "Ray tasks that only write the record (the limit)", TRIALS, ready - begin, end - ready
    )


def ray_tune(trials: int, *, reuse_actors: bool, loggers: bool) -> Row:
    """Ray Tune, a function that reports once."""
    from ray import tune

    for name in ("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "RAY_AIR_NEW_OUTPUT"):
        os.environ[name] = "1" if name.startswith("TUNE") and not loggers else "0"
    begin = time.perf_counter()
    _start_ray()
    started = time.perf_counter() - begin
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        tuner = tune.Tuner(
            tune.with_resources(noop_tune, {"cpu": 1}),
            param_space={"width": tune.grid_search(list(range(trials)))},
            tune_config=tune.TuneConfig(reuse_actors=reuse_actors),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        begin = time.perf_counter()
        tuner.fit()
        end = time.perf_counter()
    words = f"reuse_actors {'on' if reuse_actors else 'off'}, loggers {'on' if loggers else 'off'}"
    return Row(f"Ray Tune, {words}", trials, started, end - begin)


def noop_tune(config: dict[str, int]) -> None:
    """The no-op as Tune wants it."""
    from ray import tune

    tune.report(noop(config["width"]))


def submitit_local(trials: int) -> Row:
    """submitit's local executor, one process a trial."""
    import submitit

    with tempfile.TemporaryDirectory() as folder:
        executor = submitit.LocalExecutor(folder)
        begin = time.perf_counter()
        jobs = executor.map_array(noop, range(trials))
        for job in jobs:
            job.result()
        return Row("submitit, local executor", trials, 0.0, time.perf_counter() - begin)


def forkserver(trials: int) -> Row:
    """One forked process a trial, torch imported once by the server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "benchmarks.overhead"])
    begin = time.perf_counter()
    _fork_one(context)
    ready = time.perf_counter()
    for _ in range(0, trials, WORKERS):
        running = [context.Process(target=noop) for _ in range(WORKERS)]
        for process in running:
            process.start()
        for process in running:
            process.join()
    return Row("forkserver, torch preloaded", trials, ready - begin, time.perf_counter() - ready)


def main() -> None:
    """Run every row in a process of its own and print the table."""
    rows = [
        _alone(row)
        for row in (
            ours,
            ray_limit,
            partial(ray_tune, 200, reuse_actors=True, loggers=False),
            partial(ray_tune, 20, reuse_actors=False, loggers=True),
            partial(forkserver, 200),
            partial(submitit_local, 24),
        )
    ]
    print(describe("ray", "submitit", "pyarrow"))
    print(f"\n{'':<52}{'n':>6}{'start s':>9}{'a second':>10}{'ours is':>9}")
    for row in rows:
        print(
            f"{row.name:<52}{row.trials:>6}{row.start_s:>9.1f}{row.rate:>10.1f}"
            f"{rows[0].rate / row.rate:>8.1f}x"
        )
    share = rows[0].rate / rows[1].rate
    sum_up(f"{rows[0].rate:.0f} durable no-op trials a second, {share:.0%} of the limit")


def _alone(row: Callable[[], Row]) -> Row:
    """A Ray that ran before in the same process would still be in its settings."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(row).result()


def _start_ray() -> None:
    import ray

    ray.init(
        "local",
        num_cpus=WORKERS,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )


def _fork_one(context: multiprocessing.context.ForkServerContext) -> None:
    process = context.Process(target=noop)
    process.start()
    process.join()


def _write_record(root: str, index: int) -> None:
    values = {
        "outcome": Outcome.completed,
        "workload": "benchmarks.overhead:noop",
        "target": "cpu",
        "seed": 0,
        "train_s": 0.0,
    }
    Store(Path(root)).publish(
        Record("noop", f"t{index + WORKERS}", 1, {"width": index}, values, {"doubled": 2 * index})
    )


if __name__ == "__main__":
    from benchmarks import overhead  # by this name the workers of every row find the no-op

    # What multiprocessing starts would run this file once more, and warn of it each time.
    globals().update(__spec__=None, __file__=None)
    overhead.main()
