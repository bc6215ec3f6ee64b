"""What all of Mailman takes for a post: without ARC, with its own, and with ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mailman_arc.mailauth.arc.verify import ChainStatus
from tests.bench import mailman_core as core
from tests.bench.cases import (
    AUTHOR,
    KB,
    LIST,
    MB,
    SIZES,
    Post,
    chains,
    plain_post as text_post,
    signed,
    zone,
)
from tests.bench.measure import Effort, Timing, Work, side_by_side, timed
from tests.bench.peers import Limit, Peers, text_of
from tests.bench.report import Report, Target, milliseconds, number
from tests.bench.tables import Plan, ratio_text
from tests.house import oracles
from tests.house.installation import REPOSITORY, Installation
from tests.house.sink import Delivery, Sink
from tests.support.keys import rsa_pem
from tests.support.mail import judge_chain


WITHOUT, BUILT_IN, OURS = "without ARC", "built-in", "ours"
MANY, HUNDRED = 1000, 100  # recipients
# Mailman's own sealing of copies of this size takes seconds for each.
MAX_BUILT_IN = 5 * MB
_BOUNDARY = b"=-=-="
# CPU seconds of one round, as far as posts of this size allow: the database and
# the files of the queues make single posts differ.
_ONE_ROUND = 0.5
ALL = (WITHOUT, BUILT_IN, OURS)
# Who judges a post, and in which steps.
STEPS = {
    BUILT_IN: (core.HANDLE,),
    OURS: (core.JUDGE, core.ANNOTATE, core.HANDLE),
}
# How much cheaper judging is to be, and how much dearer everything may be.
_BOUNDS = {2 * KB: (50, 1.05), 200 * KB: (None, 1.05), 5 * MB: (30, 1.10)}


@dataclass
class Contender:
    """A Mailman with its own settings, in a process of its own."""

    name: str
    process: subprocess.Popen[str]
    folder: Path
    answers: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, octets: bytes, count: int, **task: object) -> dict[str, Any]:
        """Have it do a task so many times; what it took in all."""
        path = self.folder / "post.eml"
        path.write_bytes(octets)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        question = {"path": str(path), "count": count, **task}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        answer["count"] = count
        self.answers.append(answer)
        return answer

    def work(self, octets: bytes, at_once: int, **task: object) -> Work:
        def work(count: int) -> float:
            answer = self.ask(octets, count * at_once, **task)
            return float(sum(answer["stages"].values())) / at_once

        return work

    def least(self, *steps: str) -> float:
        """CPU seconds that these took for one task, in the quickest round."""
        return min(
            sum(answer["seconds"].get(step, 0.0) for step in steps) / answer["count"]
            for answer in self.answers
        )

    def described(self) -> str:
        """What each stage took in the quickest round, and how it flattened."""
        answer = min(
            self.answers, key=lambda each: sum(each["stages"].values()) / each["count"]
        )
        calls = Counter(answer["calls"])
        said = []
        for stage, seconds in answer["stages"].items():
            flattens = calls[f"{core.FLATTEN} {stage}"] / answer["count"]
            said.append(
                f"{stage} {milliseconds(seconds / answer['count'])}"
                f" ({flattens:g} flattens)"
            )
        parses = calls[core.PARSE] / answer["count"]
        return f"{', '.join(said)}; {parses:g} parses"


class ForgettingSink(Sink):
    """Keeps the newest messages only."""

    last = 1

    def keep(self, delivery: Delivery) -> None:
        with self._lock:
            self._deliveries.append(delivery)
            del self._deliveries[: -self.last]


@dataclass(frozen=True)
class Site:
    """The three of them, and where their mail goes."""

    contenders: Mapping[str, Contender]
    sink: ForgettingSink
    two_signs: Work  # beside all others: what no seal can do without

    def measure(
        self, names: Sequence[str], post: Post, effort: Effort, **task: object
    ) -> dict[str, Timing]:
        """Let these do the same task side by side, if they do it right."""
        at_once = 1
        for name in names:
            contender = self.contenders[name]
            answer = contender.ask(post.octets, 1, **task)
            if name != BUILT_IN and effort.rounds > 1:
                seconds = sum(answer["stages"].values())
                at_once = max(at_once, round(_ONE_ROUND / seconds))
            sealed = self.sink.deliveries[-1].octets
            status = judge_chain(sealed, zone()).status
            assert status == ("fail" if name == WITHOUT else "pass"), (name, sealed)
            assert (_seal_of(sealed) is None) == (name == WITHOUT), sealed
            contender.answers.clear()
        works = {
            name: self.contenders[name].work(post.octets, at_once, **task)
            for name in names
        }
        return side_by_side({**works, "limit": self.two_signs}, effort)

    def least(self, name: str, *steps: str) -> float:
        """CPU seconds of these steps of one task, in the quickest round."""
        return self.contenders[name].least(*steps)


def mailman(report: Report, _: Peers, plan: Plan) -> None:
    """All tables."""
    with _site() as site:
        sizes = [size for size in plan.sizes if size in (2 * KB, 200 * KB, 5 * MB)]
        _whole_core(report, site, plan, sizes)
        larger = [size for size in plan.sizes if size not in (20 * KB, 200 * KB)]
        _each_recipient(report, site, plan, larger)
        is_trial = plan.effort.rounds == 1
        _equal_copies(report, site, plan, 4 if is_trial else HUNDRED)
        _many_recipients(report, site, 4 if is_trial else MANY)


def _whole_core(report: Report, site: Site, plan: Plan, sizes: Sequence[int]) -> None:
    report.heading(
        f"One post through Mailman, to {len(core.MEMBERS)} members in bulk",
        [*ALL, "built-in/without", "ours/without", "ours: judging", "ours: sealing"],
        "LMTP, incoming, pipeline and outgoing runner, queues included; CPU time of\n"
        "all together.  The post has a DKIM signature and a chain of one set.",
    )
    core_ratios, judging, remembering = {}, {}, {}
    for size in sizes:
        post, label = _post(size), SIZES[size]
        times = site.measure(ALL, post, plan.effort)
        core_ratios[size] = times[OURS].over(times[WITHOUT])
        judging[size] = {name: site.least(name, *STEPS[name]) for name in STEPS}
        remembering[size] = [site.least(OURS, step) for step in (core.TELL, core.KEEP)]
        remembering[size].append(times[WITHOUT].least)
        report.row(
            label,
            *(milliseconds(times[name].least) for name in ALL),
            ratio_text(times[BUILT_IN].over(times[WITHOUT])),
            ratio_text(core_ratios[size]),
            milliseconds(judging[size][OURS]),
            milliseconds(site.least(OURS, core.SEAL)),
        )
        for name in ALL:
            report.line(f"    {name}: {site.contenders[name].described()}")
    report.heading("Of that, judging a post on arrival", [*STEPS, "built-in/ours"])
    for size in sizes:
        built_in, ours = (judging[size][name] for name in STEPS)
        report.row(
            SIZES[size],
            milliseconds(built_in),
            milliseconds(ours),
            number(built_in / ours),
        )
    _remembering(report, remembering)
    for size, (cheaper, dearer) in _BOUNDS.items():
        label = SIZES[size]
        if size in judging and cheaper:
            values = {label: judging[size][BUILT_IN] / judging[size][OURS]}
            text = f"judging, built-in / ours, {label}"
            report.target(Target("M1", text, values, cheaper, at_least=True))
        if size in core_ratios:
            values = {label: core_ratios[size].least}
            text = f"whole core, ours / without, {label}"
            report.target(Target("M2", text, values, dearer))
    if 2 * KB in judging:
        values = {"2k": judging[2 * KB][OURS] * 1000}
        report.target(Target("M1", "ms of judging, 2k", values, 3))


def _remembering(report: Report, found: Mapping[int, Sequence[float]]) -> None:
    report.heading(
        "Of that, remembering a post in the history",
        ["told", "written", "without ARC", "told/without", "written/without"],
        "Told is what the post waits for, the explanation of the verdict most of it.\n"
        "Written is what another thread does: two transactions in a database in a\n"
        "file, one as the post comes and one as it goes.  Of a busy Mailman several\n"
        "posts share them; here none do.",
    )
    shares = {}
    for size, (told, written, whole) in found.items():
        shares[SIZES[size]] = written / whole
        report.row(
            SIZES[size],
            *map(milliseconds, (told, written, whole)),
            f"{told / whole:.1%}",
            f"{written / whole:.1%}",
        )
    text = "writing the history of a post / Mailman without ARC"
    report.target(Target("M3", text, shares, 0.03))


def _each_recipient(
    report: Report, site: Site, plan: Plan, sizes: Sequence[int]
) -> None:
    report.heading(
        "Each recipient of a personalised delivery",
        [
            *(*ALL, "built-in/without", "ours/without"),
            *("ours: writing", "ours: risks", "ours: seal", "seal/2 signs"),
        ],
        "The outgoing runner's function; every copy has a footer of its own.  Writing\n"
        "is turning a message into octets, as Mailman does without us, too; risks are\n"
        "what servers might change on the way.",
    )
    seals, signs = {}, {}
    for size in sizes:
        post, label = _post(size), SIZES[size]
        recipients = 20 if size < MB else 4
        names = ALL if size <= MAX_BUILT_IN else (WITHOUT, OURS)
        task = {"recipients": recipients, "verp": True, "footer": True}
        times = site.measure(names, post, plan.effort, **task)
        writing, risks, whole = (
            site.least(OURS, step) / recipients
            for step in (core.WRITE, core.RISKS, core.SEAL)
        )
        seals[size] = whole - risks - writing
        signs[size] = times["limit"].least
        built_in = times.get(BUILT_IN)
        report.row(
            label,
            *(
                milliseconds(times[name].least / recipients) if name in times else "-"
                for name in ALL
            ),
            ratio_text(built_in.over(times[WITHOUT]) if built_in else None),
            ratio_text(times[OURS].over(times[WITHOUT])),
            *map(milliseconds, (writing, risks, seals[size])),
            number(seals[size] / signs[size]),
        )
    least, most = seals.get(2 * KB), seals.get(25 * MB)
    report.target(
        Target(
            "S2", "seal / 2 signatures, 2k", _cell("2k", least, signs.get(2 * KB)), 1.5
        ),
        Target("S2", "seal, 25M / 2k", _cell("25M", most, least), 1.2),
    )


def _cell(label: str, one: float | None, other: float | None) -> dict[str, float]:
    return {label: one / other} if one and other else {}


def _equal_copies(report: Report, site: Site, plan: Plan, many: int) -> None:
    report.heading(
        "The same content for everybody, 2k: ours in one delivery",
        ["1 recipient", f"{many} recipients", "ratio", "writing"],
        "Bulk: ten recipients in each transaction.  VERP: one; Mailman copies the\n"
        "message for each, and each copy is written, which the ratio leaves out.",
    )
    for verp, label in ((False, "bulk"), (True, "VERP")):
        found, writing = [], 0.0
        for recipients in (1, many):
            task = {"recipients": recipients, "verp": verp, "footer": False}
            site.measure([OURS], _post(2 * KB), plan.effort, **task)
            writing = site.least(OURS, core.WRITE)
            found.append(site.least(OURS, core.SEAL) - writing)
        one, all_ = found
        report.row(
            label,
            *map(milliseconds, found),
            number(all_ / one),
            milliseconds(writing),
        )
        if not verp:  # where Mailman hands us one and the same message
            text = f"sealing for {many} / for 1, {label}"
            report.target(Target("S3", text, {"2k": all_ / one}, 1.2))


def _many_recipients(report: Report, site: Site, many: int) -> None:
    report.heading(f"{many} recipients with VERP, 2k", ["seals", "of copies good"])
    site.sink.last = many
    for footer, wanted in ((False, 1), (True, many)):
        site.contenders[OURS].ask(
            _post(2 * KB).octets, 1, recipients=many, verp=True, footer=footer
        )
        copies = [each.octets for each in site.sink.deliveries]
        seals = len({_seal_of(copy) for copy in copies})
        good = sum(
            judge_chain(copy, zone()).status is ChainStatus.PASS for copy in copies
        )
        assert oracles.ask_dkimpy(copies[-1], _records()).arc == "pass"
        label = "a footer for each" if footer else "equal octets"
        report.row(label, str(seals), str(good))
        report.target(
            Target("S3", f"good copies of {many}, {label}", {"2k": good}, many, True),
            Target("S3", f"seals for {many}, {label}", {"2k": seals}, wanted),
        )
    site.sink.last = 1


def _seal_of(copy: bytes) -> bytes | None:
    found = re.search(rb"ARC-Seal: i=2;(?:[^\r]|\r\n[ \t])*", copy)
    return found[0] if found else None


# Posts


def _post(size: int) -> Post:
    """A text, with an attachment behind it when it is to be large; signed, sealed."""
    post = text_post(size)
    if size > 20 * KB:
        post = replace(post, octets=_with_parts(post.octets))
    (sealed,) = chains(signed(post, 1), [1])
    return sealed


def _with_parts(octets: bytes) -> bytes:
    """Make the base64 behind the text an attachment."""
    header, _, body = octets.partition(b"\r\n\r\n")
    text, _, attached = body.partition(b"\r\n\r\n")
    header = header.replace(
        b"text/plain; charset=utf-8",
        b'multipart/mixed; boundary="' + _BOUNDARY + b'"',
    )
    return b"\r\n".join(
        (
            header,
            b"",
            b"--" + _BOUNDARY,
            b"Content-Type: text/plain; charset=utf-8",
            b"",
            text,
            b"--" + _BOUNDARY,
            b'Content-Type: application/pdf; name="minutes.pdf"',
            b"Content-Transfer-Encoding: base64",
            b"",
            attached.rstrip(b"\r\n"),
            b"--" + _BOUNDARY + b"--",
            b"",
        )
    )


# Processes


def _records() -> dict[str, str]:
    records = {name: text_of(found) for name, found in zone().items()}
    return {**records, f"_dmarc.{AUTHOR.domain}": "v=DMARC1; p=none"}


@contextmanager
def _site() -> Iterator[Site]:
    with ExitStack() as opened:
        sink = opened.enter_context(ForgettingSink())
        found = {
            name: opened.enter_context(_contender(name, sink.port))
            for name in (WITHOUT, BUILT_IN, OURS)
        }
        yield Site(found, sink, timed(partial(Limit().do, 0, 2, b"")))


@contextmanager
def _contender(name: str, port: int) -> Iterator[Contender]:
    installed = Installation()
    try:
        key = installed.root / "arc.pem"
        key.touch(mode=0o600)
        key.write_bytes(rsa_pem(2048, 1))
        (installed.root / "zone.json").write_text(json.dumps(_records()))
        zone_file = installed.root / "test.zone"
        zone_file.write_text(_zone_file())
        changes: dict[str, Any] = {"mta": {"smtp_port": str(port)}}
        if name == BUILT_IN:
            changes["ARC"] = {
                "enabled": "yes",
                "authserv_id": LIST.domain,
                "privkey": str(key),
                "selector": LIST.selector,
                "domain": LIST.domain,
            }
        installed.configure_mailman(changes, plugin=name == OURS)
        installed.configure_arc(
            {
                "arc": {
                    "authserv_id": LIST.domain,
                    "domain": LIST.domain,
                    "selector": LIST.selector,
                    "key_file": str(key),
                    "test_keys": str(zone_file),
                }
            }
        )
        kind = "plugin" if name == OURS else "plain"
        with subprocess.Popen(
            [sys.executable, "-m", core.__name__, str(installed.root), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        ) as process:
            yield Contender(name, process, installed.root)
            process.communicate()
    finally:
        shutil.rmtree(installed.root)


def _zone_file() -> str:
    lines = []
    for name, text in _records().items():
        pieces = [text[at : at + 200] for at in range(0, len(text), 200)]
        quoted = " ".join(f'"{piece}"' for piece in pieces)
        lines.append(f"{name}. 300 IN TXT {quoted}\n")
    return "".join(lines)
