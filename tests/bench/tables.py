"""Signatures and chains: ours beside the limit and the peers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from mailman_arc.mailauth.canonical import BodyHashes, Canonicalization
from tests.bench.cases import (
    KB,
    MB,
    SIZES,
    Post,
    body,
    chains,
    plain_post,
    signed,
    with_bare_lf,
)
from tests.bench.measure import Effort, Ratio, Timing, Work, side_by_side, timed
from tests.bench.peers import Limit, Peers
from tests.bench.report import Report, Target, milliseconds, number


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is to be measured."""

    sizes: tuple[int, ...] = (2 * KB, 20 * KB, 200 * KB, 5 * MB, 25 * MB)
    text_sizes: tuple[int, ...] = (200 * KB, 5 * MB, 25 * MB)
    lengths: tuple[int, ...] = (0, 1, 3, 10, 50)  # of chains
    effort: Effort = field(default_factory=Effort)
    hostile_share: float = 1.0  # of the size of hostile messages
    patience: float = 10.0  # seconds to wait for a DNS that is silent
    history_rows: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One row, measured."""

    post: Post
    timings: Mapping[str, Timing]

    @property
    def label(self) -> str:
        return f"{self.post.label}, n = {self.post.count}"

    def ratio(self, one: str, other: str) -> Ratio | None:
        if one not in self.timings or other not in self.timings:
            return None
        return self.timings[one].over(self.timings[other])


_Choice = Callable[[Post], bool]


def verify(report: Report, peers: Peers, plan: Plan) -> None:
    """Chains, the look-back for the oldest pass included."""
    table = _Table(
        report,
        peers,
        plan.effort,
        "Verify a chain of n sets",
        "limit: 2n RSA verifications and SHA-256 of the body; ours always looks back\n"
        "for the oldest pass.  limit': n+1 verifications, without looking back.",
        more=[("ours", "limit'")],
    )
    limit = Limit()
    for post in _posts(plan, plan.lengths):
        works = peers.works("arc", post)
        newest = limit.work("arc-newest", post)
        if newest is not None:
            works["limit'"] = newest
        table.measure(post, works)
        if post.size >= 5 * MB and post.kind == "base64" and 1 <= post.sets <= 10:
            table.measure(*_with_bare_lf(post, works, peers))

    def target(text: str, bound: float, choice: _Choice) -> Target:
        return Target("V1", text, table.worst("ours", "limit'", choice), bound)

    report.target(
        target("verify / limit', 2 and 20 kB", 5, lambda post: post.size <= 20 * KB),
        target(
            "verify / limit', 200 kB",
            4,
            lambda post: post.size == 200 * KB and post.kind != "text",
        ),
        target(
            "verify / limit', 5 and 25 MB base64, n ≤ 10",
            2,
            lambda post: _is_large(post) and post.count <= 10,
        ),
        target(
            "verify / limit', 5 and 25 MB base64, bare LF",
            2.5,
            lambda post: post.kind == "LF",
        ),
        target("verify / limit', text", 12, lambda post: post.kind == "text"),
        *(_faster_than_dkimpy(table, *row) for row in _DKIMPY_TARGETS),
        *_not_slower(table),
        Target(
            "V4",
            "verify / limit, 2 kB",
            table.worst("ours", "limit", lambda post: post.size == 2 * KB),
            4.5,
        ),
        Target("V4", "50 sets / 1 set, 25 MB", table.growth(25 * MB, 1, 50), 1.4),
    )


def seals(report: Report, peers: Peers, plan: Plan) -> None:
    """Add a set to a message."""
    table = _Table(
        report,
        peers,
        plan.effort,
        "Seal a message with n sets",
        "limit: two RSA signatures and SHA-256 of the body.",
    )
    for post in _posts(plan, [min(length, 49) for length in plan.lengths]):
        table.measure(post, peers.works("seal", post))

    def target(text: str, bound: float, choice: _Choice) -> Target:
        return Target("S1", text, table.worst("ours", "limit", choice), bound)

    report.target(
        target(
            "seal / limit, up to 200 kB, n ≤ 10",
            1.5,
            lambda post: (
                post.size <= 200 * KB and post.sets <= 10 and post.kind != "text"
            ),
        ),
        target("seal / limit, 5 and 25 MB base64", 2, _is_large),
        target(
            "seal / limit, 2 kB, n = 49",
            2.5,
            lambda post: post.size == 2 * KB and post.sets == 49,
        ),
        *_not_slower(table),
    )


def signatures(report: Report, peers: Peers, plan: Plan) -> None:
    """DKIM."""
    table = _Table(
        report,
        peers,
        plan.effort,
        "Verify n DKIM signatures",
        "limit: n RSA verifications and SHA-256 of the body.",
    )
    for post in _posts(plan, [0]):
        for count in (1, 10) if post.size < 25 * MB else (1,):
            one = signed(post, count)
            table.measure(one, peers.works("dkim", one))

    def target(text: str, bound: float, choice: _Choice) -> Target:
        return Target("V5", text, table.worst("ours", "limit", choice), bound)

    report.target(
        target("DKIM / limit, 2 and 20 kB", 6.5, lambda post: post.size <= 20 * KB),
        target(
            "DKIM / limit, 5 MB base64",
            2,
            lambda post: _is_large(post) and post.size == 5 * MB,
        ),
        Target(
            "V5",
            "10 signatures / 1, 5 MB base64",
            table.growth(5 * MB, 1, 10),
            1.3,
        ),
        *_not_slower(table),
    )


def arrivals(report: Report, peers: Peers, plan: Plan) -> None:
    """All that is done with a post on arrival, but for the look-ups."""
    table = _Table(
        report,
        Peers(peers.present[:2], ()),
        plan.effort,
        "Name what to look up and judge DKIM, ARC (n sets) and DMARC",
        "With one DKIM signature below the sets; limit as above; there is no target.",
    )
    for size in plan.sizes:
        for post in chains(signed(plain_post(size), 1), plan.lengths):
            table.measure(post, peers.works("arrival", post))


def bodies(report: Report, _: Peers, plan: Plan) -> None:
    """Canonical bodies beside SHA-256 of the same octets."""
    report.heading(
        "Hash a body", ["sha256", "relaxed/sha256", "simple/sha256"], "No target."
    )
    limit = Limit()
    for size in plan.sizes[-2:]:
        for kind in ("base64", "clean", "text", "line"):
            post = Post(size, kind, b"\r\n\r\n" + body(size, kind))
            octets = post.body
            times = side_by_side(
                {
                    "sha256": timed(partial(limit.do, 0, 0, octets)),
                    "relaxed": _hashing(octets, "relaxed"),
                    "simple": _hashing(octets, "simple"),
                },
                plan.effort,
            )
            report.row(
                f"{post.label}, {kind}",
                milliseconds(times["sha256"].least),
                ratio_text(times["relaxed"].over(times["sha256"])),
                ratio_text(times["simple"].over(times["sha256"])),
            )


class _Table:
    """Rows for posts; columns for the limit, for ours, and for ratios."""

    def __init__(
        self,
        report: Report,
        peers: Peers,
        effort: Effort,
        title: str,
        note: str,
        more: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._report, self._effort = report, effort
        others = [name for name in peers.names if name not in ("limit", "ours")]
        self._ratios = [
            ("ours", "limit"), *more, *((name, "ours") for name in others)
        ]  # fmt: skip
        self.cells: list[Cell] = []
        report.heading(title, ["limit", "ours", *map("/".join, self._ratios)], note)

    def measure(self, post: Post, works: Mapping[str, Work]) -> None:
        cell = Cell(post, side_by_side(works, self._effort))
        self.cells.append(cell)
        limit = cell.timings.get("limit")
        self._report.row(
            cell.label,
            milliseconds(limit.least) if limit else "-",
            milliseconds(cell.timings["ours"].least),
            *(ratio_text(cell.ratio(*pair)) for pair in self._ratios),
        )

    def worst(self, one: str, other: str, choice: _Choice) -> dict[str, float]:
        """The ratios of the rows that are chosen."""
        found = ((cell, cell.ratio(one, other)) for cell in self.cells)
        return {
            cell.label: ratio.least
            for cell, ratio in found
            if ratio and choice(cell.post)
        }

    def growth(self, size: int, few: int, many: int) -> dict[str, float]:
        """What `many` cost us as against `few`, with a base64 body."""
        ours = {
            cell.post.count: cell.timings["ours"]
            for cell in self.cells
            if cell.post.size == size and cell.post.kind == "base64"
        }
        if few not in ours or many not in ours:
            return {}
        return {f"{few} to {many}": ours[many].over(ours[few]).least}


# Size, kind of body, sets, how many times as fast we are to be.
_DKIMPY_TARGETS = (
    (2 * KB, "base64", 1, 7),
    (2 * KB, "base64", 3, 12),
    (2 * KB, "base64", 50, 50),
    (5 * MB, "base64", 1, 35),
    (5 * MB, "text", 1, 15),
    (5 * MB, "base64", 50, 300),
)


def _faster_than_dkimpy(
    table: _Table, size: int, kind: str, sets: int, bound: float
) -> Target:
    def is_it(post: Post) -> bool:
        return (post.size, post.kind, post.sets) == (size, kind, sets)

    label = f"{SIZES[size]} {kind}, n = {sets}"
    values = table.worst("dkimpy", "ours", is_it)
    return Target("V2", f"dkimpy / ours, {label}", values, bound, at_least=True)


def _not_slower(table: _Table) -> Iterator[Target]:
    values = table.worst("mailauth", "ours", lambda _: True)
    why = "not here"
    yield Target("V3", "mailauth / ours", values, 1, at_least=True, why=why)
    yield Target("V3", "libopenarc / ours", {}, 1, at_least=True, why=why)


def _with_bare_lf(
    post: Post, works: Mapping[str, Work], peers: Peers
) -> tuple[Post, dict[str, Work]]:
    """Ours only, beside the same limits."""
    bare = with_bare_lf(post)
    ours = peers.works("arc", bare)["ours"]
    return bare, {"limit": works["limit"], "limit'": works["limit'"], "ours": ours}


def _is_large(post: Post) -> bool:
    return post.size >= 5 * MB and post.kind == "base64"


def _posts(plan: Plan, lengths: Iterable[int]) -> Iterator[Post]:
    lengths = tuple(lengths)
    for size in plan.sizes:
        yield from chains(plain_post(size), lengths)
    for size in plan.text_sizes:
        few = [length for length in lengths if length in (0, 1, 10)]
        yield from chains(plain_post(size, "text"), few)


def _hashing(octets: bytes, how: Canonicalization) -> Work:
    return timed(lambda: BodyHashes(octets).digest(how))


def ratio_text(ratio: Ratio | None) -> str:
    """Of the quickest rounds, and in brackets the median."""
    if ratio is None:
        return "-"
    return f"{number(ratio.least)} ({number(ratio.median)})"
