"""DNS, a mail sink and a Mailman that know each other: all a post needs.

with open_house([author, forwarder]) as house:
    discuss = house.site.create_list("discuss")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.house import oracles, posts
from tests.house.configfile import Changes
from tests.house.dns_server import DnsServer
from tests.house.sink import Sink
from tests.house.site import LIST_DOMAIN, MailmanSite


SELECTOR = "arc2026"  # that of the example arc.cfg


@dataclass(frozen=True, slots=True)
class House:
    """What runs, and the domain that seals."""

    dns: DnsServer
    sink: Sink
    site: MailmanSite
    lists: posts.Domain
    zone: dict[str, str]

    def opinions(self, octets: bytes) -> list[oracles.Opinion]:
        """What the other implementations say, with the DNS as it was published."""
        return oracles.opinions(octets, self.zone)


@contextmanager
def open_house(
    domains: Iterable[posts.Domain] = (),
    *,
    plugin: bool = True,
    mailman: Changes | None = None,
    arc: Changes | None = None,
    python: Path | None = None,
) -> Iterator[House]:
    """Start everything; when the context ends, nothing is left.

    `domains` are published in the DNS beside that of the lists; the other
    arguments are those of `MailmanSite`.
    """
    lists = posts.make_domain(LIST_DOMAIN, policy="none", selector=SELECTOR)
    zone = posts.zone_of([lists, *domains])
    with DnsServer(zone) as dns, Sink() as sink:
        site = MailmanSite(
            sink.port,
            dns.port,
            key=lists.private_key,
            plugin=plugin,
            mailman=mailman,
            arc=arc,
            python=python,
        )
        with site:
            yield House(dns, sink, site, lists, zone)
