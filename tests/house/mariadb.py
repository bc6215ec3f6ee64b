"""A real MariaDB server with an empty database, gone when the context ends."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from tests.house.databases import FOR_ROOT, PATIENCE, DatabaseServer
from tests.house.waiting import wait_until


DATABASE = "arc"
_SBIN = "/usr/sbin:/usr/local/sbin"  # where only root's PATH leads


class MariaDb(DatabaseServer):
    """A server that trusts everybody."""

    @property
    def url(self) -> str:
        return f"mysql+pymysql://mailman@/{DATABASE}?unix_socket={self._socket}"

    @property
    def _socket(self) -> Path:
        return self._folder / "socket"

    def _start(self) -> subprocess.Popen[bytes]:
        program = find_program()
        if program is None:
            raise FileNotFoundError("apt-get install mariadb-server-core")
        # What is a directory here is a database.
        (self._folder / "data" / DATABASE).mkdir(parents=True)
        user = []
        if os.geteuid() == 0:
            user = [f"--user={FOR_ROOT}"]
            for each in (self._folder, *self._folder.rglob("*")):
                shutil.chown(each, FOR_ROOT)
        return subprocess.Popen(
            [
                program,
                "--no-defaults",  # must be the first
                *user,
                f"--datadir={self._folder / 'data'}",
                f"--socket={self._socket}",
                "--skip-networking",
                "--skip-grant-tables",  # there are none, and all may do all
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _wait_until_ready(self) -> None:
        wait_until(self._socket.exists, PATIENCE, "MariaDB")


def find_program() -> str | None:
    """The server, which Debian keeps where only root's PATH leads.

    None also when the driver is missing.
    """
    if importlib.util.find_spec("pymysql") is None:
        return None
    return shutil.which("mariadbd") or shutil.which("mariadbd", path=_SBIN)
