"""The configuration file `arc.cfg`."""

from __future__ import annotations

import configparser
import re
from contextlib import ExitStack
from pathlib import Path

from mailman.config.config import expand_path

from mailman_arc.policy.configuration import (
    SITE,
    Configuration,
    SectionError,
    parse_configuration,
)


class ConfigurationError(Exception):
    """The file cannot be used; the text names file, line and what would do."""


def configuration_path(configuration: str) -> Path:
    """The file that `configuration:` in `[plugin.arc]` names.

    Either a path or Mailman's `python:package.name`.  Raises
    `ConfigurationError`.
    """
    if not configuration.strip():
        raise ConfigurationError(
            "[plugin.arc] in mailman.cfg has no configuration: line; "
            "name the file with the settings, such as /etc/mailman3/arc.cfg"
        )
    with ExitStack() as resources:
        try:
            return Path(str(expand_path(resources, configuration)))
        except (OSError, ImportError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{configuration}: cannot be found: {error}"
            ) from error


def read_configuration(path: Path) -> Configuration:
    """Read `arc.cfg`; raises `ConfigurationError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    return parse_text(text, str(path))


def parse_text(text: str, path: str) -> Configuration:
    """Read the text of `arc.cfg`; `path` is for messages.

    Raises `ConfigurationError`.
    """
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise ConfigurationError(f"{path}: {error}".replace("\n", " ")) from error
    if SITE not in parser:
        raise ConfigurationError(f"{path}: the section [{SITE}] is missing")
    try:
        return parse_configuration({name: parser[name] for name in parser.sections()})
    except SectionError as error:
        line = _line_of(text, error.section, error.name)
        raise ConfigurationError(f"{path}:{line}: {error}") from error


def _line_of(text: str, section: str, name: str) -> int:
    """The number of the line where the setting is, else of its section, else 1."""
    begin = 1
    inside = False
    pattern = re.compile(rf"{re.escape(name)}\s*[:=]", re.IGNORECASE)
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("["):
            inside = line.startswith(f"[{section}]")
            begin = number if inside else begin
        elif inside and pattern.match(line):
            return number
    return begin
