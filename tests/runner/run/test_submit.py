"""Submit on local backends: every trial that starts ends in one record, whatever happens to worker,
driver or disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from cluster.ray import guard as ray_guard
from tests.patience import PATIENCE_S
from tests.runner.conftest import Desk

LOCAL = ["inline", pytest.param("ray", marks=pytest.mark.ray)]

QUICK = "workload: toys:quick\nmatrix: {width: [1, 2, 3]}\nrepeats: 2\n"
MOODY = (
    "workload: toys:moody\nmatrix: {width: [0, 1, 2, 3, 4, 5, 6, 7, 8]}\nfixed: {tally: TALLY}\n"
)
HELD = (
    "workload: toys:held\nmatrix: {width: {range: [0, 40]}}\nfixed: {tally: TALLY, gate: "
    "TALLY-gate}\n"
)
COUNTED = "workload: toys:counted\nmatrix: {width: {range: [0, 40]}}\nfixed: {tally: TALLY}\n"


@pytest.mark.parametrize("backend", LOCAL)
def test_every_trial_runs_once_and_its_record_has_what_it_returned(
    desk: Desk, backend: str
) -> None:
    grid = desk.grid(QUICK)
    assert "6 completed" in desk.run("submit", grid, "--backend", backend)
    rows = desk.json("collect", "toy")
    assert sorted((row["width"], row["seed"], row["doubled"]) for row in rows) == [
        (width, seed, 2.0 * width + seed) for width in (1, 2, 3) for seed in (0, 1)
    ]
    assert {row["backend"] for row in rows} == {backend}
    assert all(row["total_s"] >= row["train_s"] >= 0 for row in rows)
    for row in rows:
        before_s = (
            datetime.fromisoformat(row["started_at"]) - datetime.fromisoformat(row["submitted_at"])
        ).total_seconds()
        assert row["queue_s"] + row["startup_s"] == pytest.approx(before_s, abs=1e-3)
        assert min(row["queue_s"], row["startup_s"]) >= 0
    carriers = [row for row in rows if row["startup_s"] > 0]
    assert len(carriers) == len({row["pid"] for row in rows}), (
        "the first trial of each worker carries its start"
    )
    assert "nothing to run" in desk.run("submit", grid, "--backend", backend)
    assert desk.outcomes() == {"completed": 6}


def test_only_what_has_no_completed_record_runs_again(desk: Desk) -> None:
    grid = desk.grid("workload: toys:moody\nmatrix: {width: [0, 1, 7]}\nfixed: {tally: TALLY}\n")
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.outcomes() == {"completed": 1, "failed": 1, "out_of_memory": 1}
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.ran() == {"0": 1, "1": 2, "7": 2}
    assert desk.outcomes() == {"completed": 1, "failed": 2, "out_of_memory": 2}


def test_a_longer_grid_of_the_same_name_runs_what_is_new(desk: Desk) -> None:
    desk.run("submit", desk.grid(COUNTED.replace("40", "2")), "--backend", "inline")
    desk.run("submit", desk.grid(COUNTED.replace("40", "3")), "--backend", "inline")
    assert sorted(desk.ran().values()) == [1, 1, 1]
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 3}


def test_limit_leaves_the_rest_for_later(desk: Desk) -> None:
    grid = desk.grid(QUICK)
    assert "4 left for later" in desk.run("submit", grid, "--backend", "inline", "--limit", "2")
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 2, "waiting": 4}
    desk.run("submit", grid, "--backend", "inline")
    assert desk.outcomes() == {"completed": 6}


def test_what_is_hard_to_write_costs_no_record_and_not_the_rest_of_the_pack(desk: Desk) -> None:
    cases = [
        "step",
        "half",
        "nan",
        "rounded",
        "digits",
        "raises",
        "object",
        "name",
        "collision",
        "huge",
        "plain",
    ]
    desk.run(
        "submit",
        desk.grid(f"workload: toys:outlandish\nmatrix: {{case: {cases}}}\n"),
        "--backend",
        "inline",
        code=1,
    )
    rows = {row["case"]: row for row in desk.json("collect", "toy")}
    assert {case for case, row in rows.items() if row["outcome"] != "completed"} == {
        "raises",
        "object",
    }
    assert not any(row["derived"] for row in rows.values())
    assert {case: row["history"][0]["epoch"] for case, row in rows.items()} == {
        **dict.fromkeys(cases, 1),
        "step": 3_000_000_000,
        "half": 0.5,
    }
    assert rows["rounded"]["test_accuracy"] == 1
    assert {case for case, row in rows.items() if row["diverged"]} == {"nan"}
    assert "completed, diverged" in desk.run("show", rows["nan"]["trial"])
    assert desk.json("status", "toy")[0]["diverged"] == 1
    assert "1 of the completed trials diverged" in desk.run("status", "toy")
    assert "1 completed trial diverged" in desk.run("collect", "toy")
    assert rows["object"]["done"] == 1
    assert "net" in rows["object"]["error_message"]
    assert rows["collision"]["c\\udcff"] == 1
    assert [entry.partition(":")[0] for entry in rows["collision"]["not_written"]] == ["c\\udcff"]
    assert {case for case, row in rows.items() if row["not_written"]} == {"collision"}
    assert (rows["name"]["r\\udcff"], rows["name"]["nul\0"]) == ("v\\udcff", "\0")
    assert len(rows["huge"]["text"]) == 2**20


@pytest.mark.ray
def test_a_worker_that_dies_costs_its_trial_alone_and_the_record_says_how(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in an allocation: what SLURM says of it reaches every worker of a Ray that is started
    # there, and none of them is that task.
    for name, value in {
        "SLURM_JOB_ID": "78",
        "SLURM_ARRAY_JOB_ID": "77",
        "SLURM_ARRAY_TASK_ID": "3",
    }.items():
        monkeypatch.setenv(name, value)
    grid = desk.grid(MOODY)
    desk.run("submit", grid, "--backend", "ray", code=1)
    rows = {row["width"]: row for row in desk.json("collect", "toy")}
    assert {width: row["outcome"] for width, row in rows.items()} == {
        0: "completed", 1: "failed", 2: "completed", 3: "killed", 4: "completed",
        5: "crashed", 6: "completed", 7: "out_of_memory", 8: "completed",
    }  # fmt: skip
    assert {width for width, row in rows.items() if row["derived"]} == {3, 5}
    assert {row["array_job_id"] for row in rows.values()} == {None}
    assert len({row["pid"] for row in rows.values()}) > 2
    assert len({row["log"] for row in rows.values()}) == len(rows)
    assert "not to my liking" in rows[1]["error_message"]
    assert desk.ran() == {str(width): 1 for width in range(9)}


@pytest.mark.parametrize("backend", LOCAL)
def test_what_a_trial_does_to_its_process_costs_no_other(desk: Desk, backend: str) -> None:
    """One worker, so that the trials follow each other."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    (desk.folder / "cluster.yaml").write_text(f"targets: {{cpu: {{cpus: {os.cpu_count()}}}}}")
    grid = desk.grid("workload: toys:damaging\nmatrix: {width: [0, 1, 2, 3, 4, 5, 6]}\n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limit[1]), limit[1]))
    try:
        desk.run("submit", grid, "--backend", backend, code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    rows = {row["width"]: row for row in desk.json("collect", "toy")}
    assert [rows[width]["outcome"] for width in range(7)] == [
        "completed",
        "failed",
        "completed",
        "completed",
        "failed",
        *["completed"] * 2,
    ]
    assert ("Too many open files" in rows[1]["error_message"], rows[4]["error_type"]) == (
        True,
        "KeyboardInterrupt",
    )
    assert not any(row["derived"] for row in rows.values())
    if backend == "ray":
        for width, row in rows.items():
            assert desk.run("logs", row["trial"]).splitlines()[0] == f"width {width}"


@pytest.mark.parametrize("backend", LOCAL)
def test_an_isolated_trial_has_a_process_for_itself(desk: Desk, backend: str) -> None:
    grid = desk.grid(
        "groups:\n"
        "  - {workload: toys:alone, isolate: true, matrix: {width: [1, 2]}}\n"
        "  - {workload: toys:moody, isolate: true, matrix: {width: [2, 3, 5]}, fixed: {tally: "
        "TALLY}}\n"
        "  - {workload: toys:quick}\n"
    )
    desk.run("submit", grid, "--backend", backend, code=1)
    rows = desk.json("collect", "toy")
    assert [row["trials_here"] for row in rows if row["workload"] == "toys:alone"] == [1, 1]
    assert len({row["pid"] for row in rows}) == 6
    moody = {row["width"]: row["outcome"] for row in rows if row["workload"] == "toys:moody"}
    assert moody == {2: "completed", 3: "killed", 5: "crashed"}


def test_inline_goes_on_in_new_processes_after_a_trial_that_spoilt_its_own(desk: Desk) -> None:
    grid = desk.grid(
        "groups:\n  - {workload: toys:alone, matrix: {width: [1, 2]}}\n  - {workload: "
        "toys:quick, target: cpu}\n"
    )
    said = desk.run("submit", grid, "--backend", "inline", code=0)
    assert "torch's inter-op threads" in said
    rows = desk.json("collect", "toy")
    assert [row["trials_here"] for row in rows if row["workload"] == "toys:alone"] == [1, 1]
    assert len({row["pid"] for row in rows}) == 3


@pytest.mark.ray
def test_a_record_that_a_ruined_process_cannot_write_is_written_by_another(desk: Desk) -> None:
    (desk.folder / "cluster.yaml").write_text(f"targets: {{cpu: {{cpus: {os.cpu_count()}}}}}")
    desk.run(
        "submit",
        desk.grid("workload: toys:crippling\nmatrix: {width: [1, 0]}\n"),
        "--backend",
        "ray",
        code=1,
    )
    rows = {row["width"]: row for row in desk.json("collect", "toy")}
    assert (rows[0]["outcome"], rows[1]["outcome"], rows[1]["derived"]) == (
        "completed",
        "killed",
        True,
    )
    assert "RLIMIT_FSIZE" in rows[1]["error_message"]


def test_inline_says_that_a_trial_has_ruined_the_process_and_not_that_the_store_is_broken(
    desk: Desk,
) -> None:
    grid = desk.grid("workload: toys:crippling\nmatrix: {width: [1, 0]}\n")
    assert "isolate: true" in desk.run("submit", grid, "--backend", "inline", code=1)


@pytest.mark.ray
def test_a_gpu_that_faults_costs_its_trial_alone(desk: Desk) -> None:
    desk.run(
        "submit",
        desk.grid(
            "workload: toys:faulty\nmatrix: {width: {range: [0, 8]}}\nfixed: {tally: TALLY}\n"
        ),
        "--backend",
        "ray",
        code=1,
    )
    rows = {row["width"]: row for row in desk.json("collect", "toy")}
    assert [rows[width]["outcome"] for width in range(8)] == [
        "completed",
        "failed",
        *["completed"] * 6,
    ]
    assert "device-side assert" in rows[1]["error_message"]
    assert rows[1]["pid"] not in {row["pid"] for width, row in rows.items() if width > 3}
    assert desk.ran() == {str(width): 1 for width in range(8)}


def test_ctrl_c_loses_nothing_inline(desk: Desk) -> None:
    _stopped_by(signal.SIGINT, desk, "inline")


@pytest.mark.ray
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_stopped_loses_nothing_and_leaves_no_process(
    desk: Desk, number: signal.Signals
) -> None:
    _stopped_by(number, desk, "ray")


@pytest.mark.parametrize(
    ("backend", "number", "isolate"),
    [
        ("inline", signal.SIGINT, "false"),
        ("inline", signal.SIGINT, "true"),
        pytest.param("ray", signal.SIGINT, "false", marks=pytest.mark.ray),
        pytest.param("ray", signal.SIGHUP, "false", marks=pytest.mark.ray),
    ],
)
@pytest.mark.long
def test_what_runs_when_a_submit_is_stopped_saves_itself_and_goes_on(
    desk: Desk, backend: str, number: signal.Signals, isolate: str
) -> None:
    gate = desk.folder / "gate"
    grid = desk.grid(
        f"workload: toys:saving\nisolate: {isolate}\nmatrix: {{width: {{range: [0, 8]}}}}\nfixed: "
        f"{{gate: {gate}}}\n"
    )
    process = desk.start("submit", grid, "--backend", backend)
    desk.wait_until(lambda: any(desk.store_folder.glob("files/*/began")), process)
    os.killpg(process.pid, number)  # a terminal tells all that runs in it
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    outcomes = desk.outcomes()
    assert set(outcomes) == {"preempted"}
    assert f"stopped: {outcomes['preempted']} preempted; 8 of 8 trials of 'toy' are left" in err
    gate.touch()
    desk.run("submit", grid, "--backend", backend)
    assert sum(row["stops"] for row in desk.json("collect", "toy")) == outcomes["preempted"]
    assert desk.outcomes() == {"completed": 8, "preempted": outcomes["preempted"]}


@pytest.mark.parametrize("backend", LOCAL)
def test_a_trial_over_its_time_has_timed_out_and_retry_takes_it(desk: Desk, backend: str) -> None:
    gate = desk.folder / "gate"
    grid = desk.grid(
        f"workload: toys:patient\nmatrix: {{width: [1]}}\nfixed: {{gate: {gate}}}\nresources: "
        f"{{time_min: 0.02}}\n"
    )
    desk.run("submit", grid, "--backend", backend, code=1)
    (row,) = desk.json("show", "--failed", "toy")
    assert (row["outcome"], row["error_type"]) == ("timed_out", None)
    assert "0.02 minutes" in row["error_message"]
    gate.touch()
    assert "1 completed" in desk.run("retry", "toy")


@pytest.mark.parametrize("backend", LOCAL)
def test_a_second_ctrl_c_ends_what_does_not_listen_and_leaves_nothing(
    desk: Desk, backend: str
) -> None:
    grid = desk.grid(
        f"workload: toys:patient\nmatrix: {{width: {{range: [0, 8]}}}}\nfixed: {{gate: "
        f"{desk.folder / 'gate'}}}\n"
    )
    process = desk.start("submit", grid, "--backend", backend)
    desk.wait_until(lambda: any(desk.store_folder.glob("files/*/began")), process)
    family = psutil.Process(process.pid).children(recursive=True)
    folders = {
        Path(folder) for member in family if (folder := member.environ().get(ray_guard.MARK))
    }
    assert bool(folders) is (backend == "ray")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "stopping: running trials have" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert set(desk.outcomes()) == {"interrupted"}
    assert (
        f"stopped: {desk.outcomes()['interrupted']} interrupted; 8 of 8 trials of 'toy' are left"
        in err
    )
    assert not psutil.wait_procs(family, timeout=PATIENCE_S)[1]
    assert not [folder for folder in folders if folder.exists()]


def _open(desk: Desk) -> None:
    """Let the trials of `HELD` end."""
    desk.tally.with_name("tally-gate").touch()


def _stopped_by(number: signal.Signals, desk: Desk, backend: str) -> None:
    grid = desk.grid(HELD)
    process = desk.start("submit", grid, "--backend", backend)
    desk.wait_until(lambda: len(desk.ran()) >= 5, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert "the same command continues" in err
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert not alive
    begun = len(desk.ran())
    assert sum(desk.outcomes().values()) == begun
    _open(desk)
    desk.run("submit", grid, "--backend", backend)
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 40}
    assert desk.outcomes()["completed"] == 40


@pytest.mark.parametrize("backend", LOCAL)
def test_a_killed_driver_leaves_a_sweep_that_the_same_submit_finishes(
    desk: Desk, backend: str
) -> None:
    grid = desk.grid(HELD)
    process = desk.start("submit", grid, "--backend", backend)
    desk.wait_until(lambda: len(desk.ran()) >= 5, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert not alive
    standing = desk.json("status", "toy")[0]
    assert not standing["submit_is_running"]
    assert sum(standing["counts"].values()) == 40
    _open(desk)
    desk.run("submit", grid, "--backend", backend)
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 40}
    outcomes = desk.outcomes()
    assert outcomes.keys() <= {"completed", "interrupted"}
    assert outcomes["completed"] == 40
    assert sum(desk.ran().values()) == outcomes.total()


def test_a_trial_that_ends_an_inline_submit_keeps_no_other_from_being_run(desk: Desk) -> None:
    (desk.folder / "m.py").write_text(
        "import os\ndef f(i: int):\n    if i < 2:\n        os._exit(9)\n    return {'v': i}\n"
    )
    grid = desk.grid("workload: m:f\nmatrix: {i: {range: [0, 5]}}\n")
    for _ in range(3):
        desk.run("submit", grid, "--backend", "inline", code=9)
    desk.run("collect", "toy")
    assert desk.outcomes() == {"completed": 3, "interrupted": 3}


def test_the_code_an_isolated_trial_ends_its_process_with_is_no_word_of_the_worker(
    desk: Desk,
) -> None:
    (desk.folder / "m.py").write_text("import os\ndef f(exits: int):\n    os._exit(exits)\n")
    grid = desk.grid("workload: m:f\nisolate: true\nmatrix: {exits: [1, 75]}\n")
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.outcomes() == {"killed": 2}


def test_two_submits_at_once_run_each_trial_once(desk: Desk) -> None:
    grid = desk.grid(HELD)
    both = [desk.start("submit", grid, "--backend", "inline") for _ in range(2)]
    desk.wait_until(lambda: any(process.poll() is not None for process in both))
    _open(desk)
    said = [process.communicate(timeout=PATIENCE_S)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    assert (
        "another submit is running sweep 'toy'"
        in said[[process.returncode for process in both].index(1)]
    )
    assert desk.ran().keys() == desk.store.index("toy").completed
    assert set(desk.ran().values()) == {1}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that is nearly full."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", mount],
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("this machine does not allow mounts")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


@pytest.mark.parametrize("backend", LOCAL)
def test_a_full_disk_stops_the_submit_and_a_larger_one_finishes_it(
    desk: Desk, small_disk: Path, backend: str
) -> None:
    desk.store_folder = small_disk / "store"
    grid = desk.grid(COUNTED)
    assert "no space left" in desk.run("submit", grid, "--backend", backend, code=1)
    recorded = desk.outcomes()
    assert recorded.total() < 40
    assert recorded.keys() <= {"completed", "interrupted"}
    subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True)
    desk.run("submit", grid, "--backend", backend)
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 40}


