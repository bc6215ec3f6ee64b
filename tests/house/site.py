"""A real Mailman on free loopback ports, set up from the files of `example_cfg`.

The directory of the site holds the example files in the places where an
administrator installs them (`etc/mailman3`, `var/lib/mailman3`, …).  Only
paths and ports are changed, and what a test asks for.

    with Sink() as sink, MailmanSite(sink.port) as site:
        discuss = site.create_list("discuss")
        discuss.subscribe(["anne@example.com"])
        site.post(octets, "bart@example.com", discuss)
        [copy] = sink.wait_for(1)
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.house import configfile, lmtp, processes
from tests.house.installation import REPOSITORY, Installation, parsed
from tests.house.lists import MailingList
from tests.house.ports import free_ports
from tests.house.rest import RestClient, RestError
from tests.house.waiting import wait_until


LIST_DOMAIN = "lists.example.org"  # the domain of the example files

START_TIMEOUT = 300  # seconds; about ten on two idle processors


class SiteError(Exception):
    """Mailman did not start, or a command of it failed."""


class MailmanSite(Installation):
    """One Mailman, from before its start until nothing of it is left."""

    def __init__(
        self,
        smtp_port: int,
        dns_port: int | None = None,
        *,
        key: bytes | None = None,
        plugin: bool = True,
        mailman: configfile.Changes | None = None,
        arc: configfile.Changes | None = None,
        python: Path | None = None,
    ) -> None:
        """Prepare a site.

        `smtp_port` and `dns_port` are those of a sink and a DNS server; `key`
        is a private key in PEM, put where arc.cfg looks for it.  `mailman` and
        `arc` are changes to mailman.cfg and arc.cfg, for instance
        `{"plugin.arc": {"enabled": "no"}}`; `plugin=False` takes all our lines
        out of mailman.cfg.  `python` belongs to the virtualenv whose Mailman is
        to run.
        """
        super().__init__()
        self.python = python or Path(sys.executable)
        self.start_seconds = 0.0
        self._guard = processes.Guard(self.root, self.config)
        self.lmtp_port, rest_port = free_ports(2)
        self.configure_mailman(
            {
                "mta": {"smtp_port": str(smtp_port), "lmtp_port": str(self.lmtp_port)},
                "webservice": {
                    "port": str(rest_port),
                    "configuration": str(self._write_gunicorn_config()),
                },
            },
            mailman or {},
            plugin=plugin,
        )
        dns = {"nameservers": "127.0.0.1", "nameserver_port": str(dns_port)}
        self.configure_arc({"arc": dns if dns_port else {}}, arc or {})
        if key is not None:
            self.install_key(key)
        webservice = parsed(self.config)["webservice"]
        self.rest = RestClient(
            f"http://{webservice['hostname']}:{rest_port}/3.1",
            webservice["admin_user"],
            webservice["admin_pass"],
        )

    def _write_gunicorn_config(self) -> Path:
        # New versions of gunicorn put a control socket into the home directory.
        path = self.etc / "gunicorn.cfg"
        path.write_text("[gunicorn]\ncontrol_socket_disable: true\n")
        return path

    # Start and stop

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # a Ctrl-C too must not leave anything behind
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the Mailman and remove the directory."""
        self._guard.dismiss()

    def start(self) -> None:
        """Start Mailman and wait until all of it is at work."""
        began = time.monotonic()
        already = len(self._started_runners())
        try:
            self.command("start", "--quiet", "--force", output=self.console_file)
        except SiteError as error:
            raise SiteError(f"{error}\n{self.report()}") from None
        wanted = self._runners()
        wait_until(
            lambda: (
                set(self._started_runners()[already:]) >= wanted and self._answers()
            ),
            START_TIMEOUT,
            f"the runners {', '.join(sorted(wanted))}",
            self.report,
        )
        self.start_seconds = time.monotonic() - began

    def stop(self) -> list[str]:
        """Stop Mailman; answers with what did not stop by itself."""
        return processes.end(self.config)

    def restart(self) -> None:
        """Stop it and start it again, as after a change of mailman.cfg."""
        self.stop()
        self.start()

    def processes(self) -> list[str]:
        """The command lines of all that runs."""
        found = processes.processes_of(self.config)
        return [" ".join(process.info["cmdline"]) for process in found]

    def _runners(self) -> set[str]:
        """The runners that are to start: Mailman's defaults, then our file's."""
        asked = subprocess.run(
            [
                *(self.python, "-c"),
                "import importlib.util as u; print(u.find_spec('mailman').origin)",
            ],
            capture_output=True,
            text=True,
            check=True,
            cwd=self.root,
        )
        defaults = Path(asked.stdout.strip()).parent / "config/mailman.cfg"
        merged = parsed(defaults, self.config)
        return {
            section.removeprefix("runner.")
            for section in merged.sections()
            if section.startswith("runner.")
            and merged[section].getboolean("start", fallback=True)
        }

    def _started_runners(self) -> list[str]:
        return re.findall(r"\) (\S+) runner started\.", self.log("mailman"))

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.lmtp_port), 30) as peer:
                greets = peer.recv(100).startswith(b"220")
            return greets and bool(self.rest.get("system/versions"))
        except (OSError, http.client.HTTPException, RestError):
            return False

    # Commands

    def command(
        self, *words: str, text: str | None = None, output: Path | None = None
    ) -> str:
        """Run `mailman WORDS` to its end; answers with what it printed.

        A daemon keeps what it prints to open, so `start` gets a file, never a
        pipe.
        """
        line = [str(self.python.parent / "mailman"), "-C", str(self.config)]
        if os.geteuid() == 0:
            line.append("--run-as-root")
        environment = dict(os.environ, HOME=str(self.root), PYTHONPATH=str(REPOSITORY))
        with (output or Path(os.devnull)).open("a") as file:
            done = subprocess.run(
                [*line, *words],
                input=text or "",
                stdout=file if output else subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.root,
                encoding="utf-8",
                check=False,
            )
        if done.returncode != 0:
            printed = output.read_text() if output else done.stdout
            raise SiteError(f"mailman {' '.join(words)}: {printed}")
        return done.stdout or ""

    # Lists and posts

    def create_list(
        self, name: str, domain: str = LIST_DOMAIN, **settings: object
    ) -> MailingList:
        """A new list, in the default style, that takes posts from everybody."""
        known = self.rest.get("domains").get("entries", [])
        if domain not in {entry["mail_host"] for entry in known}:
            self.rest.post("domains", {"mail_host": domain})
        address = f"{name}@{domain}"
        self.rest.post("lists", {"fqdn_listname": address})
        created = MailingList(self.rest, address, self.root / "templates")
        open_list = {
            "send_welcome_message": False,
            "default_nonmember_action": "accept",
        }
        created.configure(**{**open_list, **settings})
        # Mailman makes the rows about a list's archivers when they are first
        # looked at.  Two runners that do so at the same time, with the first
        # post, make them twice, and every post is shunted from then on.
        self.rest.get(f"{created.path}/archivers")
        return created

    def post(
        self, octets: bytes, sender: str, to: MailingList | str
    ) -> dict[str, lmtp.Reply]:
        """Hand a post to Mailman by LMTP; answers with refusals."""
        address = to if isinstance(to, str) else to.address
        return lmtp.send(self.lmtp_port, octets, sender, [address])

    def inject(self, octets: bytes, to: MailingList, queue: str = "in") -> None:
        """Put a post into a queue past all doors: `mailman inject`."""
        file = self.root / "injected.eml"
        file.write_bytes(octets)
        self.command("inject", "-q", queue, "-f", str(file), to.address)
