"""What `mailman arc keys` tells of keys, and of what the DNS shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mailman_arc.adapters.keyfiles import KeyFileError
from mailman_arc.mailauth.crypto import VerifyingKey
from mailman_arc.mailauth.keycheck import Found, Publication
from mailman_arc.plugin.keylist import ListedKey
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.keychoice import not_shown


# What the DNS shows of each key, or why the key cannot be used.
Asked = dict[ListedKey, Publication | str]

_WAYS_OUT = {
    Found.OTHER: "put the record of {publish} in the place of all others",
    Found.UNUSABLE: "put the record of {publish} in its place",
    Found.REVOKED: "publish the record of {publish}, or make a new key",
    Found.MISSING: "publish the record of {publish}",
    Found.UNKNOWN: "try again, and look after your name servers",
}

_STEPS = {
    "created_at": "made",
    "activated_at": "activated",
    "retired_at": "retired",
    "record_needed_until": "record needed until",
}


def ask(services: Services, wanted: Iterable[ListedKey]) -> Asked:
    """What the DNS shows of each key now, or why the key cannot be used."""
    told: Asked = {}
    loaded: dict[str, VerifyingKey] = {}
    for key in wanted:
        try:
            loaded[key.record_name] = services.keys.get(key.path).verifying_key
        except KeyFileError as error:
            told[key] = str(error)
    found = services.key_watch.ask(loaded)
    return {key: told.get(key) or found[key.record_name] for key in wanted}


def publications_of(found: Asked) -> dict[str, Publication]:
    """What the DNS shows, by selector, of the keys that can be used."""
    return {
        key.selector: each
        for key, each in found.items()
        if isinstance(each, Publication)
    }


def is_shown(found: Publication | str) -> bool:
    """Tell whether a verifier would find the key."""
    return isinstance(found, Publication) and found.found is Found.SHOWN


def tell_found(found: Publication | str | None) -> dict[str, Any]:
    """What the DNS was found to show, if it was asked."""
    if isinstance(found, Publication):
        return {"found": found.found.value, "detail": found.detail}
    return {}


def tell_checked(key: ListedKey, found: Publication | str) -> dict[str, Any]:
    """A key and what the DNS shows of it, for programs."""
    told = {"domain": key.domain, "selector": key.selector}
    if isinstance(found, str):
        return {**told, "problem": found}
    return {**told, "record_name": key.record_name, **tell_found(found)}


def check_line(key: ListedKey, found: Publication | str) -> str:
    """A key and what the DNS shows of it, for people, with the way out."""
    if isinstance(found, str):
        return f"unusable key: {found}"
    if found.found is Found.SHOWN:
        return f"shown: the DNS shows the key at {key.record_name}"
    way_out = _WAYS_OUT[found.found].format(
        publish=f"`mailman arc keys publish {key.domain} {key.selector}`"
    )
    return f"{found.found}: {not_shown(key.domain, key.selector, found)}; {way_out}"


def list_line(told: dict[str, Any]) -> str:
    """What was told of a key, for people."""
    what = ", ".join(_list_words(told))
    return f"{told['domain']} {told['selector']}: {what}; DNS: {_dns_words(told)}"


def _list_words(told: dict[str, Any]) -> Iterator[str]:
    yield told["state"]
    if told["algorithm"] is not None:
        yield f"{told['algorithm']}, {told['bits']} bits"
    if not told["managed"]:
        yield "fixed in arc.cfg"
    for name, word in _STEPS.items():
        if told[name] is not None:
            yield f"{word} {day_of(told[name])}"


def _dns_words(told: dict[str, Any]) -> str:
    if "found" in told:
        return f"{told['found']}{': ' if told['detail'] else ''}{told['detail']}"
    if told["seen_at"]:
        return f"shown since {day_of(told['seen_at'])}"
    return "not seen so far"


def day_of(time_: str) -> str:
    """The day of a time that `iso_time` has written."""
    return time_.partition("T")[0]