def test_a_read_only_store_is_refused_before_anything_runs(desk: Desk, small_disk: Path) -> None:
    desk.store_folder = small_disk / "store"
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "Read-only file system" in desk.run(
        "submit", desk.grid(COUNTED), "--backend", "inline", code=1
    )
    assert not desk.ran()


def test_a_damaged_record_is_named_and_its_trial_runs_again(desk: Desk) -> None:
    grid = desk.grid(QUICK)
    desk.run("submit", grid, "--backend", "inline", "--limit", "1")
    (path,) = desk.store.records_folder("toy").glob("*.parquet")
    path.write_bytes(b"not a record")
    assert path.name in desk.run("status", "toy", code=1)
    assert path.name in desk.run("collect", "toy", code=1)
    desk.run("submit", grid, "--backend", "inline")
    assert desk.json("status", "toy", code=1)[0]["counts"] == {"completed": 6}
    assert path.read_bytes() == b"not a record"


def test_what_is_queued_was_frozen(desk: Desk) -> None:
    grid = desk.grid(
        "workload: toys:patient\nfixed: {gate: GATE}\nmatrix: {width: [1, 2]}\n".replace(
            "GATE", str(desk.folder / "gate")
        )
    )
    process = desk.start("submit", grid, "--backend", "inline")
    desk.wait_until(lambda: any(desk.store_folder.glob("files/*/began")), process)
    grid.write_text(grid.read_text().replace("[1, 2]", "[1, 7]"))
    (desk.folder / "gate").touch()
    process.communicate(timeout=PATIENCE_S)
    assert sorted(row["width"] for row in desk.json("collect", "toy")) == [1, 2]


