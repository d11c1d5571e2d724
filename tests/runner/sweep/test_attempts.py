"""Who an attempt belongs to: what one process left open is settled by who knows that it is gone,
and by nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from artifacts.record import Outcome
from artifacts.store import Store
from cluster import signals
from cluster.place import Place
from cluster.processes import Birth
from cluster.signals import AfterStop
from cluster.slurm import requeue as slurm_requeue
from cluster.state import State
from runner.sweep.attempts import (
    outcome_after,
    publish_derived,
    settle_abandoned,
    take_over,
)
from runner.sweep.circumstances import circumstances
from runner.sweep.journal import AttemptEnded, AttemptStarted, Journal
from runner.sweep.submission import read_array
from runner.sweep.sweep import Sweep
from tests.runner.builders import WORKLOADS, record
from tests.runner.conftest import Desk

NODE = "node-of-the-test"


class Task:
    """An array task of a frozen sweep, in one of its lives, as its processes see it."""

    def __init__(self, store: Path) -> None:
        self.store = Store(store)
        (path,) = store.glob("sweeps/toy/*/arrays/*.json")
        self.submission, self.array = read_array(path)
        self.name = str(path.relative_to(store))
        self.trials = [spec.trial_id for spec in self.submission.specs]

    def began(
        self,
        trial: int,
        process: Birth,
        *,
        job: str = "77",
        task: int = 3,
        life: int = 0,
        node: str = NODE,
        array: str = "",
    ) -> AttemptStarted:
        """What a process notes when it begins a trial."""
        place = Place(node, "short", job, task, life)
        born = process.ticks
        name = array or self.name
        started = AttemptStarted(
            self.trials[trial],
            1,
            1.5e9,
            node,
            process.pid,
            None,
            job,
            task,
            name,
            trial,
            born=born,
            life=life,
            partition="short",
            found={
                "data_digest": "d1",
                "packages_digest": "p1",
                "variables_differ": "{}",
                "a_column_of_tomorrow": "x",
            },
        )
        Journal(self.store.sweep_folder("toy"), place.worker_name(process.pid)).write(started)
        return started

    def taken_over(self, life: int) -> tuple[dict[int, dict[int, str]], set[int]]:
        """What a later process of the task finds: outcomes by trial and attempt, and trials that
        another one computes."""
        taken = take_over(
            self.store,
            "toy",
            Place(NODE, "short", "77", 3, life),
            self.name,
            self.trials,
            continues=True,
        )
        outcomes = {
            self.trials.index(trial): {n: str(outcome) for n, outcome in ones.items()}
            for trial, ones in taken.outcomes.items()
        }
        return outcomes, {self.trials.index(trial) for trial in taken.elsewhere}

    def recorded(self) -> dict[int, str]:
        """Outcomes by trial."""
        return {
            self.trials.index(trial): one.outcome.value
            for trial, ones in self.store.index("toy").trials.items()
            for one in ones
        }


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep that was submitted, and of which nothing has begun."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "toys.py").write_text((WORKLOADS / "toys.py").read_text())
    desk = Desk(folder, folder / "store")
    desk.run(
        "submit",
        desk.grid("workload: toys:quick\nmatrix: {width: [1, 2, 3]}\n"),
        "--backend",
        "inline",
    )
    for part in (desk.store.records_folder("toy"), desk.store.sweep_folder("toy") / "journal"):
        shutil.rmtree(part)
    return desk.store_folder


@pytest.fixture
def task(frozen: Path, tmp_path: Path) -> Task:
    return Task(Path(shutil.copytree(frozen, tmp_path / "store")))


@pytest.fixture
def alive() -> Iterator[Birth]:
    """A process that computes on."""
    with subprocess.Popen(["sleep", "600"]) as process:
        birth = Birth.of(process.pid)
        assert birth is not None
        yield birth
        process.kill()


def dead() -> Birth:
    """A process that was, and whose number another one has now."""
    return Birth(os.getpid(), 1)


def test_what_an_earlier_life_left_open_is_settled_and_what_of_it_lives_here_is_ended(
    task: Task, alive: Birth
) -> None:
    task.began(0, alive)
    task.began(1, dead())
    assert task.taken_over(life=1) == ({0: {1: "interrupted"}, 1: {1: "interrupted"}}, set())
    assert not alive.lives
    assert task.recorded() == {0: "interrupted", 1: "interrupted"}
    (row,) = task.store.read("toy", task.trials[0])
    assert (
        row["derived"],
        row["node"],
        row["partition"],
        row["array_job_id"],
        row["array_task_id"],
    ) == (
        True,
        NODE,
        "short",
        "77",
        3,
    )


def test_an_earlier_life_on_another_node_is_what_the_scheduler_says_and_its_own_word_counts(
    task: Task, alive: Birth
) -> None:
    started = task.began(0, alive, node="elsewhere")
    task.taken_over(life=1)
    assert alive.lives, "its number is that of a process on another node"
    task.store.publish(record(started.trial, derived=False))
    assert task.recorded() == {0: "completed"}
    assert not publish_derived(task.store, started, Outcome.killed, "too late")


def test_nothing_of_another_task_or_array_or_of_a_later_life_is_settled(
    task: Task, alive: Birth
) -> None:
    task.began(0, alive, life=2)
    task.began(1, dead(), task=30)
    task.began(2, dead(), array="sweeps/toy/001/arrays/0009.json")
    assert task.taken_over(life=1) == ({}, {0})
    assert alive.lives
    assert task.recorded() == {}


@pytest.fixture
def on_a_node(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in an array task of SLURM, which sees the other tasks of its node."""
    for name, value in {
        "SLURM_ARRAY_JOB_ID": "77",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURMD_NODENAME": NODE,
    }.items():
        monkeypatch.setenv(name, value)
    signals.ask_scheduler(lambda: AfterStop.GOES_ON, lambda: State.UNKNOWN, slurm_requeue.neighbors)
    yield
    for name in ("_ask_after_stop", "_ask_earlier_end", "_find_neighbors"):
        setattr(signals, name, None)


