"""The configuration file `arc.cfg`."""

from __future__ import annotations

import configparser
import re
from contextlib import ExitStack
from pathlib import Path

from mailman.config.config import expand_path

from mailman_arc.policy.settings import SettingError, SiteSettings, parse_settings


SECTION = "arc"


class ConfigurationError(Exception):
    """The file cannot be used; the text names file, line and what would do."""


def read_site_settings(configuration: str) -> SiteSettings:
    """Read the file that `configuration:` in `[plugin.arc]` names.

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
            path = Path(str(expand_path(resources, configuration)))
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ImportError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{configuration}: cannot be read: {error}"
            ) from error
    return parse_site_settings(text, str(path))


def parse_site_settings(text: str, path: str) -> SiteSettings:
    """Read the text of `arc.cfg`; `path` is for messages.

    Raises `ConfigurationError`.
    """
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise ConfigurationError(f"{path}: {error}".replace("\n", " ")) from error
    for section in parser.sections():
        if section != SECTION:
            line = _line_of(text, re.escape(f"[{section}]"))
            raise ConfigurationError(
                f"{path}:{line}: there is no section [{section}], only [{SECTION}]"
            )
    if SECTION not in parser:
        raise ConfigurationError(f"{path}: the section [{SECTION}] is missing")
    try:
        return parse_settings(parser[SECTION])
    except SettingError as error:
        line = _line_of(text, re.escape(error.name) + r"\s*[:=]")
        raise ConfigurationError(f"{path}:{line}: {error}") from error


def _line_of(text: str, pattern: str) -> int:
    """The number of the first line that begins so, else 1."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*" + pattern, line, re.IGNORECASE):
            return number
    return 1
