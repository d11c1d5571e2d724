"""`runner doctor` and `runner init --slurm` at a real site: what would be refused is said before it
is queued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.planning.profile import find_profile
from tests.patience import PATIENCE_S

from .site import Site

HEALTHY = "cpu: {partition: cpu, cpus: 1, mem_gb: 1, time_min: 10}"
LAYERED = """#!/bin/sh
exec unshare --mount sh -c 'mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work \\
  && mount -t overlay -o lowerdir={store},upperdir=/mnt/upper,workdir=/mnt/work none {store} && exec {python} "$@"' sh "$@"
"""


@dataclass(frozen=True)
class Report:
    """What the doctor said."""

    code: int
    said: dict[str, Any]

    def of(self, target: str | None) -> list[tuple[str, str, str]]:
        """Level, observation and fix of a target's findings."""
        return [
            (one["level"], one["what"], one["fix"])
            for one in self.said["findings"]
            if one["target"] == target
        ]

    def verdicts(self) -> dict[str, str]:
        return {one["target"]: one["verdict"] for one in self.said["targets"]}


class Desk:
    """A login node of the site."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder, self.store = site, folder, folder / "store"

    def profile(self, *targets: str, slurm: str = "{}") -> None:
        lines = [
            "backend: slurm",
            "targets:",
            *(f"  {target}" for target in targets),
            f"slurm: {slurm}",
        ]
        (self.folder / "cluster.yaml").write_text("\n".join(lines) + "\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("runner")), *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.site.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err

    def doctor(self, *arguments: str) -> Report:
        code, out, err = self.run("doctor", "--store", str(self.store), "--json", *arguments)
        assert out, err
        return Report(code, json.loads(out))

    def queued(self) -> list[str]:
        """Names of the jobs that wait or run."""
        return self.site.run(
            "squeue", "--noheader", "--format=%j", "--states=PENDING,RUNNING"
        ).split()


@pytest.fixture
def desk(slurm_site: Site, tmp_path: Path) -> Desk:
    folder = slurm_site.work / tmp_path.name
    folder.mkdir()
    return Desk(slurm_site, folder)


def test_a_probe_visits_every_target_and_leaves_nothing(desk: Desk) -> None:
    desk.profile(HEALTHY, "t4: {partition: gpu-t4, gpus: 1, gpu: t4, cpus: 1, mem_gb: 1}")
    report = desk.doctor()
    # The site's GPUs are device files without a device: a trial of this target would find none.
    assert (report.code, report.verdicts()) == (1, {"cpu": "ok", "t4": "refused"})
    [(level, what, _)] = report.of("t4")
    assert level == "refused"
    assert "1 GPU of model t4" in what
    assert "wrong_device" in what
    nodes = {one["target"]: one["node"] for one in report.said["targets"]}
    assert nodes["t4"] == desk.site.node("t4-1")
    assert nodes["cpu"] in (desk.site.node("cpu-1"), desk.site.node("cpu-2"))
    assert not desk.store.exists()
    assert desk.queued() == []


def test_what_the_scheduler_would_refuse_is_named_with_a_fix(desk: Desk) -> None:
    desk.profile(
        HEALTHY,
        "partition: {partition: gpu-a3}",
        "model: {partition: gpu-t4, gpus: 1, gpu: a30}",
        "count: {partition: gpu-t4, gpus: 3, gpu: t4}",
        "limit: {partition: gpu-a30, time_min: 600}",
        "cpus: {partition: cpu, cpus: 64}",
        "memory: {partition: cpu, mem_gb: 512}",
        "account: {partition: cpu, account: nobody}",
        "qos: {partition: cpu, qos: superb}",
        "feature: {partition: cpu, constraint: infiniband}",
        "share: {partition: gpu-t4, gpus: 0.5}",
    )
    report = desk.doctor("--no-probe")
    assert report.code == 1
    assert report.said["probed"] is False
    assert {target for target, verdict in report.verdicts().items() if verdict == "ok"} == {"cpu"}
    expected = {
        "partition": ("gpu-a3", "gpu-a30 (1 node of 8 CPUs, 8 GB, 2 a30; up to 8 h)"),
        "model": ("0 of 1 GPUs of model a30", "a30 is in gpu-a30"),
        "count": ("2 of 3 GPUs", "2 t4"),
        "limit": ("MaxTime", "up to 8 h"),
        "cpus": ("8 of 64 CPUs", "8 CPUs"),
        "memory": ("8 of 512 GB", "8 GB"),
        "account": ("nobody", "lab"),
        "qos": ("superb", "normal"),
        "feature": ("Invalid feature specification", "profile"),
        "share": ("0.5 of a GPU", "gpus: 1"),
    }
    for target, (what, fix) in expected.items():
        [finding] = report.of(target)
        assert finding[0] == "refused"
        assert what in finding[1]
        assert fix in finding[2]
    assert not desk.store.exists()


def test_what_would_wait_for_ever_and_what_waits_for_a_while(desk: Desk) -> None:
    failed = desk.site.run(
        "sbatch", "--parsable", "--partition=cpu", "--output=/dev/null", "--wrap", "exit 1"
    )
    done = desk.site.run(
        "sbatch", "--parsable", "--partition=cpu", "--output=/dev/null", "--wrap", "exit 0"
    )
    desk.site.until(lambda: not desk.queued(), "both jobs have ended")
    desk.site.run("scontrol", "update", "PartitionName=gpu-t4", "State=DOWN")
    desk.site.run("scontrol", "update", "PartitionName=gpu-a30", "State=DRAIN")
    desk.profile(
        HEALTHY,
        "maintained: {partition: gpu-t4, time_min: 10}",
        "drained: {partition: gpu-a30, time_min: 10}",
        "either: {partition: 'gpu-t4,cpu', time_min: 10}",
        f"broken: {{partition: cpu, time_min: 10, dependency: 'afterok:{done}:{failed}'}}",
        f"fine: {{partition: cpu, time_min: 10, dependency: 'afterok:{done},afternotok:{failed}'}}",
        f"any: {{partition: cpu, time_min: 10, dependency: 'afterok:{failed}?afterok:{done}'}}",
        "short: {partition: cpu, time_min: 1}",
        slurm="{signal_delay_s: 90}",
    )
    try:
        report = desk.doctor("--no-probe")
    finally:
        desk.site.run("scontrol", "update", "PartitionName=gpu-t4", "State=UP")
        desk.site.run("scontrol", "update", "PartitionName=gpu-a30", "State=UP")
    assert report.verdicts() == {
        "cpu": "ok",
        "maintained": "pending",
        "drained": "refused",
        "either": "ok",
        "broken": "refused",
        "fine": "ok",
        "any": "ok",
        "short": "warning",
    }
    assert "gpu-t4 is DOWN" in report.of("maintained")[0][1]
    assert f"waits for job {failed} to end well" in report.of("broken")[0][1]
    assert "warned 10 s ahead instead" in report.of("short")[0][1]


def test_a_line_of_setup_that_fails_is_named(desk: Desk) -> None:
    desk.profile(HEALTHY, slurm="{setup: ['export READY=1', 'cd /nowhere/at/all']}")
    report = desk.doctor()
    assert report.code == 1
    [(_, what, fix)] = report.of("cpu")
    assert "cd /nowhere/at/all" in what
    assert "setup" in fix


def test_a_probe_that_waits_is_pending_with_slurms_reason(desk: Desk) -> None:
    desk.site.run(
        "sbatch",
        "--parsable",
        "--partition=gpu-t4",
        "--exclusive",
        "--job-name=tenant",
        "--wrap=sleep 3600",
        "--output=/dev/null",
    )
    desk.site.until(
        lambda: (
            "tenant" in desk.site.run("squeue", "--noheader", "--format=%j", "--states=RUNNING")
        ),
        "the tenant runs",
    )
    desk.profile("t4: {partition: gpu-t4, cpus: 1, mem_gb: 1}")
    report = desk.doctor("--timeout", "20")
    [(level, what, _)] = report.of("t4")
    assert level == "pending"
    assert "Resources" in what or "Priority" in what
    assert report.code == 0
    assert desk.queued() == ["tenant"]


def test_a_node_that_does_not_see_the_store_is_found_out(desk: Desk) -> None:
    desk.site.kill_node("t4-1")
    desk.site.start_node("t4-1", without=desk.folder)
    name = desk.site.node("t4-1")
    desk.site.until(
        lambda: desk.site.run("sinfo", "--noheader", f"--nodes={name}", "--format=%T") == "idle",
        "the node is back",
    )
    desk.profile(HEALTHY, "t4: {partition: gpu-t4, cpus: 1, mem_gb: 1}")
    try:
        report = desk.doctor()
    finally:
        desk.site.kill_node("t4-1")
    assert (report.code, report.verdicts()) == (1, {"cpu": "ok", "t4": "refused"})
    [(_, what, fix)] = report.of("t4")
    assert name in what
    assert str(desk.store) in what
    assert "shared" in fix


def test_a_python_that_the_nodes_do_not_have(desk: Desk) -> None:
    desk.profile(HEALTHY, slurm="{python: /opt/nowhere/bin/python}")
    report = desk.doctor()
    assert report.code == 1
    [(_, what, fix)] = report.of("cpu")
    assert "/opt/nowhere/bin/python" in what
    assert "python:" in fix


def test_a_package_that_the_nodes_do_not_have(desk: Desk) -> None:
    bare = desk.folder / "bare"
    _environment_without(("torch", "torchvision"), bare)
    desk.profile(HEALTHY, slurm=f"{{python: {bare / 'python'}}}")
    report = desk.doctor()
    assert report.code == 1
    found = [what for level, what, _ in report.of("cpu") if level == "refused"]
    assert [what.partition(": ")[2] for what in found] == [
        "torch is not installed",
        "torchvision is not installed",
    ]


def test_a_memory_that_does_not_hold_torch(desk: Desk) -> None:
    desk.profile("cpu: {partition: cpu, cpus: 1, mem_gb: 0.06}")
    report = desk.doctor()
    assert report.code == 1
    [(_, what, fix)] = report.of("cpu")
    assert "out_of_memory" in what
    assert "mem_gb" in fix


def test_an_answer_that_the_login_node_does_not_see(desk: Desk) -> None:
    """The node sees the store, and writes to a layer of its own."""
    desk.store.mkdir()
    layered = desk.folder / "python"
    layered.write_text(LAYERED.format(store=desk.store, python=sys.executable))
    layered.chmod(0o755)
    if subprocess.run([layered, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel mounts no overlay here")
    desk.profile(HEALTHY, slurm=f"{{python: {layered}}}")
    report = desk.doctor()
    assert report.code == 1
    [(_, what, fix)] = report.of("cpu")
    assert "does not appear here" in what
    assert "share" in fix


def test_no_room_in_the_queue_is_no_refusal(desk: Desk) -> None:
    desk.site.limit_submitted_jobs(0)
    desk.profile(HEALTHY)
    report = desk.doctor()
    assert report.code == 0
    assert {level for level, _, _ in report.of("cpu")} == {"pending"}
    assert "AssocMaxSubmitJobLimit" in report.of("cpu")[0][1]


def test_without_slurmdbd_the_rest_is_still_checked(desk: Desk) -> None:
    desk.site.stop_accounting()
    desk.profile("partition: {partition: nowhere}", "cpu: {partition: cpu, account: nobody}")
    report = desk.doctor("--no-probe")
    [(level, what, _)] = report.of(None)
    assert level == "pending"
    assert "accounts" in what
    assert report.verdicts() == {
        "partition": "refused",
        "cpu": "refused",
    }  # slurmctld remembers the accounts


def test_a_site_without_accounting_is_asked_about_no_account(
    slurm_site_without_accounting: Site, tmp_path: Path
) -> None:
    folder = slurm_site_without_accounting.work / tmp_path.name
    folder.mkdir()
    desk = Desk(slurm_site_without_accounting, folder)
    desk.profile("cpu: {partition: cpu, account: lab}", "partition: {partition: nowhere}")
    report = desk.doctor("--no-probe")
    assert report.verdicts() == {"cpu": "ok", "partition": "refused"}
    assert report.of(None) == []


def test_ctrl_c_leaves_no_probe_in_the_queue(desk: Desk) -> None:
    desk.profile("t4: {partition: gpu-t4, cpus: 1, mem_gb: 1}", slurm="{additional: {hold: true}}")
    process = desk.start("doctor", "--store", str(desk.store))
    desk.site.until(
        lambda: any(name.startswith("runner-doctor") for name in desk.queued()),
        "the probe is queued",
    )
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert desk.queued() == []
    assert not desk.store.exists()


def test_a_profile_written_from_the_site_passes_its_own_check(desk: Desk) -> None:
    code, out, err = desk.run("init", "--slurm")
    assert (code, err) == (0, "")
    assert "runner doctor" in out
    profile = find_profile(desk.folder / "cluster.yaml", desk.folder).profile
    assert profile.backend == "slurm"
    assert profile.slurm.account == "lab"
    assert list(profile.targets) == ["cpu", "a30", "t4", "preemptible", "hasty", "urgent"]
    a30 = profile.target("a30")
    assert (a30.partition, a30.gpu, a30.gpus, a30.gres, a30.cpus, a30.mem_gb) == (
        "gpu-a30",
        "a30",
        1,
        "gpu:a30:1",
        4,
        4,
    )
    assert desk.doctor("--no-probe").code == 0

    written = (desk.folder / "cluster.yaml").read_bytes()
    code, _, err = desk.run("init", "--slurm")
    assert code == 1
    assert "exists already" in err
    assert (desk.folder / "cluster.yaml").read_bytes() == written


def _environment_without(packages: tuple[str, ...], folder: Path) -> None:
    """An interpreter with all that this one has but for some packages: links to the others, and no
    site-packages of its own."""
    own = Path(pytest.__file__).parents[1]
    links = folder / "packages"
    links.mkdir(parents=True)
    for entry in own.iterdir():
        if entry.name.partition("-")[0].partition(".")[0] not in packages:
            (links / entry.name).symlink_to(entry)
    repository = Path(runner.__file__).parents[1]
    script = (
        f'#!/bin/sh\nPYTHONPATH={links}{os.pathsep}{repository} exec {sys.executable} -S "$@"\n'
    )
    (folder / "python").write_text(script)
    (folder / "python").chmod(0o755)
