"""What implementations that are not ours say about a message.

A zone is a mapping: the text of the TXT record by name (lower case, without
the final dot), or None for a name the DNS does not answer for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dkim
from dkim.util import parse_tag_value


Zone = Mapping[str, str | None]

_SCRIPT = Path(__file__).with_name("maildkim.pl")
_TIMEOUT = 60  # seconds for one answer


@dataclass(frozen=True, slots=True)
class DkimOpinion:
    """One DKIM signature: whose it is, and what becomes of it."""

    domain: str
    selector: str
    result: str
    detail: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """One implementation on one message."""

    by: str
    arc: str  # pass, fail or none
    dkim: tuple[DkimOpinion, ...]  # top to bottom
    detail: str  # why, in its own words

    def dkim_of(self, domain: str) -> str:
        """Its best result for a signature of this domain; `none` without one."""
        results = [one.result for one in self.dkim if one.domain == domain]
        return "pass" if "pass" in results else next(iter(results), "none")


def opinions(octets: bytes, zone: Zone) -> list[Opinion]:
    """All there are here: dkimpy always, Mail::DKIM where it is installed."""
    found = [ask_dkimpy(octets, zone)]
    if find_maildkim():
        found.append(ask_maildkim(octets, zone))
    return found


def ask_dkimpy(octets: bytes, zone: Zone) -> Opinion:
    """Ask dkimpy, which comes with Mailman."""

    def lookup(name: bytes, timeout: float = 5) -> bytes | None:
        text = zone.get(name.decode("ascii", "replace").rstrip(".").lower(), "")
        if text is None:
            raise dkim.DnsTimeoutError(name)
        return text.encode() or None

    status, _, reason = dkim.arc_verify(octets, dnsfunc=lookup)
    # No status at all: the newest set says cv=fail, which ends a chain.
    arc = status.decode() if status else "fail"
    names = [name.lower() for name, _ in dkim.DKIM(octets).headers]
    signatures = tuple(
        _dkimpy_on_signature(octets, index, lookup)
        for index in range(names.count(b"dkim-signature"))
    )
    return Opinion("dkimpy", arc, signatures, reason)


@cache
def find_maildkim() -> str | None:
    """The perl that has Mail::DKIM; on the build machine it has to be there."""
    perl = shutil.which("perl")
    if perl:
        tried = subprocess.run(
            [perl, "-c", str(_SCRIPT)], capture_output=True, check=False
        )
        if tried.returncode == 0:
            return perl
    if os.environ.get("CI") == "true":
        raise RuntimeError("no Mail::DKIM here: apt-get install libmail-dkim-perl")
    return None


def ask_maildkim(octets: bytes, zone: Zone) -> Opinion:
    """Ask Mail::DKIM, the Perl implementation."""
    return maildkim().verify("Mail::DKIM", octets, zone)


@cache
def maildkim() -> Conversation:
    """The one Mail::DKIM of this process; it ends when we do."""
    perl = find_maildkim()
    if perl is None:
        raise RuntimeError("no Mail::DKIM here; ask find_maildkim() first")
    return Conversation([perl, str(_SCRIPT)])


class Conversation:
    """A process that answers a line of JSON with one; it ends with its input."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._folder = tempfile.TemporaryDirectory()
        self._message = Path(self._folder.name, "message.eml")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def verify(self, name: str, octets: bytes, zone: Zone) -> Opinion:
        """What it thinks of a message."""
        said = self.ask("verify", octets, zone=dict(zone))
        signatures = tuple(DkimOpinion(**one) for one in said["dkim"])
        return Opinion(name, said["arc"], signatures, said["detail"])

    def fields(self, task: str, octets: bytes, **details: str) -> bytes:
        """The header fields it makes, each with its line end."""
        fields: str = self.ask(task, octets, **details)["fields"]
        return fields.encode("latin-1")

    def ask(self, task: str, octets: bytes, **details: object) -> dict[str, Any]:
        """Tell it what to do with a message; raises `RuntimeError` if it cannot."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._message.write_bytes(octets)
        question = {"do": task, "path": str(self._message), **details}
        alarm = threading.Timer(_TIMEOUT, self._process.kill)
        alarm.start()
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            alarm.cancel()
        said: dict[str, Any] = json.loads(line or '{"error": "it has ended"}')
        if "error" in said:
            raise RuntimeError(f"{' '.join(self._command)}: {said['error']}")
        return said

    def close(self) -> None:
        self._process.communicate()
        self._folder.cleanup()


def _dkimpy_on_signature(octets: bytes, index: int, lookup: object) -> DkimOpinion:
    verifier = dkim.DKIM(octets)
    try:
        passed = verifier.verify(idx=index, dnsfunc=lookup)
        result, detail = ("pass", "") if passed else ("fail", "bad signature")
    except dkim.DKIMException as error:
        result, detail = "fail", str(error)
    tags = _tags_of_signature(verifier, index)
    return DkimOpinion(tags.get("d", ""), tags.get("s", ""), result, detail)


def _tags_of_signature(verifier: dkim.DKIM, index: int) -> dict[str, str]:
    values = [
        value for name, value in verifier.headers if name.lower() == b"dkim-signature"
    ]
    try:
        tags = parse_tag_value(values[index])
    except dkim.util.InvalidTagValueList:
        return {}
    return {
        name.decode(errors="replace"): value.decode(errors="replace")
        for name, value in tags.items()
    }
