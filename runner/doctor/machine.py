"""Compare a profile with this one machine, for backends that run on it."""

from __future__ import annotations

from cluster import machine
from cluster.profile import Profile
from cluster.room import Need, Room, lacking
from runner.doctor import packages
from runner.doctor.findings import Finding, Level


def check_machine(profile: Profile) -> list[Finding]:
    """Return for every target what could never run here."""
    room = Room.here()
    findings = []
    for name, target in profile.targets.items():
        reason = lacking([room], Need.of(target))
        if reason:
            findings.append(
                Finding(
                    name,
                    Level.REFUSED,
                    reason,
                    f"ask for what is there ({machine_in_words()}), or map it with --on",
                )
            )
    return findings


def check_packages(python: str) -> list[Finding]:
    """Return which packages are missing in the environment of this process, from its metadata;
    nothing is imported."""
    installed = packages.versions()
    fix = f"into the environment of {python}"
    findings = [
        Finding("", Level.REFUSED, f"{name} is not installed", f"install it {fix}")
        for name in packages.NEEDED
        if name not in installed
    ]
    problem = packages.pair_problem(installed)
    if problem:
        findings.append(
            Finding("", Level.WARNING, problem, f"install the pair that belongs together {fix}")
        )
    return findings


def machine_in_words() -> str:
    """Return what this process may use: ``2 CPUs, 8 GB, 1 a30``."""
    models = [gpu.model for gpu in machine.gpus()]
    gpus = [f"{models.count(model)} {model}" for model in dict.fromkeys(models)] or [
        "no GPU that NVML shows"
    ]
    return ", ".join(
        [f"{machine.cpus()} CPUs", f"{machine.memory_bytes() / machine.GIB:.0f} GB", *gpus]
    )
