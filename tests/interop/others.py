"""Those who verify and sign beside us, all asked in the same way.

They know the zone of `posts`.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import dkim

from tests.house import oracles
from tests.house.oracles import Conversation, DkimOpinion, Opinion
from tests.interop.posts import PEM, TEXTS
from tests.interop.rspamd import Rspamd
from tests.support.mail import NOW, Signer


_KEYS = "".join(f"{name} {text}\n" for name, text in TEXTS.items())
_OPENDKIM_SAYS = re.compile(
    r"^opendkim: \S+: (?:verification \(s=(?P<selector>\S+?),? d=(?P<domain>\S+?),"
    r"[^)]*\) (?P<result>succeeded|failed.*)|message not signed)$",
    re.MULTILINE,
)
_OPENDKIM_INSERTS = re.compile(
    r"^### INSHEADER: idx=0 hname='DKIM-Signature' hvalue='(.*?)'$",
    re.MULTILINE | re.DOTALL,
)


class Other(Protocol):
    """An implementation that is not ours."""

    @property
    def name(self) -> str: ...

    def ask(self, octets: bytes) -> Opinion:
        """Verify a message."""

    def seal(self, octets: bytes, signer: Signer, status: str) -> bytes:
        """Put a set on top of a message whose chain was found to be so."""

    def sign(self, octets: bytes, signer: Signer, forms: str) -> bytes:
        """Put a DKIM-Signature on top; `forms` is the value of c=."""


class Dkimpy:
    """What comes with Mailman."""

    name = "dkimpy"

    def ask(self, octets: bytes) -> Opinion:
        return oracles.ask_dkimpy(octets, TEXTS)

    def seal(self, octets: bytes, signer: Signer, status: str) -> bytes:
        domain = signer.domain.encode()
        octets = _with_results(octets, signer, status)
        fields = dkim.arc_sign(
            octets,
            signer.selector.encode(),
            domain,
            PEM[signer],
            domain,
            include_headers=[b"from", b"to", b"subject", b"date", b"from"],
            timestamp=str(NOW),
        )
        assert len(fields) == 3
        return b"".join(fields) + octets

    def sign(self, octets: bytes, signer: Signer, forms: str) -> bytes:
        field = dkim.sign(
            octets,
            signer.selector.encode(),
            signer.domain.encode(),
            PEM[signer],
            canonicalize=tuple(forms.encode().split(b"/")),
        )
        return field + octets


class MailDkim:
    """Perl's."""

    name = "Mail::DKIM"

    def ask(self, octets: bytes) -> Opinion:
        return oracles.ask_maildkim(octets, TEXTS)

    def seal(self, octets: bytes, signer: Signer, status: str) -> bytes:
        octets = _with_results(octets, signer, status)
        fields = oracles.maildkim().fields("seal", octets, **_identity(signer))
        return fields + octets

    def sign(self, octets: bytes, signer: Signer, forms: str) -> bytes:
        identity = _identity(signer)
        fields = oracles.maildkim().fields("sign", octets, **identity, forms=forms)
        return fields + octets


class Mailauth:
    """Node's."""

    name = "mailauth"

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def ask(self, octets: bytes) -> Opinion:
        return self._conversation.verify("mailauth", octets, TEXTS)

    def seal(self, octets: bytes, signer: Signer, status: str) -> bytes:
        results = f"{signer.domain}; arc={status}"
        fields = self._conversation.fields(
            "seal", octets, **_identity(signer), status=status, results=results
        )
        return fields + octets

    def sign(self, octets: bytes, signer: Signer, forms: str) -> bytes:
        identity = _identity(signer)
        return self._conversation.fields("sign", octets, **identity, forms=forms) + (
            octets
        )


class AskedRspamd:
    """It finds the status of a chain itself, and signs relaxed/relaxed only."""

    name = "rspamd"

    def __init__(self, rspamd: Rspamd) -> None:
        self._rspamd = rspamd

    def ask(self, octets: bytes) -> Opinion:
        return self._rspamd.opinion(octets)

    def seal(self, octets: bytes, signer: Signer, status: str) -> bytes:
        said = self._rspamd.scan(octets, Seal="yes", **_rspamd_identity(signer))
        fields = said["milter"]["add_headers"]
        names = ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")
        lines = (f"{name}: {fields[name]['value']}\r\n" for name in names)
        return "".join(lines).encode() + octets

    def sign(self, octets: bytes, signer: Signer, forms: str) -> bytes:
        said = self._rspamd.scan(octets, Sign="yes", **_rspamd_identity(signer))
        return f"DKIM-Signature: {said['dkim-signature']}\r\n".encode() + octets


