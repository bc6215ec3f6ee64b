"""Where the parts meet: builds the long-lived objects, once per process.

Nothing is built at import or start-up, because every `mailman` command loads
the plugin; each process builds what it needs when it first needs it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mailman.config import config

from mailman_arc.adapters.keyfiles import KeyFileError, read_signing_key
from mailman_arc.adapters.resolver import Resolver, ResolverOptions
from mailman_arc.adapters.secretfile import SecretFileError, read_or_make_secret
from mailman_arc.adapters.zonefile import ZoneFileError, read_zone_file
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.plugin.siteconfig import ConfigurationError, read_site_settings
from mailman_arc.policy.settings import SiteSettings


SECRET_FILE = "arc.secret"

_log = logging.getLogger("mailman.plugins.arc")


@dataclass
class Services:
    """What the seams work with.  A part that cannot be made is None, and said once."""

    settings: SiteSettings
    data_dir: Path

    @cached_property
    def resolver(self) -> Resolver:
        """The DNS, or the zone file that stands for it in tests."""
        settings = self.settings
        static = None
        if settings.test_keys:
            try:
                static = read_zone_file(settings.test_keys)
            except (ZoneFileError, OSError) as error:
                _log.error("test_keys: %s; asking the DNS instead", error)
        options = ResolverOptions(
            nameservers=settings.nameservers,
            port=settings.nameserver_port,
            timeout=settings.dns_timeout,
            deadline=settings.dns_deadline,
            cache_size=settings.dns_cache_size,
            static_only=static is not None,
        )
        return Resolver(options, static)

    @cached_property
    def identity(self) -> SealingIdentity | None:
        """Who seals, or None when there is no usable key."""
        settings = self.settings
        if settings.missing_for_sealing:
            _log.error(
                "posts are not sealed: arc.cfg has no %s",
                ", ".join(settings.missing_for_sealing),
            )
            return None
        try:
            key = read_signing_key(
                settings.key_file, require_safe=settings.require_safe_keys
            )
        except KeyFileError as error:
            _log.error(  # the text says all
                "posts are not sealed: selector %r: %s", settings.selector, error
            )
            return None
        return SealingIdentity(settings.domain, settings.selector, key)

    @cached_property
    def secret(self) -> bytes | None:
        """The key that vouches for our own fields, or None."""
        try:
            return read_or_make_secret(self.data_dir / SECRET_FILE)
        except SecretFileError as error:
            _log.error(  # the text says all
                "posts are judged twice, on arrival and in the pipeline: %s", error
            )
            return None


@dataclass
class _Wiring:
    """The state of this process."""

    section: str | None = None  # name of the plugin's section when it is enabled
    services: Services | None = None
    failed: bool = False


_wiring = _Wiring()


def activate(name: str) -> None:
    """Note that the plugin is enabled, and in which section of mailman.cfg.

    Mailman loads our modules whether it is or not, so each asks `is_active`.
    """
    _wiring.section = name


def is_active() -> bool:
    """Tell whether the plugin is enabled in mailman.cfg."""
    return _wiring.section is not None


def section() -> str:
    """The name of the plugin's section in mailman.cfg."""
    return _wiring.section or "arc"


def services() -> Services | None:
    """The services of this process; None while the settings are unusable.

    Why they are is logged once per process.
    """
    if _wiring.services is None and not _wiring.failed and is_active():
        try:
            _wiring.services = _build()
        except ConfigurationError as error:
            _wiring.failed = True
            _log.error("the plugin does nothing: %s", error)
    return _wiring.services


def _build() -> Services:
    plugin = getattr(config, f"plugin.{section()}")
    settings = read_site_settings(plugin.configuration)
    return Services(settings, Path(config.DATA_DIR))
