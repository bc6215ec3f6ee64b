"""Tell whether a file has changed since it was last read."""

from __future__ import annotations

from pathlib import Path


FileStamp = tuple[int, ...] | None


def stamp_of(path: str | Path) -> FileStamp:
    """What changes when the file does, its rights included; None without a file."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
