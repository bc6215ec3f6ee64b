"""Change single lines of an example configuration file, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


Changes = Mapping[str, Mapping[str, str | None]]
"""New values by section and name; None takes the line out."""

_ADMIN_PATH = re.compile(r"(?<=\s)/(?=(?:etc|var|run)/)")
_OUR_SECTION = "plugin.arc"
_OUR_PACKAGE = "mailman_arc."


def moved_under(text: str, root: Path) -> str:
    """The file with every path in /etc, /var and /run moved under `root`."""
    return "".join(
        line if _is_comment(line) else _ADMIN_PATH.sub(f"{root}/", line)
        for line in text.splitlines(keepends=True)
    )


def changed(text: str, changes: Changes) -> str:
    """The file with these values; sections and names that lack are added."""
    for section, values in changes.items():
        for name, value in values.items():
            text = _with_value(text, section, name, value)
    return text


def without_plugin(text: str) -> str:
    """The mailman.cfg as it was before mailman_arc: our lines taken out."""
    kept = []
    section = ""
    for line in text.splitlines(keepends=True):
        section = _section_of(line) or section
        ours = section == _OUR_SECTION or _value_of(line).startswith(_OUR_PACKAGE)
        if _is_comment(line) or not ours:
            kept.append(line)
    return "".join(kept)


def _with_value(text: str, section: str, name: str, value: str | None) -> str:
    lines = text.splitlines(keepends=True)
    start = _line_of_section(lines, section)
    if start is None:
        lines += ["\n", f"[{section}]\n"]
        start = len(lines) - 1
    end = start + 1
    while end < len(lines) and not _section_of(lines[end]):
        end += 1
    kept = [line for line in lines[start + 1 : end] if _name_of(line) != name]
    if value is not None:
        kept.insert(0, f"{name}: {value}\n")
    return "".join([*lines[: start + 1], *kept, *lines[end:]])


def _line_of_section(lines: list[str], section: str) -> int | None:
    for index, line in enumerate(lines):
        if _section_of(line) == section:
            return index
    return None


def _section_of(line: str) -> str:
    match = re.match(r"\[(.+)\]", line)
    return match[1] if match else ""


def _name_of(line: str) -> str:
    return "" if _is_comment(line) else re.split(r"[:=]", line)[0].strip()


def _value_of(line: str) -> str:
    return "" if _is_comment(line) else line.partition(":")[2].strip()


def _is_comment(line: str) -> bool:
    return line.startswith(("#", ";"))
