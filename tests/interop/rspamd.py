"""A throw-away rspamd that does ARC and DKIM and nothing else."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import psutil

from tests.house.oracles import DkimOpinion, Opinion
from tests.house.ports import free_ports
from tests.house.waiting import PATIENCE, wait_until


MODULES = ("dkim", "arc", "dkim_signing")

# With the public suffix list, which nothing here needs, it takes seconds to
# start.  A record that is fake is not asked for.
_CONFIGURATION = """
options {{
  filters = "{filters}";
  pidfile = "{folder}/pid";
  tempdir = "{folder}";
  control_socket = "{folder}/control.sock";
  url_tld = "{folder}/suffixes";
  local_addrs = [];
  dns {{
    nameserver = ["127.0.0.1:1"];
    fake_records = [{records}];
  }}
}}
logging {{ type = "file"; filename = "{folder}/log"; level = "warning"; }}
worker "normal" {{
  bind_socket = "127.0.0.1:{port}";
  count = 1;
  max_tasks = 0;
  task_timeout = 60s;
}}
lua = "{folder}/empty.lua";
modules {{ path = "{folder}/empty.lua"; {modules} }}
dkim {{ }}
arc {{ use_http_headers = true; http_sign_header = "Seal"; }}
dkim_signing {{ use_http_headers = true; http_sign_header = "Sign"; }}
actions {{ reject = 1000; }}
"""
_RECORD = '{{ name = "{name}"; type = txt; replies = ["{text}"]; }}'
_PLUGINS = "/usr/share/rspamd/plugins"

_ARC = {
    "ARC_ALLOW": "pass",
    "ARC_REJECT": "fail",
    "ARC_INVALID": "fail",
    "ARC_DNSFAIL": "fail",
    "ARC_NA": "none",
}
_DKIM = {
    "R_DKIM_ALLOW": "pass",
    "R_DKIM_REJECT": "fail",
    "R_DKIM_PERMFAIL": "fail",
    "R_DKIM_TEMPFAIL": "fail",
}


class Rspamd:
    """Runs with these TXT records and modules until the context ends."""

    def __init__(
        self, records: Mapping[str, str], modules: Iterable[str] = MODULES
    ) -> None:
        self._records = records
        self._modules = tuple(modules)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="rspamd-")
        folder = Path(self._folder.name)
        [self.port] = free_ports(1)
        _write_configuration(folder, self.port, self._records, self._modules)
        # --insecure: whoever runs this, it becomes nobody else.
        self._process = subprocess.Popen(
            ["rspamd", "--no-fork", "--insecure", "--config", f"{folder}/rspamd.conf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        log = folder / "log"
        try:
            wait_until(self._answers, PATIENCE, "rspamd", log.read_text)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def scan(self, octets: bytes, **headers: str) -> dict[str, Any]:
        """What it says about a message, as it says it."""
        body = self._request("POST", "/checkv2", octets, headers)
        found: dict[str, Any] = json.loads(body)
        return found

    def opinion(self, octets: bytes) -> Opinion:
        symbols = self.scan(octets)["symbols"]
        # Nothing at all: none, or more sets than it can count.
        arc = next((_ARC[name] for name in symbols if name in _ARC), "none")
        details = [
            text
            for name in symbols
            if name in _ARC
            for text in symbols[name].get("options", ())
        ]
        signatures = [
            _signature(each, result)
            for name, result in _DKIM.items()
            for each in symbols.get(name, {}).get("options", ())
        ]
        return Opinion("rspamd", arc, tuple(signatures), " ".join(details))

    def cpu_seconds(self) -> float:
        """What the process that scans has used so far."""
        # The clock that clock_getcpuclockid(3) would name.
        return time.clock_gettime((~self._worker.pid << 3) | 2)

    @cached_property
    def _worker(self) -> psutil.Process:
        """The child that scans; its title says so."""
        (worker,) = (
            child
            for child in psutil.Process(self._process.pid).children()
            if "normal" in " ".join(child.cmdline())
        )
        return worker

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(Path(self._folder.name, "log").read_text())
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._request("GET", "/ping", b"", {}).strip() == b"pong"
        return False

    def _request(
        self, method: str, path: str, octets: bytes, headers: Mapping[str, str]
    ) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, octets, dict(headers))
            return connection.getresponse().read()


def _signature(option: str, result: str) -> DkimOpinion:
    """Read such as `author.example:s=s1`."""
    domain, _, selector = option.partition(":s=")
    return DkimOpinion(domain, selector, result, option)


def _write_configuration(
    folder: Path, port: int, records: Mapping[str, str], modules: Sequence[str]
) -> None:
    folder.joinpath("suffixes").write_text("example\n")
    folder.joinpath("empty.lua").touch()
    folder.joinpath("log").touch()
    text = _CONFIGURATION.format(
        folder=folder,
        port=port,
        records=", ".join(
            _RECORD.format(name=name, text=text) for name, text in records.items()
        ),
        filters="dkim" if "dkim" in modules else "",
        modules=" ".join(
            f'path = "{_PLUGINS}/{name}.lua";' for name in modules if name != "dkim"
        ),
    )
    folder.joinpath("rspamd.conf").write_text(text)
