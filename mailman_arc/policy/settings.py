"""Every setting, declared once: name, kind, who may set it, help.

Whoever reads or shows settings (configuration file, REST, command line, form)
loops over `SETTINGS`.  The defaults are those of the two classes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from mailman_arc.mailauth.arc.seal import OVERSIGNED_FIELDS, SIGNED_FIELDS
from mailman_arc.mailauth.canonical import Canonicalization
from mailman_arc.mailauth.crypto import MAX_NEW_RSA_BITS, MIN_RSA_BITS
from mailman_arc.policy import values
from mailman_arc.policy.inbound import Demands
from mailman_arc.policy.peers import PEERS, Peer
from mailman_arc.policy.trust import Trust
from mailman_arc.policy.values import Kind, Network


MAX_HOLD = 86400  # seconds; mail servers warn the author after some hours
MAX_TTL = 366 * 86400  # seconds
HISTORY_FIELDS = ("author", "subject", "message_id")

_KEY_SIZES = range(MIN_RSA_BITS, MAX_NEW_RSA_BITS + 1)  # bits

LOOPBACK: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1"),
)

# Servers on the way add these, or they are what a seal is about
# (RFC 6376 §5.4, RFC 8617 §4.1.2).
NEVER_SIGNED = frozenset((
    "received", "return-path", "bcc", "resent-bcc", "authentication-results",
    "arc-authentication-results", "arc-message-signature", "arc-seal",
))  # fmt: skip


class SettingError(ValueError):
    """A setting that cannot be used; the text says which, why, and what would do."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class Mode(StrEnum):
    """What is done for a list; the words of OpenARC."""

    SIGN_AND_VERIFY = "sv"
    SIGN = "s"  # seal, but write no Authentication-Results
    VERIFY = "v"  # write Authentication-Results, but do not seal
    NONE = "none"

    @property
    def seals(self) -> bool:
        """Tell whether copies are sealed."""
        return self in (Mode.SIGN_AND_VERIFY, Mode.SIGN)

    @property
    def reports(self) -> bool:
        """Tell whether posts carry our Authentication-Results."""
        return self in (Mode.SIGN_AND_VERIFY, Mode.VERIFY)


class TransportSafe(StrEnum):
    """Which copies are re-encoded so that no mail server has to change them."""

    YES = "yes"  # those whose author's signature is broken anyway
    ALWAYS = "always"
    NO = "no"


class AnonymousSeal(StrEnum):
    """How posts of anonymous lists are sealed."""

    FRESH = "fresh"  # as a new chain that does not name the author
    NONE = "none"


class FailureAction(StrEnum):
    """What is done with posts whose authentication failed; Mailman's words."""

    DEFER = "defer"  # nothing: what else Mailman does with them
    ACCEPT = "accept"
    HOLD = "hold"
    REJECT = "reject"
    DISCARD = "discard"


class NonmemberAction(StrEnum):
    """The same where the author is no member of the list."""

    SAME = "same"  # as for members
    DEFER = "defer"
    ACCEPT = "accept"
    HOLD = "hold"
    REJECT = "reject"
    DISCARD = "discard"


