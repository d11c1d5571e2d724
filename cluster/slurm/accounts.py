"""Whom SLURM's accounting lets a user be: accounts and the QOS of each."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from cluster.slurm.commands import Commands


@dataclass(frozen=True)
class Accounts:
    """What sacctmgr says about this user."""

    user: str
    default: str | None
    """The account that a job without one is charged to."""
    qos: dict[str, frozenset[str]]
    """By account of this user, the QOS that it may ask for."""
    known_qos: frozenset[str]
    """Every QOS of the cluster."""


def read_accounts(commands: Commands, cluster: str) -> Accounts:
    """Ask sacctmgr about the user of this process; `qos` is empty where the site tracks no users.

    Raises:
        SlurmCommandFailed: The site keeps no accounts, or slurmdbd gave no answer.
    """
    user = pwd.getpwuid(os.getuid()).pw_name
    show = ("--noheader", "--parsable2", "show")
    qos: dict[str, frozenset[str]] = {}
    for line in commands.run(
        "sacctmgr", *show, "assoc", f"user={user}", f"cluster={cluster}", "format=Account,QOS"
    ).splitlines():
        account, bar, names = line.partition("|")
        if not bar:  # what a site has to tell its users
            continue
        qos[account] = qos.get(account, frozenset()) | frozenset(filter(None, names.split(",")))
    default = commands.run("sacctmgr", *show, "user", user, "format=DefaultAccount").strip()
    known = commands.run("sacctmgr", *show, "qos", "format=Name").split()
    return Accounts(user, default or None, qos, frozenset(known))
