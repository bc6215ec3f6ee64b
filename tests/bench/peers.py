"""Those who are compared: each says how it does a task with a post.

All get the octets of the message and a DNS in memory, and all must come to the
right result before they are timed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from mailman_arc.mailauth.answers import TxtRecords
from mailman_arc.mailauth.arc.chain import read_chain
from mailman_arc.mailauth.arc.seal import Sealing, seal
from mailman_arc.mailauth.arc.verify import ChainStatus, verify_chain
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.dkim import verify_dkim
from mailman_arc.mailauth.message import read_message
from mailman_arc.mailauth.results import Result
from mailman_arc.policy.inbound import authenticate, names_to_look_up
from mailman_arc.policy.trust import Trust
from tests.bench.cases import AUTHOR, LIST, MB, Post, zone
from tests.bench.measure import Work, timed
from tests.house.oracles import find_maildkim
from tests.interop.others import find_mailauth
from tests.support.keys import rsa_pem
from tests.support.mail import NOW


_HERE = Path(__file__).parent
_RESULTS = f" {LIST.domain}; arc=".encode()


class Peer(Protocol):
    """Somebody who does tasks: `arc`, `dkim`, `seal`; some also others."""

    @property
    def name(self) -> str: ...

    def work(self, task: str, post: Post) -> Work | None:
        """How it does this, or None when it cannot or would take minutes."""


class Ours:
    """This package, from the octets to the verdict."""

    name = "ours"

    def __init__(self) -> None:
        self._answers = dict(zone())
        self._zone = zone()
        self._trust = Trust(LIST.domain)

    def work(self, task: str, post: Post) -> Work | None:
        tasks = {
            "arc": self.verify_arc,
            "dkim": self.verify_dkim,
            "seal": self.seal,
            "arrival": self.judge_arrival,
        }
        if task not in tasks:
            return None
        return timed(lambda: tasks[task](post))

    def verify_arc(self, post: Post) -> None:
        message = read_message(post.octets)
        bodies = BodyHashes(message.body)
        verdict = verify_chain(message, self._answers, NOW, bodies)
        assert verdict.status == ("pass" if post.sets else "none"), verdict.reason
        assert verdict.oldest_pass == 0

    def verify_dkim(self, post: Post) -> None:
        message = read_message(post.octets)
        bodies = BodyHashes(message.body)
        verdicts = verify_dkim(message, AUTHOR.domain, self._answers, NOW, bodies)
        assert [each.result for each in verdicts] == [Result.PASS] * post.signatures

    def seal(self, post: Post) -> None:
        message = read_message(post.octets)
        status = ChainStatus.PASS if post.sets else ChainStatus.NONE
        sealing = Sealing(status, _RESULTS + status.encode(), NOW)
        seal(message, read_chain(message), sealing, LIST.identity)

    def judge_arrival(self, post: Post) -> None:
        """All that is done on arrival but the look-ups."""
        message = read_message(post.octets)
        names_to_look_up(message, self._trust)
        found = authenticate(message, self._zone, NOW, self._trust)
        self._zone.asked.clear()
        assert found.arc.status == ("pass" if post.sets else "none")


class Limit:
    """The bare cost: RSA operations on keys at hand, and the body hashed once."""

    name = "limit"

    def __init__(self) -> None:
        self._key = generate_private_key(65537, 2048)
        self._public = self._key.public_key()
        self._digest = hashlib.sha256(b"").digest()
        self._padding, self._hash = PKCS1v15(), Prehashed(SHA256())
        self._signature = self._key.sign(self._digest, self._padding, self._hash)

    def work(self, task: str, post: Post) -> Work | None:
        """Also `arc-newest`: of the message signatures only the newest one."""
        if task.startswith("arc") and not post.sets:
            return None  # nothing is needed then
        verified, signed = {
            "arc": (2 * post.sets, 0),
            "arc-newest": (post.sets + 1, 0),
            "dkim": (post.signatures, 0),
            "seal": (0, 2),
            "arrival": (2 * post.sets + post.signatures, 0),
        }[task]
        body = post.body
        return timed(lambda: self.do(verified, signed, body))

    def do(self, verified: int, signed: int, body: bytes) -> None:
        """So many verifications, so many signatures, and one SHA-256."""
        for _ in range(verified):
            self._public.verify(
                self._signature, self._digest, self._padding, self._hash
            )
        for _ in range(signed):
            self._key.sign(self._digest, self._padding, self._hash)
        hashlib.sha256(body).digest()


class Dkimpy:
    """What Mailman's own ARC support stands on."""

    name = "dkimpy"

    def __init__(self) -> None:
        self._zone = zone()
        self._pem = rsa_pem(2048, 1)

    def work(self, task: str, post: Post) -> Work | None:
        tasks = {"arc": self._arc, "dkim": self._dkim, "seal": self._seal}
        if task not in tasks or post.size * max(1, post.sets) > 250 * MB:
            return None
        return timed(lambda: tasks[task](post))

    def _arc(self, post: Post) -> None:
        status = dkim.arc_verify(post.octets, dnsfunc=self._zone.txt)[0]
        assert status == (b"pass" if post.sets else b"none")

    def _dkim(self, post: Post) -> None:
        verifier = dkim.DKIM(post.octets)
        for index in range(post.signatures):
            assert verifier.verify(idx=index, dnsfunc=self._zone.txt)

    def _seal(self, post: Post) -> None:
        domain = LIST.domain.encode()
        octets = post.with_results
        made = dkim.arc_sign(octets, b"arc", domain, self._pem, domain)
        assert len(made) == 3


