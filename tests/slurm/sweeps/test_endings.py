"""One day at a site: trials that end in every way there is, walltime and preemption among them, and
what is recorded of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.slurm.site import Site

from .desk import SlurmDesk, at_site

TARGETS = """
  cpu: {partition: cpu, SMALL}
  more: {partition: cpu, cpus: 1, mem_gb: 2, time_min: 20}
  t4: {partition: gpu-t4, gres: "gpu:t4:1", gpu: none, SMALL}
  a30: {partition: gpu-a30, gres: "gpu:a30:1", gpu: none, SMALL}
  real_a30: {partition: gpu-a30, gres: "gpu:a30:1", gpu: a30, gpus: 1, SMALL}
  brief: {partition: cpu, SMALL}
  spare: {partition: preemptible, SMALL}
  hasty: {partition: hasty, SMALL}
"""

ENDINGS = """
groups:
  - {workload: trials:stepwise, target: brief, matrix: {role: [brief, second, endless, never]}, fixed: {tally: TALLY}}
  - {workload: trials:stepwise, target: brief, fixed: {role: alone, tally: TALLY}, resources: {mem_gb: 0.9}}
  - {workload: trials:environment, target: [a30, t4, cpu, real_a30], repeats: 2}
  - {workload: toys:moody, target: cpu, matrix: {width: [0, 1, 2, 3, 4, 5, 6, 7, 8]}, fixed: {tally: TALLY}}
  - {workload: toys:faulty, target: cpu, matrix: {width: [20, 21, 22, 23]}, fixed: {tally: TALLY}}
  - {workload: toys:damaging, target: cpu, matrix: {width: [0, 1, 2, 3, 4, 5, 6]}}
  - {workload: toys:alone, target: cpu, isolate: true, matrix: {width: [1, 2, 3]}}
  - {workload: trials:leaves, target: cpu, matrix: {status: [0, 75]}, fixed: {tally: TALLY}}
  - workload: trials:greedy
    target: more
    matrix: {mebibytes: [1, 550, 2]}
    fixed: {tally: TALLY, gate: GATE-memory}
    resources: {mem_gb: 0.6}
  - {workload: toys:hopeless, target: more, matrix: {width: {range: [100, 110]}}, fixed: {tally: TALLY}}
"""

MOVED = """
groups:
  - workload: train
    target: [spare, cpu]
    fixed: {dataset: digits, model: "held_models:Held", batch_size: 32, epochs: 3, split: [0.7, 0.1, 0.2], tensorboard: true}
  - {workload: trials:deaf, target: hasty, fixed: {tally: TALLY}}
  - {command: "python saver.py {word}", target: spare, fixed: {word: begun}}
  - {workload: trials:stepwise, target: cpu, matrix: {role: [second]}, fixed: {tally: TALLY}}
  - {workload: trials:gated, target: cpu, matrix: {width: [1, 2]}, fixed: {gate: GATE, tally: TALLY}}
  - {workload: trials:gated, target: more, matrix: {width: [11, 12, 13]}, fixed: {gate: GATE, tally: TALLY}}
