"""A real PostgreSQL server with an empty database, gone when the context ends."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.house.waiting import wait_until


USER = "mailman"
DATABASE = "postgres"  # the one that is there from the start
PATIENCE = 60.0  # seconds
_FOR_ROOT = "nobody"  # PostgreSQL does not run as root


class Postgres:
    """Listens at a socket in a directory of its own, and at no port."""

    def __enter__(self) -> Self:
        programs = find_programs()
        if programs is None:
            raise FileNotFoundError("apt-get install postgresql")
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = {"user": _FOR_ROOT}
            shutil.chown(self._folder, _FOR_ROOT)
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
        try:
            subprocess.run(initdb, check=True, **options)
            settings = (f"unix_socket_directories={self._folder}", "fsync=off")
            words = [word for setting in settings for word in ("-c", setting)]
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", data, "-h", "", *words],
                **{**options, "stderr": subprocess.DEVNULL},
            )
            wait_until(self._is_ready, PATIENCE, "PostgreSQL")
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
        return f"postgresql://{USER}@/{DATABASE}?host={self._folder}"

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