class Scope(StrEnum):
    """Who may set a setting."""

    SITE = "site"  # the administrator of the site, in arc.cfg
    LIST = "list"  # also for one mail domain, and for one list by its owners


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What holds for the whole site; the help is in `SETTINGS`."""

    authserv_id: str = ""
    trusted_authserv_ids: tuple[str, ...] = ()
    domain: str = ""
    selector: str = ""
    key_file: str = ""
    key_directory: str = ""
    minimum_key_size_rsa: int = MIN_RSA_BITS
    oldest_pass: bool = True
    require_safe_keys: bool = True
    check_pubkey: bool = True
    notify_site_owner: bool = True
    nameservers: tuple[str, ...] = ()
    nameserver_port: int = 53
    dns_timeout: float = 3.0
    dns_deadline: float = 10.0
    dns_cache_size: int = 4096
    test_keys: str = ""
    authorized_xforward_hosts: tuple[Network, ...] = LOOPBACK
    peer_list: tuple[Peer, ...] = ()
    temperror_hold: int = 1800
    database_url: str = ""
    history_max_days: int = 365

    @property
    def trust(self) -> Trust:
        """Whose Authentication-Results are believed."""
        return Trust(self.authserv_id, frozenset(self.trusted_authserv_ids))

    @property
    def demands(self) -> Demands:
        """What is asked of signatures."""
        return Demands(self.minimum_key_size_rsa, self.oldest_pass)


@dataclass(frozen=True, slots=True)
class ListSettings:
    """What holds for one list; the help is in `SETTINGS`."""

    mode: Mode = Mode.SIGN_AND_VERIFY
    shadow: bool = False
    identity: str = ""
    sign_headers: tuple[str, ...] = SIGNED_FIELDS
    oversign_headers: tuple[str, ...] = OVERSIGNED_FIELDS
    canonicalization: tuple[Canonicalization, Canonicalization] = ("relaxed", "relaxed")
    signature_ttl: int = 0
    transport_safe: TransportSafe = TransportSafe.YES
    anonymous_seal: AnonymousSeal = AnonymousSeal.FRESH
    trusted_sealers: tuple[str, ...] = ()
    dmarc_failure_action: FailureAction = FailureAction.DEFER
    dmarc_failure_nonmember_action: NonmemberAction = NonmemberAction.SAME
    arc_failure_action: FailureAction = FailureAction.DEFER
    arc_failure_nonmember_action: NonmemberAction = NonmemberAction.SAME
    dkim_failure_action: FailureAction = FailureAction.DEFER
    dkim_failure_nonmember_action: NonmemberAction = NonmemberAction.SAME
    unconfirmed_action: FailureAction = FailureAction.DEFER
    unconfirmed_nonmember_action: NonmemberAction = NonmemberAction.SAME
    from_mismatch_action: FailureAction = FailureAction.DEFER
    from_mismatch_nonmember_action: NonmemberAction = NonmemberAction.SAME
    dmarc_none_counts: bool = False
    history_days: int = 30
    history_fields: tuple[str, ...] = HISTORY_FIELDS


@dataclass(frozen=True, slots=True)
class Setting:
    """How one setting is written, and what it means.

    `aliases` are its names in other programs.  Upper case and underscores make
    no difference, so OpenARC's names (`AuthservID`) need none.
    """

    name: str
    kind: Kind
    help: str
    aliases: tuple[str, ...] = ()

    @property
    def scope(self) -> Scope:
        """Who may set it."""
        return Scope.LIST if self.name in _OF_LISTS else Scope.SITE

    @property
    def default(self) -> object:
        """The value where nobody gives one."""
        return _DEFAULTS[self.name]

    def parse(self, text: str) -> object:
        """Read a value; raises `SettingError`."""
        try:
            value: object = self.kind.parse(text.strip())
            _check(self.name, value)
        except ValueError as error:
            raise SettingError(self.name, str(error)) from error
        return value


def find_setting(name: str, scope: Scope | None = None) -> Setting:
    """The setting of this name or alias; raises `SettingError`."""
    setting = _BY_NAME.get(_plain(name))
    known = [each for each in SETTINGS if scope in (None, each.scope)]
    if setting not in known or setting is None:
        names = ", ".join(each.name for each in known)
        raise SettingError(name, f"there is no such setting; known: {names}")
    return setting


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _check(name: str, value: object) -> None:
    """Refuse what a kind allows but this setting does not; raises `ValueError`."""
    if name == "temperror_hold" and isinstance(value, int) and value > MAX_HOLD:
        raise ValueError("a post may wait for 24h at most")
    if name == "minimum_key_size_rsa" and value not in _KEY_SIZES:
        raise ValueError(
            f"{value} is not a number of bits from {_KEY_SIZES[0]}, the least that "
            f"RFC 8301 §3.2 allows, to {_KEY_SIZES[-1]}"
        )
    if name == "sign_headers" and isinstance(value, tuple):
        forbidden = sorted(NEVER_SIGNED.intersection(value))
        if forbidden:
            raise ValueError(
                f"{', '.join(forbidden)} must not be signed "
                "(RFC 8617 §4.1.2, RFC 6376 §5.4)"
            )
        if "from" not in value:
            raise ValueError("from must be among them (RFC 6376 §5.4)")


_OF_LISTS = frozenset(each.name for each in fields(ListSettings))
_DEFAULTS: Mapping[str, object] = {
    each.name: each.default
    for of in (SiteSettings, ListSettings)
    for each in fields(of)
}

_OF_NONMEMBERS = (
    "What is done with such posts where the author is no member of the list. same: as "
    "with those of members."
)

SETTINGS = (
    Setting(
        "authserv_id",
        values.AUTHSERV_ID,
        "The name under which this site reports results (RFC 8601 §2.5); "
        "default: the sealing domain.",
        aliases=("arc_srvid",),
    ),
    Setting(
        "trusted_authserv_ids",
        values.WORDS,
        "Servers of this site whose Authentication-Results fields are believed. "
        "They must remove such fields from mail that comes from outside. Needs "
        "the LMTP door ([runner.lmtp] in mailman.cfg).",
        aliases=("trusted_authserv_id",),
    ),
    Setting(
        "minimum_key_size_rsa",
        values.POSITIVE,
        "The length that RSA keys of others must have at least, in bits; a signature "
        "or seal by a shorter one is not good, and a chain with it is broken.",
    ),
    Setting(
        "oldest_pass",
        values.BOOLEAN,
        "Find out since which set of a chain nobody has changed the post, and report "
        "it (header.oldest-pass). no: of the message signatures only the newest is "
        "verified, which is what the verdict rests on.",
    ),
    Setting(
        "domain",
        values.DOMAIN,
        "The domain that seals: d= of seals and signatures.",
        aliases=("signer_domain",),
    ),
    Setting(
        "selector",
        values.DOMAIN,
        "The name of the key below _domainkey: s=. Without selector and key_file, "
        "the keys are those of `mailman arc keys`.",
    ),
    Setting(
        "key_file",
        values.TEXT,
        "The private key, in PEM, RSA or Ed25519.",
        aliases=("privkey", "private_key_path"),
    ),
    Setting(
        "key_directory",
        values.TEXT,
        "Where `mailman arc keys` keeps keys, in a directory for each domain; "
        "default: arc/keys in Mailman's data directory.",
    ),
    Setting(
        "require_safe_keys",
        values.BOOLEAN,
        "Refuse a key file that other users of the machine can read or change.",
    ),
    Setting(
        "check_pubkey",
        values.BOOLEAN,
        "Seal only with a key that the DNS shows.",
    ),
    Setting(
        "notify_site_owner",
        values.BOOLEAN,
        "Write to the site owner when something has to be done about a key.",
    ),
    Setting(
        "mode",
        values.choice(Mode),
        "What is done with posts. sv: sealed, and marked with what was found on "
        "arrival; s: sealed only; v: marked only; none: neither.",
        aliases=("arc_mode",),
    ),
    Setting(
        "shadow",
        values.BOOLEAN,
        "Do everything, but add nothing to posts: the log says what would have "
        "been done.",
    ),
    Setting(
        "identity",
        values.TEXT,
        "Who seals: the name of a section [identity.…] in arc.cfg. Default: the "
        "one of the list's mail domain, or of its nearest parent.",
    ),
    Setting(
        "sign_headers",
        values.FIELD_NAMES,
        "The header fields that a seal covers.",
        aliases=("sig_headers",),
    ),
    Setting(
        "oversign_headers",
        values.FIELD_NAMES,
        "Those of them that nobody may add once more (RFC 6376 §8.15).",
    ),
    Setting(
        "canonicalization",
        values.CANONICALIZATION,
        "How header and body are normalised before they are signed. Anything but "
        "relaxed/relaxed breaks on the way more easily.",
    ),
    Setting(
        "signature_ttl",
        values.DURATION,
        "How long the signature over a post is valid, such as 30d; 0: for ever. "
        "Mail that is forwarded later than that has a broken chain.",
    ),
    Setting(
        "transport_safe",
        values.choice(TransportSafe),
        "Re-encode text that mail servers may change on the way (8-bit, long "
        "lines, lines that begin with From) before it is sealed. yes: unless a "
        "signature of the author would break by it; always; no.",
    ),
    Setting(
        "anonymous_seal",
        values.choice(AnonymousSeal),
        "Posts of anonymous lists. fresh: sealed as a new chain that does not "
        "name the author; none: not sealed.",
    ),
    Setting(
        "trusted_sealers",
        values.DOMAINS,
        "Domains (d=) whose seals are trusted. Where DMARC fails, but one of them has "
        "recorded that it passed, and nobody else has sealed since, our "
        "Authentication-Results say who vouches for the post.",
        aliases=("whitelisted_signers_map", "trusted_domains", "arc_trusted_sealers"),
    ),
    Setting(
        "dmarc_failure_action",
        values.choice(FailureAction),
        "What is done with posts that fail DMARC. accept, hold, reject or discard; "
        "defer: nothing special. A policy p=reject alone is no ground to reject them "
        "(RFC 9989 §7.4).",
    ),
    Setting(
        "dmarc_failure_nonmember_action", values.choice(NonmemberAction), _OF_NONMEMBERS
    ),
    Setting(
        "arc_failure_action",
        values.choice(FailureAction),
        "What is done with posts whose ARC chain was broken when they arrived.",
    ),
    Setting(
        "arc_failure_nonmember_action", values.choice(NonmemberAction), _OF_NONMEMBERS
    ),
    Setting(
        "dkim_failure_action",
        values.choice(FailureAction),
        "What is done with posts that have no good DKIM signature of the author's "
        "domain, or none at all.",
    ),
    Setting(
        "dkim_failure_nonmember_action", values.choice(NonmemberAction), _OF_NONMEMBERS
    ),
    Setting(
        "unconfirmed_action",
        values.choice(FailureAction),
        "What is done with posts that could be checked, but not be confirmed: neither "
        "DMARC nor a signature of the author's domain passes, and no trusted sealer "
        "vouches for them.",
    ),
    Setting(
        "unconfirmed_nonmember_action", values.choice(NonmemberAction), _OF_NONMEMBERS
    ),
    Setting(
        "from_mismatch_action",
        values.choice(FailureAction),
        "What is done with posts whose From has no domain that DKIM or SPF has "
        "confirmed. SPF counts where it is known.",
    ),
    Setting(
        "from_mismatch_nonmember_action", values.choice(NonmemberAction), _OF_NONMEMBERS
    ),
    Setting(
        "dmarc_none_counts",
        values.BOOLEAN,
        "Let DMARC count, for these actions, also where the author's domain publishes "
        "p=none. no: such a policy changes nothing (RFC 9989 §5.4).",
    ),
    Setting(
        "authorized_xforward_hosts",
        values.NETWORKS,
        "Mail servers that may tell the door, with XFORWARD, from where a post "
        "came: addresses or networks; default: this machine.",
    ),
    Setting(
        "peer_list",
        PEERS,
        "Clients whose mail is neither judged nor sealed: addresses, networks, hosts, "
        "or domains such as .example.org; ! in front excludes. Only the LMTP door "
        "([runner.lmtp] in mailman.cfg) knows them, by XFORWARD, or as what connects "
        "to it.",
    ),
    Setting(
        "temperror_hold",
        values.DURATION,
        "How long to keep a post waiting whose chain cannot be judged because the "
        "DNS does not answer, such as 30m; 0: not at all. After that it is "
        "delivered, without a seal.",
    ),
    Setting(
        "nameservers",
        values.WORDS,
        "Addresses of the name servers to ask; default: those of the system.",
    ),
    Setting("nameserver_port", values.PORT, "The port of these name servers."),
    Setting(
        "dns_timeout", values.SECONDS, "How long to wait for one DNS answer, seconds."
    ),
    Setting(
        "dns_deadline",
        values.SECONDS,
        "How long all look-ups of one post may take together, seconds.",
    ),
    Setting("dns_cache_size", values.POSITIVE, "How many DNS answers to remember."),
    Setting(
        "database_url",
        values.DATABASE_URL,
        "Where lists have settings of their own: a URL (SQLite, PostgreSQL, MariaDB), "
        "or mailman for Mailman's own database unless that is SQLite; default: the "
        "file arc.db in Mailman's data directory.",
    ),
    Setting(
        "history_days",
        values.NUMBER,
        "How many days to remember what became of each post; 0: not at all, and "
        "forget what is known.",
    ),
    Setting(
        "history_max_days",
        values.NUMBER,
        "The most that history_days may be, for any list.",
    ),
    Setting(
        "history_fields",
        values.words_among(*HISTORY_FIELDS),
        "What of a post itself is remembered: any of author (the address), subject "
        "and message_id. Empty: only its results, and the author's domain.",
    ),
    Setting(
        "test_keys",
        values.TEXT,
        "A zone file that answers instead of the DNS, for tests only.",
    ),
)
_BY_NAME = {
    _plain(name): setting
    for setting in SETTINGS
    for name in (setting.name, *setting.aliases)
}
