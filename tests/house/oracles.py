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
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dkim
from dkim.util import parse_tag_value


Zone = Mapping[str, str | None]

_SCRIPT = Path(__file__).with_name("maildkim_verify.pl")
_MODULES = (
    *("-MJSON::PP", "-MMail::DKIM::Verifier", "-MMail::DKIM::ARC::Verifier"),
    *("-MNet::DNS::RR", "-e1"),
)
_TIMEOUT = 60  # seconds


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
        tried = subprocess.run([perl, *_MODULES], capture_output=True, check=False)
        if tried.returncode == 0:
            return perl
    if os.environ.get("CI") == "true":
        raise RuntimeError("no Mail::DKIM here: apt-get install libmail-dkim-perl")
    return None


def ask_maildkim(octets: bytes, zone: Zone) -> Opinion:
    """Ask Mail::DKIM, the Perl implementation."""
    perl = find_maildkim()
    if perl is None:
        raise RuntimeError("no Mail::DKIM here; ask find_maildkim() first")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(dict(zone), file)
        file.flush()
        done = subprocess.run(
            [perl, str(_SCRIPT), file.name],
            input=octets,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT,
        )
    if done.returncode != 0:
        raise RuntimeError(f"Mail::DKIM gave up: {done.stderr.decode()}")
    said = json.loads(done.stdout)
    signatures = tuple(DkimOpinion(**one) for one in said["dkim"])
    return Opinion("Mail::DKIM", said["arc"], signatures, said["detail"])


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