"""


@pytest.fixture(scope="module")
def day(running_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmDesk]:
    """The desk in the evening: everything has ended, and nothing was settled yet."""
    with at_site(running_site, tmp_path_factory.mktemp("day")) as desk:
        desk.profile(TARGETS, '{max_requeues: 1, setup: ["export NCCL_DEBUG=WARN"]}')
        desk.run("submit", desk.grid(ENDINGS, "endings"), "--pack", "10")
        desk.run("submit", desk.grid(MOVED, "moved"), "--pack", "1")
        _warn(desk)
        _move(desk)
        desk.until_idle()
        yield desk


def _has_begun(desk: SlurmDesk, trial: str, attempt: int) -> bool:
    return (trial, attempt) in desk.begun("endings")


def _warn(desk: SlurmDesk) -> None:
    """Send the tasks of `stepwise` the warning that comes ahead of their walltime, as often as they
    begin a trial that heeds it."""
    for role, attempt in (("second", 1), ("endless", 1), ("alone", 1), ("alone", 2)):
        (trial,) = desk.trials("endings", workload="trials:stepwise", role=role)
        desk.until(
            partial(_has_begun, desk, trial, attempt),
            f"attempt {attempt} of the trial '{role}' runs",
        )
        desk.site.run("scancel", "--signal=USR2", desk.tasks("endings")[trial])


def _move(desk: SlurmDesk) -> None:
    """Requeue, cancel and preempt what runs."""
    site = desk.site
    requeued, one, two, *whole = (
        desk.trials("moved", **wanted)[0]
        for wanted in (
            {"role": "second"},
            {"width": 1},
            {"width": 2},
            {"width": 11},
            {"width": 12},
        )
    )
    desk.until(
        lambda: {requeued, one, two, *whole} <= desk.tasks("moved").keys(),
        "the trials to be moved run",
    )
    tasks = desk.tasks("moved")
    site.run("scontrol", "requeue", tasks[requeued])
    site.run("scancel", tasks[one])
    site.run("scancel", tasks[whole[0]].partition("_")[0])
    ending = {tasks[trial] for trial in (one, *whole)}
    desk.until(
        lambda: not ending & set(site.run("squeue", "--noheader", "--format=%i").split()),
        "what was cancelled has ended",
    )
    desk.gate.touch()
    (deaf,) = desk.trials("moved", workload="trials:deaf")
    saved = f"files/*/work/{desk.folder.name}/begun"  # what a command writes is the trial's
    desk.until(
        lambda: (
            (desk.folder / "held").exists()
            and any(desk.store_folder.glob(saved))
            and deaf in desk.tasks("moved")
        ),
        "the spare node computes",
    )
    site.run(
        "sbatch", "--partition=urgent", "--cpus-per-task=8", "--output=/dev/null", "--wrap", "true"
    )


def outcomes(rows: list[dict[str, Any]]) -> list[str]:
    return [row["outcome"] for row in rows]


def test_trials_land_where_their_target_says(day: SlurmDesk) -> None:
    for target, partition, visible in (
        ("a30", "gpu-a30", {"0", "1"}),
        ("t4", "gpu-t4", {"0", "1"}),
        ("cpu", "cpu", {"none"}),
    ):
        rows = day.rows("endings", target=target, workload="trials:environment")
        assert outcomes(rows) == ["completed"] * 2
        for row in rows:
            assert (row["partition"], row["partition_seen"], row["backend"]) == (
                partition,
                partition,
                "slurm",
            )
            assert row["visible"] in visible
            assert row["node"].startswith(partition.removeprefix("gpu-"))
            missing = [
                name
                for name in (
                    "array_job_id",
                    "array_task_id",
                    "log",
                    "queue_s",
                    "total_s",
                    "host_rss_gb",
                    "cpus_granted",
                )
                if row[name] is None
            ]
            assert not missing


def test_a_node_without_the_gpu_is_the_wrong_device(day: SlurmDesk) -> None:
    rows = day.rows("endings", target="real_a30")
    assert outcomes(rows) == ["wrong_device"] * 2
    assert all(row.get("visible") is None for row in rows)


def test_a_trial_that_dies_costs_itself_and_not_its_pack(day: SlurmDesk) -> None:
    rows = {row["width"]: row for row in day.rows("endings", workload="toys:moody")}
    assert {width: row["outcome"] for width, row in rows.items()} == {
        0: "completed", 1: "failed", 2: "completed", 3: "killed", 4: "completed",
        5: "crashed", 6: "completed", 7: "out_of_memory", 8: "completed",
    }  # fmt: skip
    assert {width for width, row in rows.items() if row["derived"]} == {3, 5}
    own, derived = rows[2], rows[3]
    circumstances = [
        name for name, value in own.items()
        if value is not None and name in ("commit", "dirty", "code", "backend", "node", "partition")
    ]  # fmt: skip
    circumstances += [
        "array_job_id", "array_task_id", "submitted_at", "cpus_asked", "group", "target",
        "workload", "runner_version", "python_version", "numpy_version", "torch_version",
        "packages_digest", "packages_differ", "variables_differ",
    ]  # fmt: skip
    assert {name: derived[name] for name in circumstances} == {
        name: own[name] for name in circumstances
    }
    missing = ("started_at", "ended_at", "queue_s", "startup_s", "total_s", "log", "pid")
    assert not [name for name in missing if derived[name] is None]
    assert json.loads(own["variables_differ"]) == {"NCCL_DEBUG": [None, "WARN"]}
    assert own["packages_digest"]
    assert own["packages_differ"] is None
    assert [day.ran()[str(width)] for width in range(9)] == [1] * 9
    left = day.rows("endings", workload="trials:leaves")
    assert {(row["status"], row["outcome"], row["derived"], row["attempt"]) for row in left} == {
        (0, "killed", True, 1),
        (75, "killed", True, 1),
    }


def test_a_gpu_that_faults_costs_its_trial_alone(day: SlurmDesk) -> None:
    rows = {row["width"]: row for row in day.rows("endings", workload="toys:faulty")}
    assert {width: row["outcome"] for width, row in rows.items()} == {
        20: "completed",
        21: "failed",
        22: "completed",
        23: "completed",
    }
    assert rows[20]["pid"] == rows[21]["pid"] != rows[22]["pid"] == rows[23]["pid"]
    assert [day.ran()[str(width)] for width in rows] == [1] * 4


def test_what_a_trial_does_to_its_process_costs_no_other(day: SlurmDesk) -> None:
    rows = {row["width"]: row for row in day.rows("endings", workload="toys:damaging")}
    assert [rows[width]["outcome"] for width in range(7)] == [
        "completed",
        "failed",
        "completed",
        "completed",
        "failed",
        *["completed"] * 2,
    ]
    assert rows[4]["error_type"] == "KeyboardInterrupt"
    assert not any(row["derived"] for row in rows.values())
    assert [day.run("logs", row["trial"]).splitlines()[0] for row in rows.values()] == [
        f"width {width}" for width in rows
    ]


def test_an_isolated_trial_has_a_process_for_itself(day: SlurmDesk) -> None:
    rows = day.rows("endings", workload="toys:alone")
    assert (outcomes(rows), [row["trials_here"] for row in rows]) == (["completed"] * 3, [1] * 3)
    assert len({row["pid"] for row in rows}) == 3


def test_a_trial_that_takes_too_much_memory(day: SlurmDesk) -> None:
    rows = {
        row["mebibytes"]: row["outcome"] for row in day.rows("endings", workload="trials:greedy")
    }
    assert rows == {1: "completed", 550: "out_of_memory", 2: "completed"}


def test_a_pack_outlives_its_walltime_as_often_as_it_may(day: SlurmDesk) -> None:
    rows = {
        role: day.rows("endings", role=role) for role in ("brief", "second", "endless", "alone")
    }
    assert outcomes(rows["brief"]) == ["completed"]
    assert outcomes(rows["second"]) == ["preempted", "completed"]
    assert rows["second"][1]["lives"] == 2
    assert outcomes(rows["endless"]) == ["interrupted"]  # others had used up the time of its task
    assert outcomes(rows["alone"]) == ["preempted", "timed_out"]
    assert all("max_requeues" in rows[role][-1]["error_message"] for role in ("endless", "alone"))
    assert day.ran()["never"] == 0


def test_a_preempted_training_ends_as_an_undisturbed_one(day: SlurmDesk) -> None:
    cut, resumed = day.rows("moved", workload="train", target="spare")
    (calm,) = day.rows("moved", workload="train", target="cpu")
    assert [row["outcome"] for row in (cut, resumed, calm)] == [
        "preempted",
        "completed",
        "completed",
    ]
    assert resumed["resumed_from_epoch"] is not None
    assert 0 < (cut["steps"] or 1) < calm["steps"] == resumed["steps"]
    for name in (
        "train_accuracy",
        "val_accuracy",
        "test_accuracy",
        "train_loss",
        "val_loss",
        "test_loss",
        "best_epoch",
    ):
        assert resumed[name] == calm[name], name
    figures = ("epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
    assert [[row[name] for name in figures] for row in resumed["history"]] == [
        [row[name] for name in figures] for row in calm["history"]
    ]


def test_what_cannot_be_saved_starts_anew_after_a_preemption(day: SlurmDesk) -> None:
    cut, again = day.rows("moved", workload="trials:deaf")
    assert (cut["outcome"], cut["derived"], again["outcome"]) == ("preempted", True, "completed")
    assert again["restarts"] == 1


def test_a_command_is_told_to_stop_and_goes_on_from_what_it_saved(day: SlurmDesk) -> None:
    cut, resumed = day.rows("moved", word="begun")
    assert (cut["outcome"], resumed["outcome"], resumed["resumed"]) == ("preempted", "completed", 1)


def test_a_task_requeued_by_hand_goes_on(day: SlurmDesk) -> None:
    rows = day.rows("moved", role="second")
    assert outcomes(rows)[-1] == "completed"
    assert len(rows) == 2


def test_what_was_cancelled_from_outside_is_recorded_so(day: SlurmDesk) -> None:
    by_width = {row["width"]: row for row in day.rows("moved", workload="trials:gated")}
    assert {width: row["outcome"] for width, row in by_width.items()} == {
        1: "cancelled", 2: "completed", 11: "cancelled", 12: "cancelled", 13: "cancelled",
    }  # fmt: skip


def test_a_group_that_fails_from_the_start_in_one_way_is_stopped(day: SlurmDesk) -> None:
    assert sorted(width for width in day.ran() if width.isdigit() and int(width) >= 100) == [
        "100",
        "101",
        "102",
    ]
    said = day.run("status", "endings")
    assert "was stopped" in said
    assert "is a width like any other" in said


def test_waiting_ends_well_only_if_all_completed(day: SlurmDesk) -> None:
    day.run("status", "endings", "--wait", code=1)


def test_logs_find_what_one_trial_printed(day: SlurmDesk) -> None:
    (trial,) = day.trials("endings", width=5, workload="toys:moody")
    assert day.run("logs", trial).count("Fatal Python error: Segmentation fault") == 1


def test_what_was_out_of_memory_comes_back_with_more(day: SlurmDesk) -> None:
    (trial,) = day.trials("endings", mebibytes=550)
    assert "1 trial queued" in day.run("retry", trial)
    assert day.site.run("squeue", "--noheader", "--Format=MinMemory").strip() == "922M"
    (day.folder / "gate-memory").touch()
    day.until_idle()
    assert [attempt.outcome for attempt in day.store.index("endings").attempts(trial)] == [
        "out_of_memory",
        "completed",
    ]


def test_nothing_was_lost(day: SlurmDesk) -> None:
    day.run("submit", day.folder / "moved.yaml", "--pack", "1")
    day.until_idle()
    assert day.standing("moved") == {"completed": 10}
    day.run("status", "moved", "--wait")
