"""What the throw-away database servers have in common."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self


FOR_ROOT = "nobody"  # such servers do not run as root
PATIENCE = 60.0  # seconds, to start and to stop


class DatabaseServer(ABC):
    """Listens at a socket in a directory of its own, and at no port.

    Gone, with its directory, when the context ends.
    """

    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="database-"))
        try:
            self._process = self._start()
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    @abstractmethod
    def url(self) -> str:
        """The database, as SQLAlchemy names it."""

    @abstractmethod
    def _start(self) -> subprocess.Popen[bytes]:
        """Start it; raises `FileNotFoundError` without the program."""

    @abstractmethod
    def _wait_until_ready(self) -> None: ...
