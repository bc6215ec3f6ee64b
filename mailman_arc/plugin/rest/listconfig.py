"""`/lists/<list>/config[/<attribute>]`: the values a list has of its own."""

from __future__ import annotations

from collections.abc import Mapping

import falcon

from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    bad_request,
    given_values,
    link,
    not_found,
    refuse_parameters,
    usable_services,
)
from mailman_arc.plugin.rest.lists import ListName, problem_of
from mailman_arc.plugin.rest.own import own_values, writing
from mailman_arc.plugin.rest.values import OF_LISTS, all_to_json, to_text
from mailman_arc.policy.configuration import Configuration
from mailman_arc.policy.settings import SETTINGS, Scope, SettingError, find_setting


_WRITABLE = tuple(each.name for each in OF_LISTS)
_OF_SITE = frozenset(each.name for each in SETTINGS if each.scope is Scope.SITE)


class ListConfig:
    """All values of a list, or one."""

    def __init__(self, spec: str, attribute: str | None = None) -> None:
        self._spec = spec
        self._attribute = attribute

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """What holds, and where it comes from."""
        refuse_parameters(request)
        services = usable_services()
        mlist = ListName.find(self._spec)
        own = own_values(services.list_settings, mlist.list_id)
        found = mlist.configured(services.configuration, own)
        values = all_to_json(found.settings)
        origins = {name: str(origin) for name, origin in found.origins.items()}
        here = link("lists", mlist.list_id, "config")
        if self._attribute is None:
            told = {**values, "origins": origins, "self_link": here}
        else:
            name = self._known(self._attribute)
            told = {
                name: values[name],
                "origin": origins[name],
                "self_link": f"{here}/{name}",
            }
        return {**told, **problem_of(found, own)}

    @answering
    def on_put(self, request: falcon.Request) -> None:
        """Set all values, or the one."""
        wanted = self._writable()
        given = given_values(request)
        unexpected = sorted(set(given) - set(wanted))
        if unexpected:
            raise bad_request(f"Unexpected parameters: {', '.join(unexpected)}")
        missing = sorted(set(wanted) - set(given))
        if missing:
            raise bad_request(f"Missing Parameter: {', '.join(missing)}")
        self._change(given)

    @answering
    def on_patch(self, request: falcon.Request) -> None:
        """Set some values; what is null is inherited again."""
        wanted = self._writable()
        given = given_values(request)
        for name in given:
            _refuse_unwritable(name, wanted)
        self._change(given)

    @answering
    def on_delete(self, request: falcon.Request) -> None:
        """Inherit all values again, or the one."""
        refuse_parameters(request)
        self._writable()
        store = usable_services().list_settings
        mlist = ListName.find(self._spec)
        with writing():
            if self._attribute is None:
                store.forget(mlist.list_id)
            else:
                store.change(mlist.list_id, {self._attribute: None})

    def _change(self, given: Mapping[str, object]) -> None:
        services = usable_services()
        mlist = ListName.find(self._spec)
        changes = _read(services.configuration, mlist.mail_host, given)
        with writing():
            services.list_settings.change(mlist.list_id, changes)

    def _writable(self) -> tuple[str, ...]:
        """The names that may be written here."""
        if self._attribute is None:
            return _WRITABLE
        if self._attribute in _OF_SITE:
            _refuse_unwritable(self._attribute, _WRITABLE)
        return (self._known(self._attribute),)

    def _known(self, name: str) -> str:
        if name not in _WRITABLE:
            raise not_found(f"Unknown attribute: {name}")
        return name


def _refuse_unwritable(name: str, wanted: tuple[str, ...]) -> None:
    if name in _OF_SITE:
        raise bad_request(
            f"Read-only attribute: {name}; it is set for the whole site, in arc.cfg"
        )
    if name not in wanted:
        raise bad_request(f"Unknown attribute: {name}; known: {', '.join(wanted)}")


def _read(
    configuration: Configuration, mail_host: str, given: Mapping[str, object]
) -> dict[str, str | None]:
    """What is to be kept: texts as they are written by us."""
    changes: dict[str, str | None] = {}
    problems = []
    for name, value in given.items():
        try:
            changes[name] = _normal(configuration, mail_host, name, value)
        except SettingError as error:
            problems.append(f'Invalid Parameter "{name}": {error.problem}.')
    if problems:
        raise bad_request(" ".join(problems))
    return changes


def _normal(
    configuration: Configuration, mail_host: str, name: str, value: object
) -> str | None:
    if value is None:
        return None
    try:
        text = to_text(value)
    except ValueError as error:
        raise SettingError(name, str(error)) from error
    parsed = configuration.parse_own(mail_host, name, text)
    return find_setting(name).kind.show(parsed)
