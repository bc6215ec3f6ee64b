"""What is done once for each process, and must not be done for each message."""

from __future__ import annotations

from mailman_arc.mailauth.crypto import parse_signing_key
from tests.bench.cases import KB, chains, plain_post
from tests.bench.measure import side_by_side, timed
from tests.bench.peers import Ours, Peers
from tests.bench.report import Report, Target, milliseconds
from tests.bench.tables import Plan
from tests.support.keys import rsa_pem


def startup(report: Report, _: Peers, plan: Plan) -> None:
    """A private key is loaded with a proof that it is one, which takes long."""
    report.heading("Once for each process", ["load a key", "seal 2k"])
    ours = Ours()
    (post,) = chains(plain_post(2 * KB), [1])
    pem = rsa_pem(2048, 0)
    times = side_by_side(
        {
            "load": timed(lambda: parse_signing_key(pem)),
            "seal": timed(lambda: ours.seal(post)),
        },
        plan.effort,
    )
    load, seal = times["load"], times["seal"]
    report.row("RSA-2048", milliseconds(load.least), milliseconds(seal.least))
    values = {"seal / load": seal.over(load).least}
    report.target(
        Target("U1", "a seal loads no key: seal / load", values, 0.5),
        Target("U1", "public suffix list", {}, 0, why="there is none: RFC 9989 §4.10"),
    )
