"""Find and end the processes of a Mailman, whatever happens to who started it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil


PATIENCE = 180  # seconds a Mailman gets to stop by itself


class Guard:
    """Ends the Mailman of a directory when told to, or when we are gone.

    A process of its own waits for the other end of a pipe to close.  That
    happens when a test ends, is interrupted, crashes or is killed (-9), so no
    Mailman is left behind.
    """

    def __init__(self, root: Path, config: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for the guard
            text=True,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        # By the pipe, not as arguments: the guard must not look like Mailman.
        self._pipe.write(f"{root}\n{config}\n")
        self._pipe.flush()

    def dismiss(self) -> None:
        """End what still runs, remove the directory, and wait for that."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        self._process.wait()


def processes_of(config: Path) -> list[psutil.Process]:
    """All living processes of the Mailman with this configuration file.

    Master, runners and commands carry its path in their command line.  A
    zombie is none: a master that has ended can stay one for seconds, until
    process 1 fetches its status.
    """
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and process.pid != os.getpid()
        and str(config) in (process.info["cmdline"] or ())
    ]


def end(config: Path, patience: float = PATIENCE) -> list[str]:
    """Stop this Mailman; answers with the command lines of those it had to kill."""
    running = processes_of(config)
    # The master passes the signal on to its runners.
    for process in [p for p in running if _is_master(p)] or running:
        _signal(process, "terminate")
    deadline = time.monotonic() + patience
    while (left := processes_of(config)) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = [" ".join(process.info["cmdline"]) for process in left]
    while left:  # again and again: a master starts runners anew
        for process in left:
            _signal(process, "kill")
        time.sleep(0.05)
        left = processes_of(config)
    return killed


def _is_master(process: psutil.Process) -> bool:
    return any(Path(word).name == "master" for word in process.info["cmdline"][:3])


def _signal(process: psutil.Process, action: str) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        getattr(process, action)()


def _watch() -> None:
    root, config = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    sys.stdin.read()  # returns when the other end is closed
    end(Path(config), patience=0)  # nothing of it is needed any more
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    _watch()
