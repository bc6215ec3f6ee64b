"""Clients whose mail is left alone: `peer_list`, as OpenARC has it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.policy.values import Kind, Network


# The machine itself.  To have it in the list is right only behind XFORWARD.
LOOPBACK_HOSTS = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Peer:
    """An entry: a network, a host, or the hosts below a domain (`.example.org`)."""

    what: Network | str  # names as A-labels
    is_excluded: bool = False  # written with "!" in front

    def __str__(self) -> str:
        return f"{'!' if self.is_excluded else ''}{self.what}"

    def matches(self, address: str | None, host_name: str) -> bool:
        """Tell whether the entry is about this client."""
        if isinstance(self.what, str):
            is_below = self.what.startswith(".") and host_name.endswith(self.what)
            return is_below or host_name == self.what
        return address is not None and ipaddress.ip_address(address) in self.what

    @property
    def weight(self) -> tuple[bool, int, bool]:
        """The more, the sooner it decides: names, then what is about fewest."""
        if isinstance(self.what, str):
            return True, len(self.what), self.is_excluded
        return False, self.what.prefixlen, self.is_excluded


def is_peer(peers: Iterable[Peer], address: str | None, host_name: str = "") -> bool:
    """Tell whether mail of this client is left alone.

    `address` is None, and `host_name` empty, where nobody knows.  Of the entries
    about it the most precise one decides.
    """
    name = host_name.lower().removesuffix(".")
    about = [each for each in peers if each.matches(address, name)]
    decisive = max(about, key=lambda each: each.weight, default=None)
    return decisive is not None and not decisive.is_excluded


def parse_peer(word: str) -> Peer:
    """Read one entry; raises `ValueError`."""
    text = word.removeprefix("!")
    return Peer(_what(text), is_excluded=text != word)


def _what(text: str) -> Network | str:
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    try:
        return ipaddress.ip_network(bare)
    except ValueError:
        pass
    dot = "." if text.startswith(".") else ""
    try:
        name = parse_domain(text.removeprefix("."))
    except MalformedField:
        name = "0"
    # No host is called like the end of an address.
    if name.rpartition(".")[2].isdigit():
        raise ValueError(f"{text!r} is neither an address, a network nor a host name")
    return dot + name


def _parse_peers(text: str) -> tuple[Peer, ...]:
    return tuple(parse_peer(word) for word in text.replace(",", " ").split())


def _show_peers(peers: Iterable[Peer]) -> str:
    return ", ".join(map(str, peers))


PEERS = Kind(_parse_peers, _show_peers)
