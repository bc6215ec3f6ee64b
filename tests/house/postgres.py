"""A real PostgreSQL server with an empty database, gone when the context ends."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.house.databases import FOR_ROOT, PATIENCE, DatabaseServer
from tests.house.waiting import wait_until


USER = "mailman"
DATABASE = "postgres"  # the one that is there from the start


class Postgres(DatabaseServer):
    """A server that trusts everybody."""

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={self._folder}"

    def _start(self) -> subprocess.Popen[bytes]:
        programs = find_programs()
        if programs is None:
            raise FileNotFoundError("apt-get install postgresql")
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = {"user": FOR_ROOT}
            shutil.chown(self._folder, FOR_ROOT)
        options: dict[str, Any] = {
            **user,
            "cwd": self._folder,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.PIPE,
            "env": {**os.environ, "LC_ALL": "C.UTF-8"},
        }
        data = self._folder / "data"
        initdb = [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-N"]
        subprocess.run(initdb, check=True, **options)
        settings = (f"unix_socket_directories={self._folder}", "fsync=off")
        words = [word for setting in settings for word in ("-c", setting)]
        return subprocess.Popen(
            [programs / "postgres", "-D", data, "-h", "", *words],
            **{**options, "stderr": subprocess.DEVNULL},
        )

    def _wait_until_ready(self) -> None:
        wait_until(self._is_ready, PATIENCE, "PostgreSQL")

    def _is_ready(self) -> bool:
        lines = self._folder / "data/postmaster.pid"
        return lines.exists() and "ready" in lines.read_text()


def find_programs() -> Path | None:
    """The directory of PostgreSQL's programs, which Debian keeps out of PATH.

    None also when the driver is missing.
    """
    if importlib.util.find_spec("psycopg2") is None:
        return None
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    program = found[-1] if found else on_path and Path(on_path)
    return program.parent if program else None
