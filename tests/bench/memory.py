"""How much memory a message takes beyond its own octets."""

from __future__ import annotations

from functools import partial

from tests.bench.cases import MB, chains, plain_post, with_bare_lf
from tests.bench.measure import peak_memory
from tests.bench.peers import Dkimpy, Ours, Peers
from tests.bench.report import Report, Target, number
from tests.bench.tables import Plan


def memory(report: Report, _: Peers, plan: Plan) -> None:
    """Verifying and sealing, for the larger sizes of the plan."""
    report.heading(
        "Memory beyond the message, MB", ["verify", "seal", "dkimpy verifies"]
    )
    ours, dkimpy = Ours(), Dkimpy()
    values = {}
    for size in plan.sizes[-2:]:
        for kind in ("base64", "text", "LF"):
            (post,) = chains(plain_post(size, kind), [1])
            if kind == "LF":
                post = with_bare_lf(post)
            verifying = peak_memory(partial(ours.verify_arc, post))
            sealing = peak_memory(partial(ours.seal, post))
            if kind != "LF":  # has to be brought to CRLF, which is a copy
                values[post.label] = max(verifying, sealing) / MB
            other = dkimpy.work("arc", post) if size <= 5 * MB else None
            report.row(
                f"{post.label}, n = 1",
                number(verifying / MB),
                number(sealing / MB),
                number(peak_memory(partial(other, 1)) / MB) if other else "-",
            )
    report.target(Target("R1", "MB beyond the message, CRLF", values, 1))
