"""What in mailman.cfg and arc.cfg helps or keeps the plugin from its work.

A list, so that the log at the start and `mailman arc status`, `check` and
`doctor` say the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from lazr.config import as_boolean
from mailman.config import config

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.plugin.historylist import history_of
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.configuration import Identity
from mailman_arc.policy.diagnosis import Finding, Severity
from mailman_arc.policy.keychoice import ED25519_WARNING
from mailman_arc.policy.outbound import Unsealed
from mailman_arc.policy.peers import LOOPBACK_HOSTS, is_peer


DELIVERY = "mailman_arc.plugin.delivery.deliver"
DOOR = "mailman_arc.plugin.door.ArcLMTPRunner"
INCOMING = "mailman_arc.plugin.incoming.ArcIncomingRunner"


def find_in_mailman_cfg() -> Iterator[Finding]:
    """What keeps Mailman from calling us."""
    if as_boolean(config.ARC.enabled):
        yield Finding(
            Severity.ERROR,
            "Mailman's own ARC is enabled too ([ARC] enabled: yes); posts would be "
            "sealed twice, so it is left out; set it to 'no'",
            "ARC",
            "enabled",
        )
    if config.mta.outgoing != DELIVERY:
        yield Finding(
            Severity.ERROR,
            f"posts are not sealed: mailman.cfg needs 'outgoing: {DELIVERY}' in [mta]",
            "mta",
            "outgoing",
        )


def find_where_posts_are_judged() -> Finding:
    """Where in Mailman posts are judged, and what is lost by it."""
    is_at_door = has_door()
    has_incoming = _runner_class("in") == INCOMING
    if is_at_door and has_incoming:
        return Finding(
            Severity.GOOD,
            "posts are judged on arrival by LMTP, from their original octets, and "
            "those that come in otherwise by the incoming runner",
        )
    if is_at_door:
        return Finding(
            Severity.GOOD,
            "posts are judged on arrival by LMTP, from their original octets, and "
            "those that come in otherwise late, in the pipeline",
        )
    if has_incoming:
        return Finding(
            Severity.WARNING,
            "posts are judged by the incoming runner, not from their original "
            "octets, so that some good signatures count as broken, and "
            f"trusted_authserv_ids is ignored: mailman.cfg has no 'class: {DOOR}' in "
            "[runner.lmtp]",
            "runner.lmtp",
            "class",
        )
    return Finding(
        Severity.WARNING,
        "posts are judged late, in the pipeline and not from their original "
        "octets, neither moderators nor rules see the verdict, none waits for the "
        "DNS, and "
        f"trusted_authserv_ids is ignored: mailman.cfg has neither 'class: {DOOR}' "
        f"in [runner.lmtp] nor 'class: {INCOMING}' in [runner.in]",
        "runner.lmtp",
        "class",
    )


def has_door() -> bool:
    """Tell whether posts that come by LMTP come by our door."""
    return _runner_class("lmtp") == DOOR


def is_judged_early() -> bool:
    """Tell whether posts are judged before Mailman decides on them."""
    return has_door() or _runner_class("in") == INCOMING


def find_about_peers(services: Services) -> Iterator[Finding]:
    """What `peer_list` does that nobody may have wanted."""
    peers = services.settings.peer_list
    if peers and not has_door():
        yield Finding(
            Severity.WARNING,
            "peer_list is ignored: only the LMTP door knows from where a post comes, "
            f"and mailman.cfg has no 'class: {DOOR}' in [runner.lmtp]",
            "runner.lmtp",
            "class",
        )
    elif any(is_peer(peers, address, "localhost") for address in LOOPBACK_HOSTS):
        yield Finding(
            Severity.WARNING,
            "peer_list has this machine: unless the mail server on it tells by "
            "XFORWARD from where posts come, none is judged or sealed",
        )


def find_about_identities(services: Services) -> Iterator[Finding]:
    """Who seals, and with keys of what kind."""
    yield from find_whether_somebody_seals(services)
    for identity in services.configuration.identities.values():
        yield from _find_about_identity(services, identity)


def find_whether_somebody_seals(services: Services) -> Iterator[Finding]:
    """What is missing for any sealing at all."""
    missing = ", ".join(services.configuration.missing_for_sealing)
    if missing:
        text = f"posts are not sealed: arc.cfg has no {missing}"
        yield Finding(Severity.ERROR, text)


def find_in_database(services: Services) -> Iterator[Finding]:
    """What keeps us from reading the database, and from writing there."""
    try:
        services.list_settings.all()
        # Written is nothing: no list has this id.
        history_of(services).forget("")
    except StoreError as error:
        yield Finding(
            Severity.ERROR,
            "what lists have of their own cannot be used, and no history is kept: "
            f"{error}",
        )


def find_all(services: Services) -> list[Finding]:
    """All there is to say when the settings can be used."""
    return [
        *find_in_mailman_cfg(),
        find_where_posts_are_judged(),
        *find_about_peers(services),
        *find_about_identities(services),
    ]


def _find_about_identity(services: Services, identity: Identity) -> Iterator[Finding]:
    chosen = services.sealing_keys.choose(identity, int(time.time()))
    for problem in chosen.errors:
        yield Finding(Severity.ERROR, problem)
    if isinstance(chosen.identity, Unsealed):
        return
    key = chosen.identity.key
    yield Finding(
        Severity.GOOD,
        f"sealing as {identity.domain} with selector {chosen.identity.selector} "
        f"({show_key(key)})",
    )
    for problem in chosen.warnings:
        yield Finding(Severity.WARNING, problem)
    if key.key_type == "ed25519":
        yield Finding(Severity.WARNING, ED25519_WARNING)


def show_key(key: SigningKey) -> str:
    """What kind of key it is, in few words."""
    return f"{key.algorithm}, {key.bits} bits"


def _runner_class(name: str) -> Any:
    return getattr(getattr(config, f"runner.{name}", None), "class", None)
