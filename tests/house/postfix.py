"""A Postfix of our own: own directories, own ports, the system's one untouched.

It stands before Mailman and behind it, with the lines of `example_cfg/postfix.cf`.
It needs root to start, and the users that come with Debian's package.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.house.installation import EXAMPLES
from tests.house.ports import free_ports
from tests.house.processes import Guard
from tests.house.waiting import PATIENCE, wait_until


HOST = "mail.lists.example.org"
NOT_INSTALLED = "postfix is not installed: apt-get install postfix"
STARTS = 3  # another process may take a port that was free a moment ago
SOON = "2s"  # is when it tries again what it could not do at once

_SBIN = "/usr/sbin:/usr/local/sbin"  # where only root's PATH leads
_ROUTE = "lists.example.org=lmtp:[127.0.0.1]:8024"  # in the example

Settings = Mapping[str, str]

# What every machine has in its main.cf anyway, and what only tests need.
_OWN = {
    "compatibility_level": "3.6",
    "myhostname": HOST,
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "loopback-only",
    "inet_protocols": "ipv4",
    "alias_maps": "",
    "alias_database": "",
    "smtp_dns_support_level": "disabled",
    "smtpd_authorized_xclient_hosts": "127.0.0.1",
    "address_verify_poll_delay": "1s",
    "address_verify_poll_count": "100",
    "queue_run_delay": SOON,
    "minimal_backoff_time": SOON,
    "maximal_backoff_time": SOON,
}

# As in the master.cf that comes with Postfix, less what nobody needs here.
_SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class PostfixError(Exception):
    """Postfix did not start, or did not take what it should."""


@dataclass(frozen=True, slots=True)
class Client:
    """From where Postfix is to believe that mail comes."""

    address: str
    name: str


class Postfix:
    """One Postfix, from its start until nothing of it is left."""

    def __init__(
        self,
        lmtp_port: int,
        next_hops: Settings,
        *,
        servers: Mapping[str, Settings] | None = None,
        transports: Mapping[str, Settings] | None = None,
    ) -> None:
        """Prepare a Postfix.

        `lmtp_port` is that of Mailman; `next_hops` has the way to each other
        domain as transport_maps has it, such as `smtp:[127.0.0.1]:25`.
        `servers` take mail on ports of their own, `transports` send it, both
        with settings of their own.
        """
        program = find_postfix()
        if program is None:
            raise PostfixError(NOT_INSTALLED)
        self.root = Path(tempfile.mkdtemp(prefix="mailman-arc-postfix-")).resolve()
        self.root.chmod(0o755)  # what it starts is not root
        self.config, self._spool, self._data = (
            self.root / name for name in ("etc", "spool", "data")
        )
        self.ports: dict[str, int] = {}
        self._program = program
        self._lmtp_port = lmtp_port
        self._next_hops = dict(next_hops)
        self._servers = {"": {}, **(servers or {})}
        self._transports = dict(transports or {})
        self._master: subprocess.Popen[bytes] | None = None
        self._guard = Guard(self.root, self.config)

    @property
    def port(self) -> int:
        """Where it takes mail, with the settings of the example."""
        return self.ports[""]

    def __enter__(self) -> Self:
        try:
            self._make_directories()
            for _ in range(STARTS):
                self._write_config()
                if self._start():
                    return self
            raise PostfixError(self.log())
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._guard.dismiss()

    def log(self) -> str:
        """What Postfix has logged."""
        try:
            return self._log_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def send(
        self,
        octets: bytes,
        sender: str,
        recipients: Sequence[str],
        *,
        server: str = "",
        client: Client | None = None,
    ) -> None:
        """Hand a message in by SMTP, as from another machine if there is a client."""
        with self._connected(self.ports[server]) as connection:
            if client is not None:
                words = f"NAME={client.name} ADDR={client.address} HELO={client.name}"
                code, text = connection.docmd("XCLIENT", words)
                if code != 220:
                    raise PostfixError(f"XCLIENT: {code} {text.decode()}")
                connection.ehlo(client.name)
            connection.sendmail(sender, recipients, octets, ["BODY=8BITMIME"])

    @property
    def _log_file(self) -> Path:
        return self.root / "mail.log"

    def _make_directories(self) -> None:
        for directory in (self.config, self._spool, self._data):
            directory.mkdir()
        shutil.chown(self._data, "postfix")

    def _write_config(self) -> None:
        self.ports = dict(
            zip(self._servers, free_ports(len(self._servers)), strict=True)
        )
        own = {
            **_OWN,
            "queue_directory": str(self._spool),
            "data_directory": str(self._data),
            "maillog_file": str(self._log_file),
            "maillog_file_prefixes": str(self.root),
        }
        lines = [f"{name} = {value}\n" for name, value in own.items()]
        (self.config / "main.cf").write_text("".join(lines) + self._example())
        (self.config / "master.cf").write_text(self._services())

    def _example(self) -> str:
        """The lines of the example; more routes, and another port for Mailman."""
        text = (EXAMPLES / "postfix.cf").read_text(encoding="utf-8")
        routes = [f"lists.example.org=lmtp:[127.0.0.1]:{self._lmtp_port}"]
        routes += [f"{{{name}={way}}}" for name, way in self._next_hops.items()]
        changed = text.replace(_ROUTE, ", ".join(routes))
        if changed == text:
            raise PostfixError(f"the example has no {_ROUTE}")
        return changed

    def _services(self) -> str:
        text = _SERVICES
        for name, settings in self._servers.items():
            address = f"127.0.0.1:{self.ports[name]}"
            text += f"{address} inet n - n - - smtpd{_options(settings)}\n"
        for name, settings in self._transports.items():
            text += f"{name} unix - - n - - smtp{_options(settings)}\n"
        return text

    def _start(self) -> bool:
        """Start it and wait until it answers; False when it has given up."""
        # This makes what is in the spool, and gives it to its owners.
        self._run(self._program, "check")
        said = self._run("postconf", "-n")
        if "warning:" in said:
            raise PostfixError(said)
        daemons = self._run("postconf", "-h", "daemon_directory").strip()
        with (self.root / "console.out").open("ab") as console:
            self._master = subprocess.Popen(
                [f"{daemons}/master", "-c", str(self.config), "-d"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # Ctrl-C is not for it
            )
        ended = self._master.poll
        wait_until(
            lambda: ended() is not None or self._answers(),
            PATIENCE,
            "an answer from Postfix",
            self.log,
        )
        return ended() is None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), self._connected(self.port):
            return True
        return False

    def _connected(self, port: int) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", port, HOST, PATIENCE)

    def _stop(self) -> None:
        if self._master is None:
            return
        self._master.terminate()
        try:
            self._master.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._master.kill()
            self._master.wait()

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [program, "-c", str(self.config), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_SBIN}"},
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PostfixError(
                f"{program} {' '.join(words)}: {done.stdout}{self.log()}"
            )
        return done.stdout


def find_postfix() -> str | None:
    """The program; Debian keeps it where only root's PATH leads."""
    return shutil.which("postfix") or shutil.which("postfix", path=_SBIN)


def unknown_settings(names: Sequence[str]) -> list[str]:
    """Those that this Postfix does not know."""
    postconf = shutil.which("postconf") or shutil.which("postconf", path=_SBIN)
    if postconf is None:
        raise PostfixError(NOT_INSTALLED)
    asked = [postconf, "-d", *names]
    known = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    found = {line.partition(" =")[0] for line in known.splitlines()}
    return [name for name in names if name not in found]


def why_none() -> str:
    """Why no Postfix can be started here; empty if it can."""
    if find_postfix() is None:
        return NOT_INSTALLED
    return "only root can start Postfix" if os.geteuid() != 0 else ""


def _options(settings: Settings) -> str:
    return "".join(f" -o {{ {name} = {value} }}" for name, value in settings.items())