class Remote:
    """A process that is told one task per line and says what it took.

    Line: a JSON array of task, path of the message, how often.  Answer: a line
    with CPU seconds and the result.
    """

    def __init__(
        self, name: str, command: list[str], accepts: Callable[[str, Post], bool]
    ) -> None:
        self.name = name
        self._accepts = accepts
        self._directory = tempfile.TemporaryDirectory()
        records = {key: text_of(found) for key, found in zone().items()}
        self._write("zone.json", json.dumps(records).encode())
        self._write("key.pem", rsa_pem(2048, 1))
        self._process = subprocess.Popen(
            [*command, self._directory.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._process.communicate()
        self._directory.cleanup()

    def work(self, task: str, post: Post) -> Work | None:
        if task not in ("arc", "dkim", "seal") or not self._accepts(task, post):
            return None
        octets = post.with_results if task == "seal" else post.octets
        expected = {
            "arc": "pass" if post.sets else "none",
            "dkim": " ".join(["pass"] * post.signatures),
            "seal": "sealed",
        }[task]

        def work(count: int) -> float:
            path = self._write("message.eml", octets)
            seconds, result = self._ask(task, path, count)
            assert result == expected, (self.name, task, post.label, result)
            return seconds

        return work

    def _ask(self, *question: object) -> tuple[float, str]:
        channel = self._process
        assert channel.stdin is not None
        assert channel.stdout is not None
        channel.stdin.write(json.dumps(question) + "\n")
        channel.stdin.flush()
        seconds, _, result = channel.stdout.readline().strip().partition(" ")
        return float(seconds), result

    def _write(self, name: str, octets: bytes) -> str:
        path = Path(self._directory.name, name)
        path.write_bytes(octets)
        return str(path)


@dataclass(frozen=True)
class Peers:
    """Who is here, and why the others are not."""

    present: tuple[Peer, ...]
    left_out: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(peer.name for peer in self.present)

    def works(self, task: str, post: Post) -> dict[str, Work]:
        """How everybody who can do this does it."""
        offers = {peer.name: peer.work(task, post) for peer in self.present}
        return {name: work for name, work in offers.items() if work is not None}


@contextmanager
def all_peers() -> Iterator[Peers]:
    """Those found here, until the context ends."""
    present: list[Peer] = [Limit(), Ours(), Dkimpy()]
    left_out = []
    with ExitStack() as stack:
        for start in (_start_maildkim, _start_mailauth):
            found = start()
            if isinstance(found, str):
                left_out.append(found)
            else:
                stack.callback(found.close)
                present.append(found)
        # Not in Debian 12.
        why = "nothing drives it" if shutil.which("openarc") else "not here"
        left_out.append(f"openarc: left out: {why}")
        yield Peers(tuple(present), tuple(left_out))


def _start_maildkim() -> Remote | str:
    perl = find_maildkim()
    if perl is None:
        return "Mail::DKIM: left out: not here (apt-get install libmail-dkim-perl)"
    script = str(_HERE / "maildkim_bench.pl")
    # It takes a minute for fifty sets of 2 kB.
    return Remote(
        "Mail::DKIM",
        [perl, script],
        lambda _, post: post.sets <= 10 and post.size * max(1, post.sets) <= 50 * MB,
    )


def _start_mailauth() -> Remote | str:
    command = find_mailauth()
    if isinstance(command, str):
        return f"mailauth: left out: {command}"
    script = str(_HERE / "mailauth_bench.js")
    return Remote("mailauth", [*command, script], lambda _, __: True)


def text_of(answer: object) -> str:
    """The one TXT record of an answer."""
    assert isinstance(answer, TxtRecords)
    return answer.texts[0].decode()
