"""Answers conformance requests: one JSON object per line in, one per line out.

`python -m tests.conformance.adapter`.  A request names an operation (`op`), and
brings its parameters (`params`), the whole DNS (`dns`) and the time (`now`).
Whatever is not in the table below is answered with `{"unsupported": true}`.
Nothing is decided here.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mailman_arc.mailauth import dkim
from mailman_arc.mailauth.answers import (
    Answers,
    LookupFailed,
    NoSuchName,
    TxtAnswer,
    TxtRecords,
)
from mailman_arc.mailauth.arc import verify
from mailman_arc.mailauth.arc.seal import (
    SIGNED_FIELDS,
    Sealing,
    SealingIdentity,
    seal,
)
from mailman_arc.mailauth.author import Author, AuthorReason
from mailman_arc.mailauth.authres import parse_authentication_results, results_of
from mailman_arc.mailauth.authres_writer import format_results
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.crypto import parse_signing_key
from mailman_arc.mailauth.dmarc import Identifier, evaluate_dmarc, names_to_look_up
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage, read_message
from mailman_arc.mailauth.results import Result


Request = dict[str, Any]
Reply = dict[str, Any]


def arc_verify(request: Request) -> Reply:
    message = message_of(request)
    answers = answers_for(request, verify.key_names(message))
    found = verify.verify_chain(
        message, answers, now_of(request), BodyHashes(message.body)
    )
    return {
        "result": found.status,
        "detail": found.reason,
        "oldest_pass": found.oldest_pass,
    }


def dkim_verify(request: Request) -> Reply:
    message = message_of(request)
    answers = answers_for(request, dkim.key_names(message, None))
    found = dkim.verify_dkim(
        message, None, answers, now_of(request), BodyHashes(message.body)
    )
    return {
        "signatures": [
            {
                "d": verdict.signing_domain,
                "s": verdict.selector,
                "result": verdict.result,
                "detail": verdict.reason,
            }
            for verdict in found
        ]
    }


def arc_seal(request: Request) -> Reply:
    """Verify, take the results of the given authserv-id over, and seal."""
    params = request["params"]
    message = message_of(request)
    answers = answers_for(request, verify.key_names(message))
    now = now_of(request)
    found = verify.verify_chain(message, answers, now, BodyHashes(message.body))
    authserv_id = params["authserv_id"]
    methods = [
        method
        for results in results_of(message, [authserv_id])
        for method in results.methods
    ]
    key = parse_signing_key(params["private_key_pem"].encode())
    if key.algorithm != (params.get("algorithm") or key.algorithm):
        return {"unsupported": True}
    sealing = Sealing(
        found.status,
        format_results(authserv_id, methods),
        int(params.get("timestamp") or now),
        tuple(name.lower() for name in params.get("sign_headers") or SIGNED_FIELDS),
    )
    identity = SealingIdentity(params["domain"], params["selector"], key)
    try:
        fields = seal(message, found.chain, sealing, identity)
    except ValueError:
        return {"headers": []}
    return {"headers": [field.raw.decode("utf-8", "replace") for field in fields]}


def authres_parse(request: Request) -> Reply:
    try:
        found = parse_authentication_results(octets_of(request["params"]["value"]))
    except MalformedField as error:
        return {"parse_error": str(error)}
    return {
        "authserv_id": found.authserv_id,
        "version": None,
        "results": [
            {
                "method": method.method,
                "version": None,
                "result": method.result,
                "reason": method.reason,
                "props": [
                    [one.ptype, one.name, one.value] for one in method.properties
                ],
            }
            for method in found.methods
        ],
    }


def dmarc_eval(request: Request) -> Reply:
    params = request["params"]
    try:
        author = Author(parse_domain(params["from_domain"]), None)
    except MalformedField:
        author = Author(None, AuthorReason.UNUSABLE)
    found = [("dkim", one) for one in params["dkim"] or ()]
    found += [("spf", params["spf"])] if params["spf"] else []
    identifiers = [
        Identifier(method, parse_domain(one["domain"]), Result(one["result"]))
        for method, one in found
    ]
    domains = [identifier.domain for identifier in identifiers]
    names = names_to_look_up(author.domain, domains) if author.domain else ()
    verdict = evaluate_dmarc(author, identifiers, answers_for(request, names))
    return {"result": verdict.result, "policy": verdict.policy}


def message_of(request: Request) -> WireMessage:
    return read_message(base64.b64decode(request["message_b64"]))


def now_of(request: Request) -> int:
    return int(request.get("now") or time.time())


def answers_for(request: Request, names: Iterable[str]) -> Answers:
    """Ask the DNS of a request for these names, and for no others."""
    zone = {
        name.rstrip(".").lower(): answer_from(entry)
        for name, entry in (request.get("dns") or {}).items()
    }
    return {name: zone.get(name, NoSuchName()) for name in names}


def answer_from(entry: list[str] | dict[str, str]) -> TxtAnswer:
    if isinstance(entry, list):
        return TxtRecords(tuple(octets_of(text) for text in entry))
    if entry["error"] == "NXDOMAIN":
        return NoSuchName()
    return LookupFailed(entry["error"])


def octets_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


OPERATIONS: dict[str, Callable[[Request], Reply]] = {
    "arc_seal": arc_seal,
    "arc_verify": arc_verify,
    "authres_parse": authres_parse,
    "dkim_verify": dkim_verify,
    "dmarc_eval": dmarc_eval,
}


def answer(request: Request) -> Reply:
    """Do what one request asks for; an exception is an answer too."""
    operation = OPERATIONS.get(request["op"])
    if operation is None:
        return {"unsupported": True}
    try:
        return operation(request)
    except Exception as error:  # noqa: BLE001  the bench counts it as a failure
        return {"error": f"{type(error).__name__}: {error}"}


def answers(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.strip():
            request = json.loads(line)
            yield json.dumps({**answer(request), "id": request.get("id")})


if __name__ == "__main__":
    for reply in answers(sys.stdin):
        sys.stdout.write(reply + "\n")
        sys.stdout.flush()
