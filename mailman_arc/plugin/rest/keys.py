"""`/keys`: the keys that seal, will seal or have sealed; never where they are."""

from __future__ import annotations

import logging

import falcon

from mailman_arc.adapters.keyfiles import KeyFileError
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.mailauth.keyrecord import key_name
from mailman_arc.plugin.keylist import ListedKey, list_keys, tell_key
from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    link,
    not_found,
    refuse_parameters,
    unavailable,
    usable_services,
)
from mailman_arc.plugin.rest.collections import wanted_page
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.dnsrecord import record_value


_UNUSABLE = "the key file cannot be used; plugins.log says why"

_log = logging.getLogger("mailman.plugins.arc")


def _all_keys(services: Services) -> list[ListedKey]:
    try:
        keys, problems = list_keys(services)
    except KeyFileError as error:
        _log.error("REST: %s", error)
        raise unavailable("keys cannot be read; plugins.log says why") from error
    for problem in problems:
        _log.error("REST: %s", problem)
    return keys


def _find(services: Services, domain: str, selector: str) -> ListedKey:
    """The key of this name; a refusal when there is none."""
    for each in _all_keys(services):
        if (each.domain, each.selector) == (domain, selector):
            return each
    raise not_found(f"No such key: {key_name(selector, domain)}")


def _load(services: Services, key: ListedKey) -> SigningKey | None:
    """The key itself; None when its file cannot be used.  Takes a while."""
    try:
        return services.keys.get(key.path)
    except KeyFileError as error:
        _log.error("REST: %s", error)
        return None


def _line(services: Services, key: ListedKey, signing_key: SigningKey | None) -> Body:
    return {
        **tell_key(services, key, signing_key),
        **({"problem": _UNUSABLE} if signing_key is None else {}),
        "self_link": link("keys", key.domain, key.selector),
    }


class AllKeys:
    """`/keys`."""

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """One line for each key."""
        page = wanted_page(request)
        services = usable_services()
        keys = _all_keys(services)
        entries = [
            _line(services, each, _load(services, each)) for each in keys[page.slice]
        ]
        return page.body(len(keys), entries)


class AKey:
    """`/keys/<domain>/<selector>`."""

    def __init__(self, domain: str, selector: str) -> None:
        self._name = domain, selector

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """The key, and the record to publish for it."""
        refuse_parameters(request)
        services = usable_services()
        found = _find(services, *self._name)
        key = _load(services, found)
        record = {} if key is None else {"record": record_value(key.verifying_key)}
        return {
            **_line(services, found, key),
            "record_name": found.record_name,
            **record,
        }


class CheckKey:
    """`/keys/<domain>/<selector>/check`."""

    def __init__(self, domain: str, selector: str) -> None:
        self._name = domain, selector

    @answering
    def on_post(self, request: falcon.Request) -> Body:
        """What the DNS shows of the key now; takes as long as the DNS does."""
        refuse_parameters(request)
        services = usable_services()
        found = _find(services, *self._name)
        key = _load(services, found)
        if key is None:
            raise unavailable(_UNUSABLE)
        name = found.record_name
        publication = services.key_watch.ask({name: key.verifying_key})[name]
        return {
            "record_name": name,
            "found": publication.found.value,
            "detail": publication.detail,
        }
