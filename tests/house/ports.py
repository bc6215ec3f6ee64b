"""Ports for servers that have to be told on which one to listen."""

from __future__ import annotations

import random
import socket


ADDRESS = "127.0.0.1"
_QUIET_PORTS = range(12_000, 30_000)  # below those that port 0 stands for

_claims: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and that no other test run will choose.

    They stay ours until this process ends: a server needs seconds until it
    listens, and one that has stopped may be started again.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_QUIET_PORTS)
        if _is_free(port) and _claim(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                return False
    return True


def _claim(port: int) -> bool:
    """Take a name that only one process can have, and none when it is gone."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0mailman-arc-test-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True
