"""What is done and checked when Mailman starts."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from lazr.config import as_boolean
from mailman.config import config

from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.plugin import wiring


HANDLER = "arc-authenticate"
MAILMANS_OWN = "validate-authenticity"  # the handler ours stands in for
PIPELINES = ("default-posting-pipeline", "default-owner-pipeline")
DELIVERY = "mailman_arc.plugin.delivery.deliver"
DOOR = "mailman_arc.plugin.door.ArcLMTPRunner"
INCOMING = "mailman_arc.plugin.incoming.ArcIncomingRunner"

_log = logging.getLogger("mailman.plugins.arc")


def place_handler() -> None:
    """Put our handler first in the pipelines that lists use by default.

    The pipelines exist and the handlers are known by now, so nothing can be
    missing that Mailman then fails to start without.
    """
    handler = config.handlers.get(HANDLER)
    if handler is None:
        _log.error(
            "posts are neither judged nor sealed: the handler %r was not found; "
            "[plugin.%s] in mailman.cfg needs the line "
            "'component_package: mailman_arc.plugin'",
            HANDLER,
            wiring.section(),
        )
        return
    for name in PIPELINES:
        handlers = getattr(config.pipelines.get(name), "_handlers", None)
        if handlers is None:
            _log.error("posts are not judged: there is no pipeline %r to use", name)
        elif handler not in handlers:
            handlers[:] = [handler, *(h for h in handlers if h.name != MAILMANS_OWN)]


def report_configuration() -> None:
    """Say in the log what in mailman.cfg keeps the plugin from working.

    Every process loads the plugin; only the one that starts the others speaks.
    """
    if Path(sys.argv[0]).name != "master":
        return
    if as_boolean(config.ARC.enabled):
        _log.error(
            "Mailman's own ARC is enabled too ([ARC] enabled: yes); posts would be "
            "sealed twice, so it is left out; set it to 'no'"
        )
    if config.mta.outgoing != DELIVERY:
        _log.error(
            "posts are not sealed: mailman.cfg needs 'outgoing: %s' in [mta]", DELIVERY
        )
    services = wiring.services()
    if services is None:
        return
    _report_where_posts_are_judged()
    missing = ", ".join(services.configuration.missing_for_sealing)
    if missing:
        _log.error("posts are not sealed: arc.cfg has no %s", missing)
    for identity in services.configuration.identities.values():
        sealing = services.with_key(identity)
        if sealing is not None:
            _report_identity(sealing)


def _report_identity(identity: SealingIdentity) -> None:
    _log.info(
        "sealing as %s with selector %s (%s, %d bits)",
        identity.domain,
        identity.selector,
        identity.key.algorithm,
        identity.key.bits,
    )
    if identity.key.key_type == "ed25519":
        _log.warning(
            "the key is Ed25519, which most receivers of ARC cannot verify: they "
            "take the whole chain for broken; an RSA key of 2048 bits is better"
        )


def _report_where_posts_are_judged() -> None:
    has_door = _runner_class("lmtp") == DOOR
    has_incoming = _runner_class("in") == INCOMING
    if has_door and has_incoming:
        _log.info(
            "posts are judged on arrival by LMTP, from their original octets, and "
            "those that come in otherwise by the incoming runner"
        )
    elif has_door:
        _log.info(
            "posts are judged on arrival by LMTP, from their original octets, and "
            "those that come in otherwise late, in the pipeline"
        )
    elif has_incoming:
        _log.warning(
            "posts are judged by the incoming runner, not from their original "
            "octets, so that some good signatures count as broken, and "
            "trusted_authserv_ids is ignored: mailman.cfg has no 'class: %s' in "
            "[runner.lmtp]",
            DOOR,
        )
    else:
        _log.warning(
            "posts are judged late, in the pipeline and not from their original "
            "octets, no moderator sees the verdict, none waits for the DNS, and "
            "trusted_authserv_ids is ignored: mailman.cfg has neither 'class: %s' "
            "in [runner.lmtp] nor 'class: %s' in [runner.in]",
            DOOR,
            INCOMING,
        )


def _runner_class(name: str) -> Any:
    return getattr(getattr(config, f"runner.{name}", None), "class", None)
