"""DNS, a mail sink and a Mailman that know each other: all a post needs.

with open_house([author, forwarder]) as house:
    discuss = house.site.create_list("discuss")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.house import oracles, posts
from tests.house.dns_server import DnsServer
from tests.house.sink import Sink
from tests.house.site import LIST_DOMAIN, MailmanSite


SELECTOR = "arc2026"  # that of the example arc.cfg


@dataclass(frozen=True, slots=True)
class House:
    """What runs, and the domain that seals."""

    dns_port: int
    sink: Sink
    site: MailmanSite
    sealer: posts.Domain
    zone: dict[str, str]

    def opinions(self, octets: bytes) -> list[oracles.Opinion]:
        """What the other implementations say, with the DNS as it was published."""
        return oracles.opinions(octets, self.zone)


def make_sealer() -> posts.Domain:
    """The domain of the lists, with the key they seal with."""
    return posts.make_domain(LIST_DOMAIN, policy="none", selector=SELECTOR)


@contextmanager
def open_house(
    domains: Iterable[posts.Domain] = (), *, dns_port: int | None = None, **changes: Any
) -> Iterator[House]:
    """Start everything; when the context ends, nothing is left.

    `domains` are published in the DNS beside that of the lists, unless there
    is another name server at `dns_port`; `changes` are arguments of
    `MailmanSite`.
    """
    sealer = make_sealer()
    zone = posts.zone_of([sealer, *domains])
    with ExitStack() as opened:
        if dns_port is None:
            dns_port = opened.enter_context(DnsServer(zone)).port
        sink = opened.enter_context(Sink())
        settings = {"key": sealer.private_key, **changes}
        site = opened.enter_context(MailmanSite(sink.port, dns_port, **settings))
        yield House(dns_port, sink, site, sealer, zone)
