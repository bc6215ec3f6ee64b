"""A real MariaDB server with an empty database, gone when the context ends."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.house.waiting import wait_until


DATABASE = "arc"
PATIENCE = 60.0  # seconds
_FOR_ROOT = "nobody"  # MariaDB does not run as root
_SBIN = "/usr/sbin:/usr/local/sbin"  # where only root's PATH leads


class MariaDb:
    """Listens at a socket in a directory of its own, and at no port."""

    def __enter__(self) -> Self:
        program = find_program()
        if program is None:
            raise FileNotFoundError("apt-get install mariadb-server-core")
        self._folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
        # What is a directory here is a database.
        (self._folder / "data" / DATABASE).mkdir(parents=True)
        user = []
        if os.geteuid() == 0:
            user = [f"--user={_FOR_ROOT}"]
            for each in (self._folder, *self._folder.rglob("*")):
                shutil.chown(each, _FOR_ROOT)
        try:
            self._process = subprocess.Popen(
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
            wait_until(self._socket.exists, PATIENCE, "MariaDB")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """The database, as SQLAlchemy names it."""
        return f"mysql+pymysql://mailman@/{DATABASE}?unix_socket={self._socket}"

    @property
    def _socket(self) -> Path:
        return self._folder / "socket"


def find_program() -> str | None:
    """The server, which Debian keeps where only root's PATH leads.

    None also when the driver is missing.
    """
    if importlib.util.find_spec("pymysql") is None:
        return None
    return shutil.which("mariadbd") or shutil.which("mariadbd", path=_SBIN)
