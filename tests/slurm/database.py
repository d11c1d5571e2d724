"""The MariaDB that slurmdbd writes to: on a socket in the site's folder, quick rather than safe."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def socket_of(folder: Path) -> Path:
    """Where it listens; slurmdbd finds it through MYSQL_UNIX_PORT."""
    return folder / "database.socket"


def create_database(folder: Path) -> Path:
    """Fill a data folder for MariaDB's own user; returns the socket that the server will listen
    on."""
    data = folder / "database"
    data.mkdir()
    shutil.chown(data, "mysql", "mysql")
    shutil.chown(folder, "mysql", "mysql")  # for the socket
    setup = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--user=mysql",
        "--skip-test-db",
    ]
    setup.append("--auth-root-authentication-method=normal")
    setup.append(
        f"--tmpdir={data}"
    )  # in /tmp, two that are set up at once take each other's tables away
    done = subprocess.run(setup, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"mariadb-install-db: {done.stderr}")
    return socket_of(folder)


def database_command(folder: Path) -> list[str]:
    """The server, to be run as the user mysql."""
    return [
        "mariadbd",
        "--no-defaults",
        f"--datadir={folder / 'database'}",
        f"--tmpdir={folder / 'database'}",
        f"--socket={socket_of(folder)}",
        f"--pid-file={folder / 'mariadbd.pid'}",
        "--skip-networking",
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-lock-wait-timeout=900",  # what slurmdbd asks for
    ]
