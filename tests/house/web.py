"""mailman-web beside a Mailman: Postorius, HyperKitty and our page, on a free port.

It is set up from `example_cfg/mailman-web.py`, keeps all in a directory of its own,
serves its static files itself, and asks nobody outside.

    with open_web_house(PEOPLE) as house:
        print(house.web.url, house.site.rest.base)
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.house import posts, processes
from tests.house.house import House, open_house
from tests.house.installation import EXAMPLES, REPOSITORY
from tests.house.rest import RestClient
from tests.house.site import free_ports
from tests.house.waiting import wait_until


PATIENCE = 300  # seconds; preparing takes about 15 on two idle processors

_PATHS = re.compile(r'(?<=")/(?=var/)')
_ARCHIVER_KEY = "change-this-key"  # that of the example

# What an administrator does in four commands, in one process: four times as fast.
_PREPARE = """
import json, os
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
call_command("compress", force=True, verbosity=0)
for name, address, password, rights in json.loads(os.environ["PEOPLE"]):
    user = get_user_model().objects.create_user(name, address, password, **rights)
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
"""


class WebError(Exception):
    """mailman-web could not be prepared, or has ended by itself."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in, with an address that is known to be his."""

    name: str
    is_superuser: bool = False

    @property
    def address(self) -> str:
        return f"{self.name}@people.example"

    @property
    def password(self) -> str:
        return f"{self.name}-at-home"


class MailmanWeb:
    """One mailman-web, from before its start until nothing of it is left."""

    def __init__(
        self, people: Iterable[Person] = (), python: Path | None = None
    ) -> None:
        """Write its settings; `python` belongs to the virtualenv it is in."""
        self.root = Path(tempfile.mkdtemp(prefix="mailman-web-")).resolve()
        self.python = python or Path(sys.executable)
        self.people = tuple(people)
        self._etc = self.root / "etc/mailman3"
        self._logs = self.root / "var/log/mailman3"
        for directory in (self._etc, self._logs, self.root / "var/lib/mailman3/web"):
            directory.mkdir(parents=True)
        # Each command line has this directory as a word: so what runs is found.
        self._guard = processes.Guard(self.root, self._etc)
        self._running: list[subprocess.Popen[bytes]] = []
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.configure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._guard.dismiss()

    # Configuration

    def configure(self, rest: RestClient | None = None) -> None:
        """Write the settings: the example, and which Mailman to ask."""
        example = (EXAMPLES / "mailman-web.py").read_text(encoding="utf-8")
        sass = f"{self.python.parent / 'pysassc'} {{infile}} {{outfile}}"
        lines = [
            f'COMPRESS_PRECOMPILERS = (("text/x-scss", "{sass}"),)',
            f'POSTORIUS_TEMPLATE_BASE_URL = "{self.url}"',
            'ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http"',
            'EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"',
        ]
        if rest is not None:
            base = rest.base.rpartition("/")[0]
            lines += [f'MAILMAN_REST_API_URL = "{base}"']
        settings = [_PATHS.sub(f"{self.root}/", example), *lines, ""]
        (self._etc / "settings.py").write_text("\n".join(settings), encoding="utf-8")

    def archiver(self) -> dict[str, dict[str, str | None]]:
        """What mailman.cfg needs, so that posts go into HyperKitty."""
        path = self._etc / "mailman-hyperkitty.cfg"
        url = f"{self.url}/archives/"
        path.write_text(f"[general]\nbase_url: {url}\napi_key: {_ARCHIVER_KEY}\n")
        return {
            "archiver.hyperkitty": {
                "class": "mailman_hyperkitty.Archiver",
                "enable": "yes",
                "configuration": str(path),
            }
        }

    # Start and stop

    def prepare(self) -> None:
        """Begin to make the database, the static files and the people.

        It takes as long as the start of a Mailman, and needs none.
        """
        people = [
            (
                each.name,
                each.address,
                each.password,
                {"is_superuser": each.is_superuser, "is_staff": each.is_superuser},
            )
            for each in self.people
        ]
        self._preparing = self._begin(
            "shell", "-c", _PREPARE, PEOPLE=json.dumps(people)
        )

    def start(self, rest: RestClient) -> None:
        """Start it beside this Mailman, and wait until it answers."""
        if self._preparing.wait(PATIENCE) != 0:
            raise WebError(self.report())
        self._running.clear()
        self.configure(rest)
        # Nothing else serves static files; and HyperKitty leaves work to a queue.
        self._begin(
            *("runserver", f"127.0.0.1:{self.port}", "--insecure", "--noreload")
        )
        self._begin("qcluster")
        wait_until(self._answers, PATIENCE, f"an answer of {self.url}", self.report)

    def stop(self) -> None:
        """Stop it; the next start is quick."""
        processes.end(self._etc)
        for each in self._running:
            each.wait()
        self._running.clear()

    def processes(self) -> list[str]:
        """The command lines of all that runs."""
        found = processes.processes_of(self._etc)
        return [" ".join(process.info["cmdline"]) for process in found]

    def _begin(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        line = [str(self.python.parent / "mailman-web"), *words]
        # Django's tests name settings of their own for all this process starts.
        inherited = dict(os.environ)
        inherited.pop("DJANGO_SETTINGS_MODULE", None)
        known = {
            "HOME": str(self.root),
            "PYTHONPATH": str(REPOSITORY),
            "MAILMAN_WEB_CONFIG": str(self._etc / "settings.py"),
        }
        with self._console.open("ab") as output:
            process = subprocess.Popen(
                [*line, "--pythonpath", str(self._etc)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **known, **environment},
                cwd=self.root,
                start_new_session=True,  # Ctrl-C is for who started it
            )
        self._running.append(process)
        return process

    def _answers(self) -> bool:
        if any(each.poll() is not None for each in self._running):
            raise WebError(self.report())
        try:
            with urllib.request.urlopen(f"{self.url}/accounts/login/", timeout=60):
                return True
        except urllib.error.HTTPError:
            raise WebError(self.report()) from None
        except OSError:
            return False

    # What it says

    @property
    def _console(self) -> Path:
        return self._logs / "console.out"

    def log(self) -> str:
        """What it printed and logged."""
        files = (self._console, self._logs / "web.log")
        return "\n".join(each.read_text() for each in files if each.exists())

    def report(self) -> str:
        """The last lines of it, for the message of a failed test."""
        return "\n".join(self.log().splitlines()[-60:])


@dataclass(frozen=True, slots=True)
class WebHouse(House):
    """A Mailman with its name server and mail sink, and mailman-web."""

    web: MailmanWeb


@contextmanager
def open_web_house(
    people: Iterable[Person] = (),
    domains: Iterable[posts.Domain] = (),
    **changes: Any,
) -> Iterator[WebHouse]:
    """Start everything; when the context ends, nothing is left.

    `domains` and `changes` are those of `open_house`.
    """
    with MailmanWeb(people, changes.get("python")) as web:
        web.prepare()
        mailman = {**web.archiver(), **changes.pop("mailman", {})}
        with open_house(domains, mailman=mailman, **changes) as house:
            web.start(house.site.rest)
            yield WebHouse(
                house.dns_port, house.sink, house.site, house.sealer, house.zone, web
            )


def what_is_missing() -> list[str]:
    """The packages that mailman-web lacks here."""
    packages = ("mailman_web", "mailman_hyperkitty", "sass")
    return [name for name in packages if importlib.util.find_spec(name) is None]
