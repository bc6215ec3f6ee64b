"""`/keys`: the keys that seal, will seal or have sealed; never where they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import falcon

from mailman_arc.adapters.keyfiles import KeyFileError
from mailman_arc.adapters.keystore import StoredKey
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.mailauth.keyrecord import key_name
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


@dataclass(frozen=True, slots=True)
class _Key:
    """A key: one of those turned over here, or one that `arc.cfg` names."""

    domain: str
    selector: str
    path: str
    stored: StoredKey | None = None

    @classmethod
    def all(cls, services: Services) -> list[Self]:
        """All keys, by domain and selector."""
        found = {(each.domain, each.selector): each for each in cls._stored(services)}
        for identity in services.configuration.identities.values():
            if not identity.is_managed:
                name = identity.domain, identity.selector
                found[name] = cls(*name, identity.key_file)
        return [found[name] for name in sorted(found)]

    @classmethod
    def _stored(cls, services: Services) -> Iterator[Self]:
        store = services.key_store
        try:
            domains = store.domains()
        except KeyFileError as error:
            _log.error("REST: %s", error)
            raise unavailable("keys cannot be read; plugins.log says why") from error
        for domain in domains:
            listing = store.listing(domain)
            for problem in listing.problems:
                _log.error("REST: %s", problem)
            for key in listing.keys:
                yield cls(domain, key.selector, str(key.path), key)

    @classmethod
    def find(cls, services: Services, domain: str, selector: str) -> Self:
        """The key of this name; a refusal when there is none."""
        for each in cls.all(services):
            if (each.domain, each.selector) == (domain, selector):
                return each
        raise not_found(f"No such key: {key_name(selector, domain)}")

    def load(self, services: Services) -> SigningKey | None:
        """The key itself; None when its file cannot be used.  Takes a while."""
        try:
            return services.keys.get(self.path)
        except KeyFileError as error:
            _log.error("REST: %s", error)
            return None

    def line(self, services: Services) -> Body:
        """What can be told of it at once."""
        told: Body = {"domain": self.domain, "selector": self.selector}
        if self.stored is not None:
            told |= {
                "state": self.stored.state,
                "algorithm": self.stored.algorithm,
                "bits": self.stored.bits,
                "created_at": _shown_time(self.stored.created_at),
                "activated_at": _shown_time(self.stored.activated_at),
                "retired_at": _shown_time(self.stored.retired_at),
            }
        else:
            told |= {"state": "active", **_described(self.load(services))}
        return {**told, "self_link": link("keys", self.domain, self.selector)}


def _described(key: SigningKey | None) -> Body:
    if key is None:
        return {"problem": _UNUSABLE}
    return {"algorithm": key.algorithm, "bits": key.bits}


def _shown_time(seconds: int | None) -> str | None:
    """UTC without a zone, as Mailman writes times."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


class AllKeys:
    """`/keys`."""

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """One line for each key."""
        page = wanted_page(request)
        services = usable_services()
        keys = _Key.all(services)
        return page.body(len(keys), [each.line(services) for each in keys[page.slice]])


class AKey:
    """`/keys/<domain>/<selector>`."""

    def __init__(self, domain: str, selector: str) -> None:
        self._name = domain, selector

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """The key, and the record to publish for it."""
        refuse_parameters(request)
        services = usable_services()
        found = _Key.find(services, *self._name)
        key = found.load(services)
        record = {} if key is None else {"record": record_value(key.verifying_key)}
        return {
            **found.line(services),
            **_described(key),
            "record_name": key_name(found.selector, found.domain),
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
        found = _Key.find(services, *self._name)
        key = found.load(services)
        if key is None:
            raise unavailable(_UNUSABLE)
        name = key_name(found.selector, found.domain)
        publication = services.key_watch.ask({name: key.verifying_key})[name]
        return {
            "record_name": name,
            "found": publication.found.value,
            "detail": publication.detail,
        }