def test_a_missing_dataset_is_an_error_that_names_the_command(desk: Desk) -> None:
    grid = desk.grid("workload: train\nfixed: {dataset: mnist}\n")
    assert "runner data prepare mnist" in desk.run(
        "submit", grid, "--backend", "inline", "--data-dir", desk.folder, code=1
    )
    assert not desk.store_folder.exists()


def test_missing_weights_are_an_error_that_names_the_command(desk: Desk) -> None:
    grid = desk.grid(
        "workload: train\nfixed: {model: resnet18, pretrained: true}\nmatrix: {lr: [0.1, 0.01]}\n"
    )
    said = desk.run("submit", grid, "--backend", "inline", "--data-dir", desk.folder, code=1)
    assert "2 trials start from weights" in said
    assert f"runner data prepare weights:resnet18 --data-dir {desk.folder}" in said
    assert not desk.store_folder.exists()


def test_retry_runs_only_what_failed_and_results_only_by_force(desk: Desk) -> None:
    grid = desk.grid("workload: toys:moody\nmatrix: {width: [0, 1, 7]}\nfixed: {tally: TALLY}\n")
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert "--force runs them again" in desk.run("retry", "toy", code=1)
    assert desk.ran() == {"0": 1, "1": 1, "7": 2}
    desk.run("retry", "toy", "--force", code=1)
    assert desk.ran() == {"0": 1, "1": 2, "7": 3}


