"""Where the parts meet: builds the long-lived objects, once per process.

Nothing is built at import or start-up, because every `mailman` command loads
the plugin; each process builds what it needs when it first needs it, and again
when `arc.cfg` has changed.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailman.config import config

from mailman_arc.adapters.keyring import KeyRing
from mailman_arc.adapters.keystore import KeyStore
from mailman_arc.adapters.keywatch import KeyWatch, Step, in_background
from mailman_arc.adapters.resolver import Resolver, ResolverOptions
from mailman_arc.adapters.secretfile import SecretFileError, read_or_make_secret
from mailman_arc.adapters.shownkeys import ShownKeys
from mailman_arc.adapters.stamps import FileStamp, stamp_of
from mailman_arc.adapters.store.listsettings import ListSettingsStore
from mailman_arc.adapters.zonefile import (
    ZoneFileError,
    ZoneRecord,
    parse_records,
    read_zone_file,
)
from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.plugin.historywriter import About, History
from mailman_arc.plugin.reception import one_line
from mailman_arc.plugin.sealingkeys import SealingKeys
from mailman_arc.plugin.seams import degrade
from mailman_arc.plugin.siteconfig import (
    ConfigurationError,
    configuration_path,
    read_configuration,
)
from mailman_arc.plugin.storage import Storage
from mailman_arc.policy.configuration import Configuration, Identity, ListConfiguration
from mailman_arc.policy.outbound import Unsealed
from mailman_arc.policy.settings import ListSettings, SiteSettings


if TYPE_CHECKING:
    from mailman_arc.adapters.spf import SpfChecker


SECRET_FILE = "arc.secret"
KEY_DIRECTORY = "arc/keys"
SHOWN_KEYS_FILE = "arc/shown.json"
FIRST_TRIES = 3  # of what may take one `dns_timeout`

_log = logging.getLogger("mailman.plugins.arc")


@dataclass
class Services:
    """What the seams work with.  A part that cannot be made is None, and said once."""

    configuration: Configuration
    data_dir: Path
    _said: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)

    @property
    def settings(self) -> SiteSettings:
        """What holds for the whole site."""
        return self.configuration.site

    @cached_property
    def resolver(self) -> Resolver:
        """The DNS, or the zone file that stands for it in tests."""
        return Resolver(self._resolver_options, self._static_answers)

    @cached_property
    def _resolver_options(self) -> ResolverOptions:
        settings = self.settings
        return ResolverOptions(
            nameservers=settings.nameservers,
            port=settings.nameserver_port,
            timeout=settings.dns_timeout,
            deadline=settings.dns_deadline,
            cache_size=settings.dns_cache_size,
            static_only=self._static_answers is not None,
        )

    @cached_property
    def _static_answers(self) -> Answers | None:
        if not self.settings.test_keys:
            return None
        try:
            return read_zone_file(self.settings.test_keys)
        except (ZoneFileError, OSError) as error:
            _log.error("test_keys: %s; asking the DNS instead", error)
            return None

    @cached_property
    def spf(self) -> SpfChecker | None:
        """What evaluates SPF; None without pyspf, which is an extra.

        Imported here, because most processes have no use for it.
        """
        try:
            from mailman_arc.adapters.spf import (  # noqa: PLC0415
                SpfChecker,
                SpfOptions,
            )
        except ImportError:
            _log.info("SPF is not evaluated: pyspf is not installed")
            return None
        settings = self.settings
        options = SpfOptions(
            nameservers=settings.nameservers,
            port=settings.nameserver_port,
            timeout=settings.dns_timeout,
            deadline=settings.dns_deadline,
        )
        return SpfChecker(options, self._static_records)

    @property
    def _static_records(self) -> list[ZoneRecord] | None:
        """All records of the zone file, of which the resolver has the TXT ones."""
        path = self.settings.test_keys
        try:
            return parse_records(Path(path).read_text("utf-8"), path) if path else None
        except (ZoneFileError, OSError, ValueError):
            return None  # `resolver` says so

    @cached_property
    def keys(self) -> KeyRing:
        """The private keys."""
        return KeyRing(require_safe=self.settings.require_safe_keys)

    @cached_property
    def key_store(self) -> KeyStore:
        """The keys that are made and turned over here."""
        settings = self.settings
        return KeyStore(
            settings.key_directory or self.data_dir / KEY_DIRECTORY,
            require_safe=settings.require_safe_keys,
        )

    @cached_property
    def hasty_resolver(self) -> Resolver:
        """The DNS, for one `dns_timeout` in all; remembers nothing."""
        options = self._resolver_options
        hasty = replace(
            options,
            timeout=options.timeout / FIRST_TRIES,
            deadline=min(options.timeout, options.deadline),
            cache_size=0,
        )
        return Resolver(hasty, self._static_answers)

    @cached_property
    def key_watch(self) -> KeyWatch:
        """What the DNS shows of our keys; the first look takes one `dns_timeout`."""
        return KeyWatch(
            # The watch remembers by itself, and a key that was missing is
            # published a moment later.
            self.hasty_resolver,
            ShownKeys(self.data_dir / SHOWN_KEYS_FILE),
            time.time,
            _degrading_in_background,
        )

    @cached_property
    def sealing_keys(self) -> SealingKeys:
        """Which key an identity seals with."""
        watch = self.key_watch if self.settings.check_pubkey else None
        return SealingKeys(self.keys, self.key_store, watch)

    def for_list(self, mlist: Any) -> ListConfiguration:
        """What holds for a mailing list at this moment."""
        list_id = str(mlist.list_id)
        own = self.storage.values_for_post(list_id)
        found = self.configuration.for_list(str(mlist.mail_host), own)
        problems = [one_line(f"{list_id}: passed over: {p}") for p in found.problems]
        self._say(f"list {list_id}", *problems, level=logging.WARNING)
        return found

    @cached_property
    def storage(self) -> Storage:
        """The database."""
        return Storage(self.settings.database_url, self.data_dir)

    @cached_property
    def history(self) -> History:
        """What becomes of posts, to be told."""

        def settings_of(about: About) -> ListSettings:
            own = self.list_settings.values(about.list_id)
            return self.configuration.for_list(about.mail_host, own).settings

        return History(self.storage.history, settings_of)

    @property
    def list_settings(self) -> ListSettingsStore:
        """What lists have of their own, to be read and changed."""
        return self.storage.list_settings

    def sealing_identity(
        self, mlist: Any, configuration: ListConfiguration | None = None
    ) -> SealingIdentity | Unsealed:
        """Who seals for a list, with the key, or why nobody can."""
        identity = (configuration or self.for_list(mlist)).identity
        if identity is not None:
            return self.with_key(identity)
        missing = ", ".join(self.configuration.missing_for_sealing)
        self._say(
            str(mlist.mail_host),
            f"posts are not sealed: arc.cfg has no {missing}"
            if missing
            else f"posts of lists at {mlist.mail_host} are not sealed: no identity in "
            "arc.cfg has this domain or a parent of it",
        )
        return Unsealed.NO_KEY

    def with_key(self, identity: Identity) -> SealingIdentity | Unsealed:
        """An identity with the key that seals now, or why there is none."""
        chosen = self.sealing_keys.choose(identity, int(time.time()))
        self._say(identity.name, *chosen.errors)
        self._say(identity.name, *chosen.warnings, level=logging.WARNING)
        return chosen.identity

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

    def _say(self, about: str, *problems: str, level: int = logging.ERROR) -> None:
        """Log the problems that somebody did not have when last looked at."""
        for problem in problems:
            if problem not in self._said.get((about, level), ()):
                _log.log(level, "%s", problem)
        self._said.pop((about, level), None)
        if problems:
            self._said[about, level] = problems


def _degrading_in_background(step: Step) -> None:
    def degrading() -> None:
        with degrade("key check"):
            step()

    in_background(degrading)


@dataclass
class _Wiring:
    """The state of this process."""

    section: str | None = None  # name of the plugin's section when it is enabled
    services: Services | None = None
    path: Path | None = None  # of arc.cfg; None while it has not been looked for
    stamp: FileStamp | str = ""  # of arc.cfg when it was last read
    said: str = ""  # what was wrong with arc.cfg last time


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

    They are built anew when the configuration file has changed.  A file that
    cannot be used never replaces one that could; why it cannot is logged once.
    """
    if not is_active():
        return None
    try:
        if _wiring.path is None and _wiring.services is None:
            _wiring.path = configuration_path(_plugin_section().configuration)
        if _wiring.path is not None and stamp_of(_wiring.path) != _wiring.stamp:
            _wiring.stamp = stamp_of(_wiring.path)
            _wiring.services = Services(
                read_configuration(_wiring.path), Path(config.DATA_DIR)
            )
    except ConfigurationError as error:
        _tell(error)
    return _wiring.services


def _plugin_section() -> Any:
    return getattr(config, f"plugin.{section()}")


def _tell(error: ConfigurationError) -> None:
    if str(error) == _wiring.said:
        return
    _wiring.said = str(error)
    if _wiring.services is None:
        _log.error("the plugin does nothing: %s", error)
    else:
        _log.error("going on with the settings read before: %s", error)
