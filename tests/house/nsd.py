"""A real authoritative name server, NSD, on a loopback port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import dns.exception
import dns.message
import dns.query

from tests.house.dns_server import DnsServer
from tests.house.ports import ADDRESS, free_ports
from tests.house.waiting import PATIENCE


STARTS = 3  # another process may take the port that was free a moment ago


class Nsd:
    """Serves zones until the context ends.

    `zones` has a master file for each zone, complete with SOA and NS records;
    names in it are relative to the zone.
    """

    def __init__(self, zones: Mapping[str, str]) -> None:
        self.address = ADDRESS
        self.port = 0
        self._zones = dict(zones)

    def __enter__(self) -> Self:
        program = find_nsd()
        if program is None:
            raise FileNotFoundError("nsd is not installed: apt-get install nsd")
        self._folder = tempfile.TemporaryDirectory(prefix="nsd-")
        folder = Path(self._folder.name)
        for _ in range(STARTS):
            [self.port] = free_ports(1)
            config = _write_config(folder, self.address, self.port, self._zones)
            self._process = subprocess.Popen(
                [program, "-d", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._answers():
                return self
            self._end()
        log = folder / "nsd.log"
        said = log.read_text(errors="replace") if log.exists() else "(no log)"
        self._folder.cleanup()
        raise RuntimeError(f"nsd did not start:\n{said}")

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    def _answers(self) -> bool:
        """Wait until every zone is served."""
        ends_at = time.monotonic() + PATIENCE
        missing = set(self._zones)
        while missing and self._process.poll() is None and time.monotonic() < ends_at:
            for zone in tuple(missing):
                if self._serves(zone):
                    missing.discard(zone)
        return not missing

    def _serves(self, zone: str) -> bool:
        query = dns.message.make_query(zone, "SOA")
        try:
            reply = dns.query.udp(query, self.address, timeout=0.2, port=self.port)
        except (OSError, dns.exception.DNSException):
            time.sleep(0.05)
            return False
        return bool(reply.answer)

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def find_nsd() -> str | None:
    """Find the program; Debian keeps it where only root's PATH leads."""
    return shutil.which("nsd") or shutil.which("nsd", path="/usr/sbin:/usr/local/sbin")


def authoritative_server(zones: Mapping[str, str]) -> Nsd | DnsServer:
    """Give a server for these zones: NSD, or the embedded one where it is missing.

    In CI (the variable CI is "true") a missing NSD is an error: nothing shall be
    tested less than it seems.
    """
    if find_nsd() is not None:
        return Nsd(zones)
    if os.environ.get("CI") == "true":
        raise FileNotFoundError("nsd is not installed: apt-get install nsd")
    parts = (
        f"$ORIGIN {name.rstrip('.')}.\n{text.rstrip()}\n"
        for name, text in zones.items()
    )
    return DnsServer("".join(parts))


def _write_config(
    folder: Path, address: str, port: int, zones: Mapping[str, str]
) -> Path:
    lines = [
        "server:",
        f"  ip-address: {address}@{port}",
        "  server-count: 1",
        '  username: ""',  # no other user: it needs none to serve a high port
        '  chroot: ""',
        '  database: ""',
        f'  zonesdir: "{folder}"',
        f'  logfile: "{folder}/nsd.log"',
        f'  pidfile: "{folder}/nsd.pid"',
        f'  xfrdfile: "{folder}/xfrd.state"',
        f'  xfrdir: "{folder}"',
        f'  zonelistfile: "{folder}/zone.list"',
        "remote-control:",
        "  control-enable: no",
    ]
    for number, (name, text) in enumerate(zones.items()):
        (folder / f"{number}.zone").write_text(text.rstrip() + "\n")
        lines += ["zone:", f"  name: {name}", f'  zonefile: "{number}.zone"']
    config = folder / "nsd.conf"
    config.write_text("\n".join(lines) + "\n")
    return config
