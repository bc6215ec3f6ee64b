"""The configuration file `arc.cfg`."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from mailman.config.config import expand_path

from mailman_arc.policy.checking import find_problems, given_name
from mailman_arc.policy.configuration import (
    SITE,
    Configuration,
    SectionError,
    parse_configuration,
)


_WITHOUT_SITE = f"{{}}: the section [{SITE}] is missing"


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
    parser = _parser()
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise ConfigurationError(f"{path}: {error}".replace("\n", " ")) from error
    if SITE not in parser:
        raise ConfigurationError(_WITHOUT_SITE.format(path))
    try:
        return parse_configuration(_sections(parser))
    except SectionError as error:
        raise ConfigurationError(_placed(error, parser, text, path)) from error


def problems_of(text: str, path: str) -> list[str]:
    """All that is wrong in the text of `arc.cfg`, each with file and line."""
    parser = _parser()
    try:
        parser.read_string(text, path)
    except configparser.MissingSectionHeaderError as error:
        return [f"{path}:{error.lineno}: a setting before the first section"]
    except configparser.ParsingError as error:
        problems = [
            f"{path}:{line}: {shown}: neither a section nor a setting"
            for line, shown in error.errors
        ]
    except (
        configparser.DuplicateOptionError,
        configparser.DuplicateSectionError,
    ) as error:
        return [f"{path}:{error.lineno}: {_what(error)} is there twice"]
    else:
        problems = []
    if SITE not in parser:
        return [*problems, _WITHOUT_SITE.format(path)]
    found = find_problems(_sections(parser))
    return [*problems, *(_placed(each, parser, text, path) for each in found)]


def _parser() -> configparser.ConfigParser:
    return configparser.ConfigParser(interpolation=None, default_section="")


def _sections(parser: configparser.ConfigParser) -> dict[str, Mapping[str, str]]:
    return {name: parser[name] for name in parser.sections()}


def _what(
    error: configparser.DuplicateOptionError | configparser.DuplicateSectionError,
) -> str:
    if isinstance(error, configparser.DuplicateOptionError):
        return f"{error.option} in [{error.section}]"
    return f"the section [{error.section}]"


def _placed(
    error: SectionError, parser: configparser.ConfigParser, text: str, path: str
) -> str:
    texts = _sections(parser).get(error.section, {})
    line = line_of(text, error.section, given_name(texts, error.name))
    return f"{path}:{line}: {error}"


def line_of(text: str, section: str, name: str) -> int:
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
