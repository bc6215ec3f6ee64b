"""How values look in JSON, and how they are read from JSON and from forms.

Yes and no are booleans, words are lists, all else is text as in `arc.cfg`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailman_arc.policy import values
from mailman_arc.policy.settings import SETTINGS, Scope, Setting


OF_LISTS = tuple(each for each in SETTINGS if each.scope is Scope.LIST)

_LISTS_OF_WORDS = (values.WORDS, values.FIELD_NAMES, values.NETWORKS)


def to_json(setting: Setting, value: Any) -> bool | str | list[str]:
    """A value as JSON shows it."""
    if isinstance(value, bool):
        return value
    if setting.kind in _LISTS_OF_WORDS:
        return [str(word) for word in value]
    return setting.kind.show(value)


def all_to_json(settings: object) -> dict[str, bool | str | list[str]]:
    """The values that hold for a list, by name."""
    return {each.name: to_json(each, getattr(settings, each.name)) for each in OF_LISTS}


def to_text(given: object) -> str:
    """What was given, as it would stand in `arc.cfg`; raises `ValueError`."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, str | int):
        return str(given)
    if isinstance(given, list) and all(isinstance(word, str) for word in given):
        return ", ".join(given)
    raise ValueError("it is neither text, number, true or false, nor a list of texts")


def row(setting: Setting) -> Mapping[str, object]:
    """A setting as the table of settings has it."""
    return {
        "name": setting.name,
        "help": setting.help,
        "scope": setting.scope.value,
        "choices": list(setting.kind.choices),
        "default": to_json(setting, setting.default),
    }
