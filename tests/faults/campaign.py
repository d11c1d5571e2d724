"""The saboteur: runs random grids, strikes at random moments, and has the checker judge.

``python -m tests.faults.campaign --strikes 1000 --seed 1 --backend ray`` strikes until it has struck
so often. A seed gives the same grids and the same choices; the moments are the machine's.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from artifacts.store import Store
from runner.sweep.sweep import Sweep
from tests.faults.checker import violations
from tests.faults.history import Look, Sabotaged, look
from tests.patience import PATIENCE_S
from tests.slurm.site import Site

WORKLOADS = Path(__file__).parent / "workloads"
_MARK = "FAULT_CAMPAIGN"
_MOST_SUBMITS = 40
"""Submits of one sweep at most; more than the strikes that a sweep gets would need."""


OTHERS = (
    ("submit", "grid.yaml", "--keep-going"), ("collect", "toy"), ("retry", "toy"), ("cancel", "toy"),
    ("status", "toy"),
)  # fmt: skip
"""What somebody else types while a submit runs."""


@dataclass(frozen=True)
class _Running:
    """A command that was started."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path


@dataclass
class Round:
    """One random grid on one backend, struck until it is done."""

    folder: Path
    backend: str
    dice: random.Random
    environment: dict[str, str]
    strikes: int

    def __post_init__(self) -> None:
        self.mark = self.folder.name + os.urandom(4).hex()
        self.store = self.folder / "store"
        self.seen = Sabotaged(self.folder / "history.jsonl")
        self.left_strikes = self.strikes

    def run(self) -> list[str]:
        """Run it to its end and return what was broken."""
        shutil.copy(WORKLOADS / "struck.py", self.folder)
        (self.folder / "grid.yaml").write_text(self._grid())
        for number in count(1):
            calm = self.left_strikes <= 0
            code = self._submit(calm)
            self._look()
            if calm and code == self._code_at_the_end():
                break
            if number == _MOST_SUBMITS:
                return [f"the sweep does not end: {self.seen.outputs[-1]}"]
            if self.left_strikes > 0 and self.dice.random() < 0.2:
                self._damage()
            for command in (["status", "toy"], ["collect", "toy"], ["retry", "toy"]):
                if self.dice.random() < 0.25:
                    self._command(*command, strikes=False)
        self._command("collect", "toy", strikes=False)
        self._look()
        self._sweep_up()
        return violations(self.seen, self._expected())

    def _submit(self, calm: bool) -> int:
        return self._command("submit", "grid.yaml", "--keep-going", strikes=not calm)

    def _grid(self) -> str:
        numbers = list(range(self.dice.randint(3, 12)))
        self.failing = sorted(self.dice.sample(numbers, self.dice.choice([0, 0, 1])))
        self.repeats = self.dice.randint(1, 3)
        hold_ms = self.dice.choice([0, 20, 100])
        fixed = f"notes: {self.seen.history}, hold_ms: {hold_ms}"
        healthy = [number for number in numbers if number not in self.failing]
        self.numbers = healthy
        groups = [
            f"  - {{workload: struck:works, matrix: {{number: {healthy}}}, fixed: {{{fixed}}}, "
            f"repeats: {self.repeats}}}"
        ]
        if self.failing:
            groups.append(
                f"  - {{workload: struck:works, matrix: {{number: {self.failing}}}, "
                f"fixed: {{{fixed}, fails: true}}}}"
            )
        return "\n".join(["name: toy", "groups:", *groups, ""])

    def _code_at_the_end(self) -> int:
        return 1 if self.failing else 0

    def _expected(self) -> dict[str, tuple[str, Any]]:
        return {
            spec.trial_id: (
                ("failed", None)
                if spec.params["fails"]
                else ("completed", (spec.params["number"] * 7919 + spec.seed * 104729) % 99991)
            )
            for spec in Sweep(Store(self.store), "toy").latest.specs
        }

    def _command(self, *arguments: str, strikes: bool) -> int:
        """Run a command, strike meanwhile, and return its exit code."""
        running = self._start(*arguments)
        others: list[_Running] = []
        if strikes:
            if self.dice.random() < 0.3:  # two people at once
                time.sleep(self.dice.expovariate(1))
                others.append(self._start(*self.dice.choice(OTHERS)))
                self._struck(f"{others[0].name} meanwhile")
            self._strike_while(running.process)
        return [self._ended(one) for one in (*others, running)][-1]

    def _start(self, *arguments: str) -> _Running:
        options = ["--backend", self.backend] if arguments[0] == "submit" else []
        output = self.folder / f"output-{len(self.seen.outputs)}-{os.urandom(2).hex()}"
        with output.open("w") as file:
            process = subprocess.Popen(
                [
                    Path(sys.executable).with_name("runner"),
                    *arguments, *options, "--store", str(self.store),
                ],
                cwd=self.folder, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **self.environment, _MARK: self.mark, "COLUMNS": "250"},
            )  # fmt: skip
        return _Running(" ".join(arguments), process, output)

    def _ended(self, running: _Running) -> int:
        """Wait for the end of a command, keep what it printed, and return its exit code."""
        try:
            running.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            running.process.kill()
            self.seen.left.append(f"{running.name} hangs: {running.output.read_text()[-2000:]}")
        code = running.process.wait()
        self.seen.outputs.append((running.name, code, running.output.read_text(errors="replace")))
        return code

    def _strike_while(self, process: subprocess.Popen[bytes]) -> None:
        for _ in range(self.dice.randint(1, 3)):
            time.sleep(self.dice.expovariate(1 / 1.5))
            if process.poll() is not None:
                return
            self._strike()

    def _strike(self) -> None:
        """Strike once: a random process with a random signal."""
        alive = sorted(self._alive())
        if not alive:
            return
        pid, name = self.dice.choice(alive)
        how = self.dice.choices(
            [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
            [10, 2, 3, 2, 1],
        )[0]
        with suppress(ProcessLookupError):
            os.kill(pid, how)
            self._struck(f"{how.name} to {name}")
            if how is signal.SIGSTOP:
                time.sleep(self.dice.uniform(0.1, 4))
                os.kill(pid, signal.SIGCONT)

    def _struck(self, what: str) -> None:
        self.left_strikes -= 1
        self.seen.strikes.append(what)

    def _alive(self) -> Iterator[tuple[int, str]]:
        """The processes that the commands of this round have started."""
        wanted = f"{_MARK}={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        yield int(entry.name), (entry / "comm").read_text().strip()

    def _damage(self) -> None:
        """Tear or flip a file of records."""
        folder = Store(self.store).records_folder("toy")
        files = sorted(folder.glob("[!.]*.parquet")) if folder.is_dir() else []
        if not files:
            return
        path = self.dice.choice(files)
        if str(path) in self.seen.damaged:
            return
        held = {
            (trial, attempt.attempt)
            for trial, attempts in Store(self.store).index("toy").trials.items()
            for attempt in attempts
            if attempt.path == path
        }
        data = bytearray(path.read_bytes())
        if self.dice.random() < 0.5:
            del data[self.dice.randrange(len(data)) :]
        else:
            data[self.dice.randrange(len(data))] ^= 1 << self.dice.randrange(8)
        path.write_bytes(data)
        self._struck(f"damage to {path.name}")
        self.seen.damaged[str(path)] = held

    def _look(self) -> None:
        found = look(self.store, "toy") if self.store.is_dir() else Look({})
        self.seen.looks.append(found)

    def _sweep_up(self) -> None:
        """Name what is left when the last command has ended."""
        deadline = time.monotonic() + 60  # what was told to end may take its time under load
        while (alive := list(self._alive())) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid, name in alive:
            self.seen.left.append(f"process {pid} ({name})")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.seen.left += [str(path) for path in self.store.rglob("*.partial")]


class SlurmRound(Round):
    """One random grid on a real SLURM, whose daemons are struck too."""

    site: Site

    def _submit(self, calm: bool) -> int:
        self._command("submit", "grid.yaml", "--keep-going", strikes=not calm)
        return self._command("status", "toy", "--wait", strikes=not calm)

    def _grid(self) -> str:
        (self.folder / "cluster.yaml").write_text(
            "backend: slurm\ntargets:\n  cpu: {partition: cpu, cpus: 1, mem_gb: 1, time_min: 20}\n"
        )
        return super()._grid()

    def _strike(self) -> None:
        jobs = self.site.run("squeue", "--noheader", "--array", "--format=%i", check=False).split()
        name = self.dice.choice([node.short for node in self.site.nodes])
        kind = self.dice.choices(["process", "requeue", "node", "controller"], [6, 2, 1, 1])[0]
        if kind == "requeue" and jobs:
            self.site.run("scontrol", "requeue", job := self.dice.choice(jobs), check=False)
            self._struck(f"requeue of {job}")
        elif kind == "node":
            self.site.kill_node(name)
            self._struck(f"power cut of {name}")
            self.site.start_node(name)
        elif kind == "controller":
            self.site.stop_controller()
            self._struck("restart of slurmctld")
            self.site.start_controller()
        else:
            super()._strike()


def campaign(
    folder: Path, backend: str, strikes: int, seed: int, site: Site | None = None
) -> Iterator[tuple[Round, list[str]]]:
    """Yield each round and what it broke, until so many strikes were made.

    Args:
        folder: Holds a folder for each round; one that broke nothing is removed.
        backend: ``inline``, ``ray`` or ``slurm``.
        strikes: In all.
        seed: Of grids and choices.
        site: The running SLURM.
    """
    made = 0
    for number in count(1):
        place = folder / f"{backend}-{seed}-{number}"
        place.mkdir(parents=True)
        dice = random.Random(f"{seed} {backend} {number}")
        most = min(strikes - made, dice.randint(1, 8))
        struck: Round
        if site is None:
            struck = Round(place, backend, dice, {}, most)
        else:
            struck = SlurmRound(place, backend, dice, site.environment, most)
            struck.site = site
        broken = struck.run()
        made += len(struck.seen.strikes)
        yield struck, broken
        if site is not None:
            site.recover()
        if not broken:
            shutil.rmtree(place)
        if made >= strikes:
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign and print what it broke; return 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strikes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backend", choices=["inline", "ray", "slurm"], default="inline")
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    made = trials = broken_rounds = rounds = 0
    with Site() if asked.backend == "slurm" else nullcontext() as site:
        place = folder if site is None else site.work
        for struck, broken in campaign(place, asked.backend, asked.strikes, asked.seed, site):
            rounds += 1
            made += len(struck.seen.strikes)
            trials += len(struck.numbers) * struck.repeats + len(struck.failing)
            if broken:
                broken_rounds += 1
                kept = folder / struck.folder.name
                if kept != struck.folder:
                    shutil.copytree(struck.folder, kept)
                print(f"{kept}: {'; '.join(struck.seen.strikes)}", *broken, sep="\n  ", flush=True)
    print(
        f"{asked.backend}: {made} strikes, {rounds} sweeps, {trials} trials, "
        f"{broken_rounds} sweeps with a broken promise (seed {asked.seed})"
    )
    return 1 if broken_rounds else 0


if __name__ == "__main__":
    sys.exit(main())
