"""A throw-away PostgreSQL on loopback, for tests that keep or read rows there; skipped where ``initdb`` is not."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

USER, PASSWORD = "keeper", "canary-password"
_numbers = count()


def programs() -> Path | None:
    """The folder of initdb and pg_ctl: that on the PATH, or Debian's newest."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders and (folders[-1] / "initdb").exists() else None


class Cluster:
    """One running server, which makes a new empty database when asked."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        import pg8000.native

        name = f"store{next(_numbers)}"
        connection = pg8000.native.Connection(
            USER, host="127.0.0.1", port=self.port, database="postgres", password=PASSWORD
        )
        connection.run(f"CREATE DATABASE {name}")
        connection.close()
        return self.url(name)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A server of the account ``postgres`` (it refuses to run as root), in a folder that is gone afterwards."""
    pytest.importorskip("pg8000")
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    owner = None
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no account postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="splittally-pg-", ignore_cleanup_errors=True) as kept:
        place = Path(kept)
        (place / "password").write_text(PASSWORD)
        if owner is not None:
            for path in (place, place / "password"):
                shutil.chown(path, owner)

        def run(program: str, *options: str) -> None:
            command = [str(folder / program), "-D", str(place / "data"), *options]
            output = (place / "output").open("ab")
            subprocess.run(command, check=True, user=owner, cwd=place, stdout=output, stderr=output, timeout=120)

        run("initdb", "-U", USER, "-A", "scram-sha-256", "--pwfile", str(place / "password"), "--no-sync", "-E", "UTF8")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={place} -c fsync=off"
        run("pg_ctl", "-w", "-o", settings, "-l", str(place / "log"), "start")
        try:
            yield Cluster(port)
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
