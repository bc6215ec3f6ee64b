"""What holds for a list, and who said so: site, mail domain, list.

`arc.cfg` gives values for the site (`[arc]`) and for mail domains
(`[domain.example.org]`), and names who may seal (`[identity.NAME]`); a list has
values of its own.  The nearest one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mailman_arc.mailauth.domains import is_same_or_subdomain, parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.policy.settings import (
    ListSettings,
    Scope,
    Setting,
    SettingError,
    SiteSettings,
    find_setting,
)


SITE = "arc"  # the section of the site, and the name of its own identity
_DOMAIN = "domain."
_IDENTITY = "identity."
_OF_KEYS = ("selector", "key_file")
_OF_IDENTITIES = ("domain", *_OF_KEYS)

Values = Mapping[str, object]


class SectionError(SettingError):
    """A setting that cannot be used, and the section it stands in."""

    def __init__(self, section: str, error: SettingError) -> None:
        super().__init__(error.name, error.problem)
        self.section = section


@dataclass(frozen=True, slots=True)
class Identity:
    """Who may seal: a domain, and where its key is.

    Selector and file are both given, or neither: then the domain has keys of
    `mailman arc keys`.
    """

    name: str
    domain: str  # d=
    selector: str = ""  # s=
    key_file: str = ""

    @property
    def is_managed(self) -> bool:
        """Tell whether its keys are made and turned over by us."""
        return not self.key_file

    def may_seal_for(self, mail_host: str) -> bool:
        """Tell whether it is that of the mail domain, or of a parent."""
        return is_same_or_subdomain(mail_host.lower(), self.domain)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an effective value comes from: `default`, `site`, `domain` or `list`."""

    level: str
    name: str = ""  # of the mail domain

    def __str__(self) -> str:
        return f"{self.level} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class ListConfiguration:
    """What holds for one list.

    `problems` has the list's own values that cannot be used (any more); they
    are passed over.  Without an `identity` nothing can be sealed.
    """

    settings: ListSettings
    origins: Mapping[str, Origin]
    identity: Identity | None
    problems: tuple[SettingError, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole of `arc.cfg`."""

    site: SiteSettings
    for_all_lists: Values
    domains: Mapping[str, Values]
    identities: Mapping[str, Identity]

    @property
    def missing_for_sealing(self) -> tuple[str, ...]:
        """The settings of `[arc]` without which nobody can seal anything."""
        if self.identities:
            return ()
        missing = [name for name in _OF_IDENTITIES if not getattr(self.site, name)]
        # Either of these needs the other.
        return tuple(missing) if len(missing) < 3 else ("domain",)

    def for_list(
        self, mail_host: str, own: Mapping[str, str] | None = None
    ) -> ListConfiguration:
        """What holds for a list of this mail domain with these own values."""
        parsed, problems = self._own_values(mail_host, own or {})
        values: dict[str, Any] = {}
        origins = {}
        for origin, level in (*self._levels(mail_host), (Origin("list"), parsed)):
            for name, value in level.items():
                values[name] = value
                origins[name] = origin
        for each in fields(ListSettings):
            origins.setdefault(each.name, Origin("default"))
        settings = self._limited(ListSettings(**values))
        identity = self._identity(mail_host, settings.identity)
        return ListConfiguration(settings, origins, identity, problems)

    def parse_own(self, mail_host: str, name: str, text: str) -> object:
        """Read a value for a list of this mail domain; raises `SettingError`."""
        setting = find_setting(name, Scope.LIST)
        value = setting.parse(text)
        if setting.name == "identity" and value:
            self._check_identity(mail_host, str(value))
        longest = self.site.history_max_days
        if (
            setting.name == "history_days"
            and isinstance(value, int)
            and value > longest
        ):
            raise SettingError(
                setting.name, f"at most {longest} days are remembered here"
            )
        return value

    def allowed_identities(self, mail_host: str) -> list[Identity]:
        """Who may seal for this mail domain, the nearest first."""
        allowed = [
            each
            for each in self.identities.values()
            if each.may_seal_for(mail_host) or each.name == SITE
        ]
        return sorted(
            allowed,
            key=lambda each: (not each.may_seal_for(mail_host), -len(each.domain)),
        )

    def _limited(self, settings: ListSettings) -> ListSettings:
        longest = self.site.history_max_days
        return replace(settings, history_days=min(settings.history_days, longest))

    def _own_values(
        self, mail_host: str, own: Mapping[str, str]
    ) -> tuple[Values, tuple[SettingError, ...]]:
        parsed = {}
        problems = []
        for name, text in own.items():
            try:
                parsed[name] = self.parse_own(mail_host, name, text)
            except SettingError as error:
                problems.append(error)
        return parsed, tuple(problems)

    def _levels(self, mail_host: str) -> Iterator[tuple[Origin, Values]]:
        yield Origin("site"), self.for_all_lists
        # Parents first: what is nearer comes later and counts.
        for name in sorted(self.domains, key=len):
            if is_same_or_subdomain(mail_host.lower(), name):
                yield Origin("domain", name), self.domains[name]

    def _identity(self, mail_host: str, wanted: str) -> Identity | None:
        if wanted:
            return self.identities.get(wanted)
        return next(iter(self.allowed_identities(mail_host)), None)

    def _check_identity(self, mail_host: str, name: str) -> None:
        allowed = [each.name for each in self.allowed_identities(mail_host)]
        if name not in allowed:
            raise SettingError(
                "identity",
                f"{name!r} may not seal for {mail_host}; "
                f"allowed: {', '.join(allowed) or 'none'}",
            )


def parse_configuration(
    sections: Mapping[str, Mapping[str, str]],
) -> Configuration:
    """Make sense of the sections of `arc.cfg`; raises `SectionError`.

    Without `authserv_id`, the sealing domain names the site (RFC 8601 §2.5).
    """
    site: dict[str, Any] = {}
    for_all_lists: Values = {}
    domains: dict[str, Values] = {}
    identities: dict[str, Identity] = {}
    for section, texts in sections.items():
        try:
            if section == SITE:
                site, for_all_lists = _split(_parse(texts))
            elif section.startswith(_DOMAIN):
                domain = _domain_of(section)
                domains[domain] = _parse(texts, Scope.LIST)
            elif section.startswith(_IDENTITY):
                identity = _read_identity(section, texts)
                identities[identity.name] = identity
            else:
                raise SettingError(
                    section,
                    "there is no such section; known: [arc], [domain.…], [identity.…]",
                )
        except SettingError as error:
            raise SectionError(section, error) from error
    settings = _complete(site, identities)
    return _checked(Configuration(settings, for_all_lists, domains, identities))


def _parse(texts: Mapping[str, str], scope: Scope | None = None) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for name, text in texts.items():
        setting = find_setting(name, scope)
        if setting.name in parsed:
            raise SettingError(name, f"{setting.name} is given twice")
        parsed[setting.name] = _value(setting, name, text)
    return parsed


def _value(setting: Setting, given: str, text: str) -> object:
    """Read a value; an error has the name that was given, which may be an alias."""
    try:
        return setting.parse(text)
    except SettingError as error:
        raise SettingError(given, error.problem) from error


def _split(parsed: Mapping[str, Any]) -> tuple[dict[str, Any], Values]:
    of_site = {each.name for each in fields(SiteSettings)}
    return (
        {name: value for name, value in parsed.items() if name in of_site},
        {name: value for name, value in parsed.items() if name not in of_site},
    )


def _domain_of(section: str) -> str:
    try:
        return parse_domain(section.removeprefix(_DOMAIN))
    except MalformedField as error:
        raise SettingError(section, "the section does not name a domain") from error


def _read_identity(section: str, texts: Mapping[str, str]) -> Identity:
    name = section.removeprefix(_IDENTITY).strip()
    if not name or name == SITE:
        raise SettingError(section, "the section needs a name of its own")
    parsed: dict[str, Any] = {}
    for given, text in texts.items():
        setting = find_setting(given)
        if setting.name not in _OF_IDENTITIES:
            known = ", ".join(_OF_IDENTITIES)
            raise SettingError(given, f"does not belong to an identity; known: {known}")
        parsed[setting.name] = _value(setting, given, text)
    if not parsed.get("domain"):
        raise SettingError("domain", "has no value; an identity cannot do without")
    missing = [each for each in _OF_KEYS if not parsed.get(each)]
    if len(missing) == 1:
        raise SettingError(
            missing[0],
            "has no value; give selector and key_file, or neither, for keys of "
            "`mailman arc keys`",
        )
    return Identity(name, **parsed)


def _complete(site: dict[str, Any], identities: dict[str, Identity]) -> SiteSettings:
    """Add what follows from the rest."""
    own = {name: site.get(name, "") for name in _OF_IDENTITIES}
    if own["domain"] and bool(own["selector"]) == bool(own["key_file"]):
        identities[SITE] = Identity(SITE, **own)
    if not site.get("authserv_id"):
        domains = {each.domain for each in identities.values()}
        only = domains.pop() if len(domains) == 1 else ""
        site["authserv_id"] = own["domain"] or only
    if not site["authserv_id"]:
        raise SectionError(
            SITE,
            SettingError(
                "authserv_id",
                "has no value; give your mail domain, such as example.org",
            ),
        )
    return SiteSettings(**site)


def _checked(configuration: Configuration) -> Configuration:
    """Refuse what does not go together; raises `SectionError`."""
    keys: dict[tuple[str, str], Identity] = {}
    for identity in configuration.identities.values():
        other = keys.setdefault((identity.domain, identity.selector), identity)
        if other.key_file != identity.key_file:
            raise SectionError(
                _section_of(identity),
                SettingError(
                    "key_file", f"{_section_of(other)} has another key of this name"
                ),
            )
    _check_identity_of_site(configuration)
    for mail_host, level in configuration.domains.items():
        try:
            configuration.parse_own(
                mail_host, "identity", str(level.get("identity", ""))
            )
        except SettingError as error:
            raise SectionError(_DOMAIN + mail_host, error) from error
    return configuration


def _check_identity_of_site(configuration: Configuration) -> None:
    wanted = configuration.for_all_lists.get("identity")
    if wanted and wanted not in configuration.identities:
        known = ", ".join(configuration.identities) or "none"
        problem = f"there is no {wanted!r}; known: {known}"
        raise SectionError(SITE, SettingError("identity", problem))


def _section_of(identity: Identity) -> str:
    return SITE if identity.name == SITE else _IDENTITY + identity.name