@pytest.fixture
def shared_by_a_group() -> Iterator[None]:
    """The umask of people who share folders."""
    before = os.umask(0o002)
    yield
    os.umask(before)


@pytest.mark.usefixtures("shared_by_a_group")
def test_a_store_that_a_group_shares_stays_theirs_throughout(desk: Desk) -> None:
    desk.store_folder.mkdir()
    desk.store_folder.chmod(0o2775)
    desk.run(
        "submit",
        desk.grid("workload: toys:private\nmatrix: {width: [1, 2]}\n"),
        "--backend",
        "inline",
    )
    desk.run("collect", "toy")
    modes = {
        path.relative_to(desk.store_folder): path.stat().st_mode & 0o7777
        for path in desk.store_folder.rglob("*")
        if not path.is_symlink()
    }
    of_code = {mode for path, mode in modes.items() if path.parts[0] == "code" and path.parts[1:]}
    assert of_code == {0o2555, 0o444}, "snapshots are read-only"
    of_ours = {
        path: mode
        for path, mode in modes.items()
        if path.name != "theirs" and (path.parts[0] != "code" or not path.parts[1:])
    }
    assert {mode for path, mode in of_ours.items() if (desk.store_folder / path).is_dir()} == {
        0o2775
    }, of_ours
    assert {mode for path, mode in of_ours.items() if not (desk.store_folder / path).is_dir()} == {
        0o664
    }, of_ours


@pytest.mark.long
def test_a_native_fit_ends_at_its_limit(desk: Desk) -> None:
    """Classes that nothing tells apart, at a price of errors for which libsvm never settles."""
    svm = (
        'workload: svm\nfixed: {dataset: "synthetic:1x4x4x2x9000", kernel: linear, C: 1e12, '
        "scaling: none}\n"
    )
    grid = desk.grid(svm + "matrix: {engine: [sklearn, sklearnex]}\nresources: {time_min: 0.2}\n")
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.outcomes() == {"timed_out": 2}