class OpenDkim:
    """DKIM only."""

    name = "OpenDKIM"

    def __init__(self, program: str, folder: str) -> None:
        self._program = program
        self._folder = Path(folder)
        self._write("keys", _KEYS.encode())
        settings = f"TestPublicKeys {folder}/keys\nRequireSafeKeys no\n"
        self._write("verify.conf", settings.encode())
        settings = "InternalHosts 0.0.0.0/0\nRequireSafeKeys no\n"
        self._write("sign.conf", settings.encode())

    def ask(self, octets: bytes) -> Opinion:
        said = self._run(octets, "-x", f"{self._folder}/verify.conf", "-b", "v")
        found = _OPENDKIM_SAYS.search(said)
        assert found, said
        if found["result"] is None:
            return Opinion("OpenDKIM", "none", (), "")
        result = "pass" if found["result"] == "succeeded" else "fail"
        opinion = DkimOpinion(found["domain"], found["selector"], result, found[0])
        return Opinion("OpenDKIM", "none", (opinion,), "")

    def seal(self, octets: bytes, signer: Signer, status: str) -> bytes:
        raise NotImplementedError

    def sign(self, octets: bytes, signer: Signer, forms: str) -> bytes:
        key = self._write("key.pem", PEM[signer])
        said = self._run(
            octets,
            *("-x", f"{self._folder}/sign.conf", "-b", "s", "-c", forms),
            *("-d", signer.domain, "-s", signer.selector, "-k", key),
            *("-S", signer.key.algorithm),
        )
        found = _OPENDKIM_INSERTS.search(said)
        assert found, said
        value = found[1].replace("\n", "\r\n")
        return f"DKIM-Signature: {value}\r\n".encode() + octets

    def _run(self, octets: bytes, *options: str) -> str:
        message = self._write("message.eml", octets)
        done = subprocess.run(
            [self._program, *options, "-vv", "-t", message],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.stdout.decode()

    def _write(self, name: str, octets: bytes) -> str:
        path = self._folder / name
        path.write_bytes(octets)
        return str(path)


@contextmanager
def introductions() -> Iterator[Callable[[str], Other | str]]:
    """Gives whoever is asked for, started once, or says why he is not here."""
    with ExitStack() as stack:
        known: dict[str, Other | str] = {}

        def introduce(name: str) -> Other | str:
            if name not in known:
                known[name] = _START[name](stack)
            return known[name]

        yield introduce


def find_mailauth() -> list[str] | str:
    """The command that runs it, or why there is none."""
    node = shutil.which("node")
    if node is None or not os.environ.get("NODE_PATH"):
        return "not here (needs node, and NODE_PATH to find it)"
    probe = [node, "-e", "require('mailauth/lib/arc')"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return "not in NODE_PATH"
    return [node]


def find_opendkim() -> str | None:
    """The program; Debian keeps it where only root's PATH leads."""
    return shutil.which("opendkim") or shutil.which("opendkim", path="/usr/sbin")


def _start_maildkim(_: ExitStack) -> Other | str:
    if oracles.find_maildkim() is None:
        return "not here (apt-get install libmail-dkim-perl)"
    return MailDkim()


def _start_rspamd(stack: ExitStack) -> Other | str:
    if shutil.which("rspamd") is None:
        return "not here (apt-get install rspamd)"
    return AskedRspamd(stack.enter_context(Rspamd(TEXTS)))


def _start_opendkim(stack: ExitStack) -> Other | str:
    program = find_opendkim()
    if program is None:
        return "not here (apt-get install opendkim)"
    return OpenDkim(program, stack.enter_context(tempfile.TemporaryDirectory()))


def _start_mailauth(stack: ExitStack) -> Other | str:
    command = find_mailauth()
    if isinstance(command, str):
        return command
    script = Path(oracles.__file__).with_name("mailauth.js")
    conversation = Conversation([*command, str(script)])
    stack.callback(conversation.close)
    return Mailauth(conversation)


_START: dict[str, Callable[[ExitStack], Other | str]] = {
    "dkimpy": lambda _: Dkimpy(),
    "Mail::DKIM": _start_maildkim,
    "rspamd": _start_rspamd,
    "OpenDKIM": _start_opendkim,
    "mailauth": _start_mailauth,
}


def _with_results(octets: bytes, signer: Signer, status: str) -> bytes:
    """With the field from which most sealers learn how the chain was found."""
    domain = signer.domain.encode()
    field = b"Authentication-Results: %s; arc=%s\r\n" % (domain, status.encode())
    return field + octets


def _identity(signer: Signer) -> dict[str, str]:
    return {
        "domain": signer.domain,
        "selector": signer.selector,
        "key": PEM[signer].decode(),
    }


def _rspamd_identity(signer: Signer) -> dict[str, str]:
    lines = PEM[signer].decode().split("\n")
    key = "".join(line for line in lines if not line.startswith("-"))
    if signer.key.key_type == "ed25519":
        # The bare seed, which is the end of the PKCS#8 form.
        key = base64.b64encode(base64.b64decode(key)[-32:]).decode()
    return {
        "DkimDomain": signer.domain,
        "DkimSelector": signer.selector,
        "DkimPrivateKey": key,
    }
