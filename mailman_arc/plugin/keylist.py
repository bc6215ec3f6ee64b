"""The keys of this site: those that are turned over here, and those of `arc.cfg`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from mailman_arc.adapters.keystore import StoredKey
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.mailauth.keyrecord import key_name
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.keychoice import record_needed_until


_TIMES = (
    *("created_at", "activated_at", "retired_at"),
    *("record_needed_until", "seen_at"),
)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, and where it is; `stored` is how far it has come, if it turns over."""

    domain: str
    selector: str
    path: str
    stored: StoredKey | None = None

    @classmethod
    def of_store(cls, key: StoredKey) -> Self:
        """A key that is turned over here."""
        return cls(key.domain, key.selector, str(key.path), key)

    @property
    def record_name(self) -> str:
        """Where in the DNS its record is."""
        return key_name(self.selector, self.domain)


def list_keys(
    services: Services, wanted: str | None = None
) -> tuple[list[ListedKey], list[str]]:
    """The keys of a domain, or all, and what is wrong with others.

    They are in the order of domain and selector.  Raises `KeyFileError` when the
    directory of the keys cannot be read.
    """
    found: dict[tuple[str, str], ListedKey] = {}
    problems: list[str] = []
    for domain in services.key_store.domains():
        if wanted in (None, domain):
            listing = services.key_store.listing(domain)
            problems += map(str, listing.problems)
            for key in listing.keys:
                found[domain, key.selector] = ListedKey.of_store(key)
    for identity in services.configuration.identities.values():
        if wanted in (None, identity.domain) and not identity.is_managed:
            name = identity.domain, identity.selector
            found[name] = ListedKey(*name, identity.key_file)
    return [found[name] for name in sorted(found)], problems


def tell_key(
    services: Services, key: ListedKey, signing_key: SigningKey | None
) -> dict[str, Any]:
    """What can be told of a key without asking the DNS, for programs.

    Not where it is.  Without the key itself, which may be unusable, less is known.
    """
    told: dict[str, Any] = {
        "domain": key.domain,
        "selector": key.selector,
        "managed": key.stored is not None,
        "state": "active",
        **dict.fromkeys(("algorithm", "bits", *_TIMES)),
    }
    if key.stored is not None:
        told |= _tell_stored(key.stored)
    if signing_key is not None:
        verifying_key = signing_key.verifying_key
        seen_at = services.key_watch.remembered(key.record_name, verifying_key)
        told["algorithm"] = signing_key.algorithm
        told["bits"] = signing_key.bits
        told["seen_at"] = iso_time(seen_at)
    return told


def _tell_stored(key: StoredKey) -> dict[str, Any]:
    """How far a key has come that is turned over here."""
    return {
        "state": key.state,
        "algorithm": key.algorithm,
        "bits": key.bits,
        "created_at": iso_time(key.created_at),
        "activated_at": iso_time(key.activated_at),
        "retired_at": iso_time(key.retired_at),
        "record_needed_until": iso_time(needed_until(key)),
    }


def needed_until(key: StoredKey) -> int | None:
    """When the record of a retired key may go; None if it has never sealed."""
    return None if key.activated_at is None else record_needed_until(key)


def iso_time(seconds: int | None) -> str | None:
    """UTC without a zone, as Mailman writes times."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
