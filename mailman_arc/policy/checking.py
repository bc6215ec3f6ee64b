"""All that is wrong in `arc.cfg`, where reading it stops at the first."""

from __future__ import annotations

from collections.abc import Mapping

from mailman_arc.policy.configuration import SITE, SectionError, parse_configuration
from mailman_arc.policy.settings import SettingError, find_setting


MAX_READINGS = 100  # each finds one problem, and nobody reads so many

_IDENTITY = "identity"
_NOBODY = "left.out.invalid"  # in place of a name of the site that was left out

_Sections = dict[str, dict[str, str]]


def find_problems(sections: Mapping[str, Mapping[str, str]]) -> list[SectionError]:
    """Every setting that cannot be used, in the order of reading.

    What is wrong is left out and the rest read again, until nothing is.  What
    then is missing only because it was left out is not told.
    """
    left = {name: dict(texts) for name, texts in sections.items()}
    damaged: set[str] = set()  # sections something was left out of
    problems: list[SectionError] = []
    for _ in range(MAX_READINGS):
        try:
            parse_configuration(left)
        except SectionError as error:
            texts = left.get(error.section, {})
            given = given_name(texts, error.name)
            if not _is_consequence(error, given in texts, damaged):
                problems.append(error)
            if not _leave_out(given, error.section, left):
                break
            damaged.add(error.section)
        else:
            break
    return problems


def given_name(texts: Mapping[str, str], name: str) -> str:
    """The name under which a setting stands in a section: its own, or an alias."""
    for given in texts:
        try:
            if name in (given, find_setting(given).name):
                return given
        except SettingError:
            continue
    return name


def _is_consequence(error: SectionError, stands_there: bool, damaged: set[str]) -> bool:
    if stands_there and error.name == _IDENTITY:
        # The identity that is named may be one of those left out.
        return any(name == SITE or name.startswith(_IDENTITY) for name in damaged)
    return not stands_there and error.section in damaged


def _leave_out(given: str, section: str, left: _Sections) -> bool:
    """Take out what is wrong; false when there is nothing to take out."""
    texts = left.get(section)
    if texts is None:
        return False
    if given in texts:
        del texts[given]
    elif section != SITE:
        del left[section]
    else:
        texts["authserv_id"] = _NOBODY
    return True
