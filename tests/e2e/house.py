"""One furnished house: DNS, sink, Mailman, and people who write to its lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.house import lmtp, oracles, posts
from tests.house.dns_server import quote_text
from tests.house.house import make_sealer, open_house
from tests.house.lists import MailingList
from tests.house.nsd import authoritative_server
from tests.house.sink import Delivery, Sink
from tests.house.site import MailmanSite
from tests.house.waiting import PATIENCE, wait_until


AUTHOR = posts.make_domain(posts.AUTHOR)
FORWARDER = posts.make_domain(posts.FORWARDER, None)
SECOND_FORWARDER = posts.make_domain("second.example", None)
BANK = posts.make_domain(posts.BANK)
SITE = make_sealer()

DOMAINS = (AUTHOR, FORWARDER, SECOND_FORWARDER, BANK, SITE)
ZONE = posts.zone_of(DOMAINS)
MEMBERS = ("anne@one.example", "bill@two.example", "cleo@three.example")
ANN = f"ann@{posts.AUTHOR}"

UNUSED = ("archive", "bounces", "command", "task")  # runners that no post needs


def zones() -> dict[str, str]:
    """Master files for the name server, one for each domain."""
    head = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
    found = {}
    for domain in DOMAINS:
        lines = [
            f"{name}. TXT {quote_text(text)}" for name, text in domain.records().items()
        ]
        found[domain.name] = head + "\n".join(lines) + "\n"
    return found


@dataclass
class FurnishedHouse:
    """A running Mailman with lists, and people who write to them."""

    site: MailmanSite
    sink: Sink
    lists: int = 0

    def make_list(
        self, members: Iterable[str] = MEMBERS, **settings: Any
    ) -> MailingList:
        """A new list with a subject prefix, a footer and members."""
        self.lists += 1
        made = self.site.create_list(f"list{self.lists}", **settings)
        made.subscribe(members)
        made.decorate("-- \nthe footer\n")
        return made

    def deliver(
        self, octets: bytes, to: MailingList | str, copies: int = 3
    ) -> Delivery:
        """Hand a post in by LMTP; the first copy that comes out."""
        assert self.site.post(octets, ANN, to) == {}
        return self.collect(octets, copies)[0]

    def post_to(self, octets: bytes, lists: Iterable[MailingList]) -> None:
        """Hand a post in for several lists in one LMTP transaction."""
        addresses = [each.address for each in lists]
        assert lmtp.send(self.site.lmtp_port, octets, ANN, addresses) == {}

    def held(self, discuss: MailingList) -> dict[str, Any]:
        """The post that waits for a moderator of this list."""
        return wait_until(discuss.held, PATIENCE, "a held post", self.site.report)[0]

    def collect(self, octets: bytes, copies: int = 3) -> list[Delivery]:
        """All copies of a post, once each of so many recipients has his."""
        message_id = _message_id(octets)
        try:
            return self.sink.wait_for_copies(message_id, copies)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.site.report()}") from error

    def log_of(self, octets: bytes) -> str:
        """The one line about a post in plugins.log."""
        lines = self.site.wait_for_log("plugins", _message_id(octets))
        assert len(lines) == 1, lines
        return lines[0]

    def assert_untroubled(self) -> None:
        """No post in the shunt queue, no traceback in a log."""
        self.site.wait_until_idle()
        assert self.site.shunted() == [], self.site.report()
        assert not (found := self.site.errors()), found
        assert "Traceback" not in (log := self.site.log("plugins")), log


def not_started(runners: Iterable[str]) -> dict[str, dict[str, str | None]]:
    """What to change in mailman.cfg for a Mailman that starts without these."""
    return {f"runner.{name}": {"start": "no"} for name in runners}


@contextmanager
def furnished(
    dns_port: int | None = None,
    *,
    without: Iterable[str] = UNUSED,
    mailman: Mapping[str, Mapping[str, str | None]] | None = None,
    **changes: Any,
) -> Iterator[FurnishedHouse]:
    """A house with a name server of its own, unless one is given.

    Its Mailman starts without some runners, each of which would cost seconds.
    """
    changes["mailman"] = {**not_started(without), **(mailman or {})}
    with ExitStack() as opened:
        if dns_port is None:
            dns_port = opened.enter_context(authoritative_server(zones())).port
        house = opened.enter_context(open_house(dns_port=dns_port, **changes))
        yield FurnishedHouse(house.site, house.sink)


def assert_others_accept(octets: bytes) -> None:
    """Each implementation that is not ours accepts the chain in these octets."""
    for opinion in oracles.opinions(octets, ZONE):
        assert opinion.arc == "pass", opinion


def first_field(copy: Delivery, name: str) -> str:
    """The topmost field of this name, unfolded, without its name."""
    found = copy.fields(name)
    assert found, f"there is no {name}"
    text = found[0].partition(b":")[2].decode("utf-8", "replace")
    return " ".join(text.split())


def signed(post: bytes, sealers: Mapping[str, str] | None = None) -> bytes:
    """A post of the author, DKIM-signed by dkimpy, sealed by forwarders on its way."""
    octets = posts.dkim_sign(post, AUTHOR)
    known = {domain.name: domain for domain in DOMAINS}
    for sealer, results in (sealers or {}).items():
        octets = posts.arc_seal(octets, known[sealer], results)
    return octets


def _message_id(octets: bytes) -> str:
    return Delivery("", (), octets).message_id