@contextmanager
def working(*, job: str, life: int, watched: bool, node: str = NODE) -> Iterator[Birth]:
    """A process as SLURM starts it for a task; watched, it has a supervisor, which is another such
    process."""
    code = "import time; time.sleep(600)"
    if watched:
        code = (
            f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}, "
            "'cluster.slurm.task'])"
        )
    place = {
        "SLURM_ARRAY_JOB_ID": job,
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_RESTART_COUNT": str(life),
        "SLURMD_NODENAME": node,
    }
    with subprocess.Popen(
        [sys.executable, "-c", code, "cluster.slurm.task"], env=os.environ | place
    ) as process:
        pid = process.pid
        while watched and pid == process.pid:
            pid = next((child.pid for child in psutil.Process(pid).children()), pid)
        birth = Birth.of(pid)
        assert birth is not None
        yield birth
        birth.end()
        process.kill()


@pytest.mark.usefixtures("on_a_node")
@pytest.mark.parametrize(
    ("job", "life", "watched", "node", "lives"),
    [
        ("66", 0, False, NODE, False),  # an orphan of another job: an earlier submit's
        ("77", 0, True, NODE, False),  # an earlier life of this very task, its supervisor alive too
        ("66", 0, True, NODE, True),  # a task like this one
        ("77", 2, True, NODE, True),  # a later life: this one is what the scheduler has given up
        ("66", 0, False, "elsewhere", True),
    ],
)
def test_what_computes_a_trial_of_the_task_on_its_node(
    task: Task, job: str, life: int, watched: bool, node: str, lives: bool
) -> None:
    with working(job=job, life=life, watched=watched, node=node) as process:
        task.began(0, process, job=job, life=life, node=node)
        taken = take_over(
            task.store,
            "toy",
            Place(NODE, "short", "77", 3, 1),
            task.name,
            task.trials,
            continues=False,
        )
        assert process.lives == lives
        assert taken.elsewhere == ({task.trials[0]} if lives and node == NODE else set())


def test_what_is_recorded_or_announced_is_not_settled_again(task: Task) -> None:
    started = task.began(0, dead())
    task.store.publish(record(started.trial, outcome=Outcome.failed))
    assert task.taken_over(life=1) == ({0: {1: "failed"}}, set())


def test_a_journal_of_an_earlier_version_is_read(task: Task) -> None:
    folder = task.store.sweep_folder("toy")
    journal = Journal(folder, "77_3")
    for trial in (0, 1):
        journal.write(
            AttemptStarted(
                task.trials[trial], 1, 1.5e9, NODE, os.getpid(), None, "77", 3, task.name, trial
            )
        )
    journal.write(AttemptEnded(task.trials[0], 1, "completed"))
    task.store.publish(record(task.trials[0]))
    assert task.taken_over(life=1) == ({0: {1: "completed"}, 1: {1: "interrupted"}}, set())


def test_a_worker_that_outlived_its_driver_is_ended_before_it_is_called_gone(
    task: Task, alive: Birth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.sweep.attempts.here", lambda: Place(NODE))
    task.began(0, alive)
    task.began(1, dead(), node="elsewhere")
    assert settle_abandoned(task.store, Sweep(task.store, "toy").opened.values()) == 2
    assert not alive.lives
    assert task.recorded() == {0: "interrupted", 1: "interrupted"}


def test_own_and_derived_records_tell_the_same_circumstances(task: Task) -> None:
    started = task.began(0, dead())
    publish_derived(task.store, started, Outcome.killed, "")
    (row,) = task.store.read("toy", started.trial)
    told = circumstances(task.submission, task.array, started)
    assert {
        name: row[name].timestamp() if name.endswith("_at") else row[name] for name in told
    } == pytest.approx(told)
    assert not [
        name
        for name in (
            "partition", "group", "started_at", "queue_s", "backend", "runner_version",
            "data_digest", "packages_digest", "variables_differ",
        )
        if row[name] is None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("after_stop", "alone", "outcome", "word"),
    [
        (AfterStop.GOES_ON, True, Outcome.preempted, None),
        (AfterStop.GOES_ON, False, Outcome.preempted, None),
        (AfterStop.CANCELLED, True, Outcome.cancelled, "cancelled"),
        (AfterStop.OUT_OF_TIME, True, Outcome.timed_out, "max_requeues"),
        (AfterStop.OUT_OF_TIME, False, Outcome.interrupted, "others of its pack"),
    ],
)
def test_a_trial_is_timed_out_only_if_the_time_was_its_own(
    after_stop: AfterStop, alone: bool, outcome: Outcome, word: str | None
) -> None:
    found, why = outcome_after(after_stop, alone=alone)
    assert found is outcome
    assert (why is None) if word is None else (why is not None and word in why)
