"""A real SLURM on this machine, in a temporary folder, on free ports: five nodes, five partitions,
with or without accounting."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.patience import PATIENCE_S

from .configuration import (
    MEMORY_CGROUP,
    PARTITIONS,
    Node,
    cgroup_conf,
    gres_conf,
    memory_is_confined,
    slurm_conf,
    slurmdbd_conf,
)
from .daemons import Daemon, DaemonDied, free_ports, listens, processes_with
from .database import create_database, database_command, socket_of

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "setpriv")
NEEDED_FOR_ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr")

_NODE_VARIABLE = "SITE_NODE"


class Site:
    """Starts on entry, stops on exit, whatever happened in between.

    Attributes:
        folder: Holds everything, also `work/`, the shared file system of the site.
        environment: What a shell needs in order to talk to this site.
    """

    def __init__(self, accounting: bool = True) -> None:
        self.accounting = accounting

    @staticmethod
    def obstacle(accounting: bool = True) -> str | None:
        """Why no site can be started on this machine, or None."""
        if os.geteuid() != 0:
            return "starting a SLURM needs root"
        programs = NEEDED + (NEEDED_FOR_ACCOUNTING if accounting else ())
        missing = [
            one
            for one in programs
            if shutil.which(one, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
        ]
        return (
            f"not installed: {', '.join(missing)} (.ci/install-debian-packages)"
            if missing
            else None
        )

    def __enter__(self) -> Site:
        # Not below pytest's own folder: munge wants every folder above its socket open to all.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-site-"))
        self.folder.chmod(0o755)
        self.work = self.folder / "work"
        self.environment = self._environment()
        self.nodes: tuple[Node, ...] = ()
        self._daemons: dict[str, Daemon] = {}
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def run(self, *command: str, check: bool = True) -> str:
        """The output of one of SLURM's commands at this site."""
        done = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def node(self, short: str) -> str:
        """SLURM's name for the node that PARTITIONS calls `short`."""
        return next(node.name for node in self.nodes if node.short == short)

    def recover(self) -> None:
        """What one test leaves for the next: every daemon up, no job, all nodes idle, no limit."""
        for name in ("slurmdbd", "slurmctld"):
            if name in self._daemons and self._daemons[name].process.poll() is not None:
                self.start_accounting() if name == "slurmdbd" else self.start_controller()
        self.run(
            "scancel", "--state=PENDING", "--user=root"
        )  # first, or they start in the room that the others leave
        self.run(
            "scancel", "--signal=KILL", "--user=root"
        )  # what is deaf to a warning ends at once
        self.run("scancel", "--user=root")
        self.until(lambda: not self.run("squeue", "--noheader"), what="the queue is empty")
        for node in self.nodes:
            if self._daemons[f"slurmd-{node.short}"].process.poll() is not None:
                self.start_node(node.short)
        self.until(self._all_idle, what="all nodes are idle")
        if self.accounting:
            self.limit_submitted_jobs(-1)

    def start_node(self, short: str, without: Path | None = None) -> None:
        """Start a slurmd, or start it again; back when it listens.

        Args:
            without: A folder that this node sees empty, as one whose file system is not mounted
                there.
        """
        node = next(node for node in self.nodes if node.short == short)
        self._start_slurmd(node, without).ready(lambda: listens(node.port))

    def kill_node(self, short: str) -> None:
        """Lose a node as a power cut does: nothing on it lives to tell of the end of another."""
        name = self.node(short)
        on_it = [
            pid
            for variable in (_NODE_VARIABLE, "SLURMD_NODENAME")
            for pid in processes_with(variable, name)
        ]
        for how in (signal.SIGSTOP, signal.SIGKILL):
            for pid in on_it:
                _signal(pid, how)
        self._daemons[f"slurmd-{short}"].stop()

    def cut_off(self, short: str) -> None:
        """Have a node's daemon gone, so that SLURM misses the node, while its tasks go on;
        start_node ends that."""
        self._daemons[f"slurmd-{short}"].stop(signal.SIGKILL)

    def stop_controller(self) -> None:
        """Stop slurmctld; the queue stays on disk."""
        self._daemons["slurmctld"].stop()

    def start_controller(self, forgetful: bool = False) -> None:
        """Start slurmctld, with the queue that it left; or without, as if MinJobAge were over for
        all jobs."""
        options = ["-c"] if forgetful else []
        if forgetful:  # it would begin to count its jobs at 1 again
            with (self.folder / "slurm.conf").open("a") as conf:
                conf.write("FirstJobId=10000\n")
        self._start_daemon("slurmctld", ["slurmctld", "-D", *options]).ready(
            self._controller_answers
        )

    def stop_accounting(self) -> None:
        """Stop slurmdbd, as sites do for maintenance; slurmctld goes on."""
        self._daemons["slurmdbd"].stop()

    def start_accounting(self) -> None:
        """Start slurmdbd; slurmctld finds it again by itself."""
        self._start_daemon("slurmdbd", ["slurmdbd", "-D"]).ready(
            lambda: listens(self._accounting_port)
        )

    def limit_submitted_jobs(self, n: int) -> None:
        """Let a user have at most `n` jobs in the queue (MaxSubmitJobs); -1 lifts the limit."""
        self.run("sacctmgr", "--immediate", "modify", "user", "root", "set", f"MaxSubmitJobs={n}")

    @staticmethod
    def until(condition: Callable[[], bool], what: str) -> None:
        """Block until the condition holds; TimeoutError if it never does."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain until {what}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End every daemon and every job, and remove the folder."""
        for name in sorted(self._daemons, key=_stop_order):
            self._daemons[name].stop(
                signal.SIGTERM if name in ("slurmdbd", "mariadbd") else signal.SIGKILL
            )
        for pid in list(processes_with("SLURM_CONF", self.environment["SLURM_CONF"])):
            _signal(pid, signal.SIGKILL)
        for node in self.nodes:
            _remove_cgroups(MEMORY_CGROUP / f"slurm_{node.name}")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        outer = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "SBATCH_"))
        }
        return outer | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "MYSQL_UNIX_PORT": str(socket_of(self.folder)),
        }

    def _start(self) -> None:
        shorts = list(dict.fromkeys(short for partition in PARTITIONS for short in partition.nodes))
        self._controller_port, self._accounting_port, *ports = free_ports(2 + len(shorts))
        mine = secrets.token_hex(2)
        gpus = {"a30-1": "a30", "t4-1": "t4"}
        self.nodes = tuple(
            Node(short, f"{short}-{mine}", port, gpus.get(short))
            for short, port in zip(shorts, ports, strict=True)
        )
        self._write_files()
        self._start_munge()
        if self.accounting:
            self._start_database()
            self.start_accounting()
            self._create_account()
        self.start_controller()
        for node in self.nodes:
            self._start_slurmd(node)
        self.until(self._all_idle, what="all nodes are idle")

    def _write_files(self) -> None:
        for name in ("work", "state", "devices", *(f"spool-{node.name}" for node in self.nodes)):
            (self.folder / name).mkdir()
        for node in self.nodes:
            for number in range(2 if node.gpu else 0):
                os.mknod(
                    self.folder / "devices" / f"{node.name}-{number}", 0o20666, os.makedev(1, 3)
                )
        accounting_port = self._accounting_port if self.accounting else None
        (self.folder / "slurm.conf").write_text(
            slurm_conf(self.folder, self.nodes, self._controller_port, accounting_port)
        )
        (self.folder / "gres.conf").write_text(gres_conf(self.folder, self.nodes))
        if memory_is_confined():
            (self.folder / "cgroup.conf").write_text(cgroup_conf())

    def _start_daemon(self, name: str, command: list[str], user: str | None = None) -> Daemon:
        self._daemons[name] = Daemon(
            name, command, self.folder / f"{name}.log", self.environment, user
        )
        return self._daemons[name]

    def _start_slurmd(self, node: Node, without: Path | None = None) -> Daemon:
        name = f"slurmd-{node.short}"
        command = ["slurmd", "-D", "-N", node.name]
        if (
            without is not None
        ):  # an empty file system hides the folder from this process and what it starts
            hide = 'mount -t tmpfs -o size=1m none "$1" && shift && PATH=$PATH:/usr/sbin exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", hide, "sh", str(without), *command]
        environment = self.environment | {
            _NODE_VARIABLE: node.name
        }  # which its slurmstepds inherit
        self._daemons[name] = Daemon(name, command, self.folder / f"{name}.log", environment)
        return self._daemons[name]

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {
            "key-file": "munge.key",
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "seed-file": "munge.seed",
            "log-file": "munge.log",
        }
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self._start_daemon("munged", ["munged", "--foreground", "--force", *options]).ready(
            (self.folder / "munge.socket").exists
        )

    def _start_database(self) -> None:
        socket = create_database(self.folder)
        self._start_daemon("mariadbd", database_command(self.folder), user="mysql").ready(
            socket.exists
        )
        slurmdbd = self.folder / "slurmdbd.conf"
        slurmdbd.write_text(slurmdbd_conf(self.folder, self._accounting_port))
        slurmdbd.chmod(0o600)  # slurmdbd refuses a file that others can read

    def _create_account(self) -> None:
        self.run("sacctmgr", "--immediate", "add", "cluster", "proving-ground")
        self.run("sacctmgr", "--immediate", "add", "account", "lab", "Cluster=proving-ground")
        with contextlib.suppress(RuntimeError):  # root is there from the start
            self.run(
                "sacctmgr",
                "--immediate",
                "add",
                "user",
                "root",
                "Account=lab",
                "DefaultAccount=lab",
            )

    def _controller_answers(self) -> bool:
        return self.run("scontrol", "ping", check=False).endswith("UP")

    def _all_idle(self) -> bool:
        for name, daemon in self._daemons.items():
            if daemon.process.poll() is not None:
                raise DaemonDied(name, daemon.log, f"ended with {daemon.process.returncode}")
        states = self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split()
        return bool(states) and set(states) == {"idle"}


def _signal(pid: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, how)


def _stop_order(name: str) -> int:
    """The nodes first, then those that they report to."""
    order = ("slurmd-", "slurmctld", "slurmdbd", "mariadbd", "munged")
    return next(place for place, prefix in enumerate(order) if name.startswith(prefix))


def _remove_cgroups(top: Path) -> None:
    """Remove what SLURM leaves of its cgroups, innermost first; one that is still in use stays."""
    for folder, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
