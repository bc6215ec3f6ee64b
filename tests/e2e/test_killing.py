"""Mailman's runners are killed (-9) at all stages; no post gets lost, no seal breaks.

A killed runner leaves the post it was at as `.bak` in its queue; the master
starts the runner anew, and that takes the post up again (`core/switchboard.py`).
Before 3.3.9 the master does not, and Mailman has to be started anew.
So a copy may come twice, but it has to come, and with a seal that holds.  A mail
server whose delivery was cut off or put off tries again, as ours does here.

KILLS=100 kills so many instead of a few; `pytest -s` shows the figures.
"""

from __future__ import annotations

import os
import random
import re
import signal
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from mailman.version import HEX_VERSION

from tests.e2e.house import (
    ANN,
    AUTHOR,
    FORWARDER,
    MEMBERS,
    SITE,
    UNUSED,
    ZONE,
    FurnishedHouse,
    not_started,
)
from tests.house import lmtp, oracles, posts, processes
from tests.house.dns_server import DnsServer
from tests.house.lists import MailingList
from tests.house.sink import At, Delivery, Sink
from tests.house.site import MailmanSite
from tests.house.waiting import PATIENCE, wait_until


pytestmark = pytest.mark.house

KILLS = int(os.environ.get("KILLS", "15"))
SEED = int(os.environ.get("SEED", "1"))  # chance only adds pauses before some kills
LOOKUP = 0.5  # seconds that a look-up takes when one is to be interrupted
MISSED = 20  # seconds to wait for a moment that may have gone by unseen
KEPT = "kept"  # where the sink has the message and has not yet said so

MASTER_STARTS_ANEW = HEX_VERSION >= 0x030309F0

# From the last stage to the first: for each post all before its own are alive.
VICTIMS = ("retry", "out", "pipeline", "in", "lmtp")
NOT_NEEDED = (*UNUSED, "digest", "virgin")

# Every post has signatures with selectors of its own, so that none of the
# answers it needs is remembered.
KEYS = {
    f"*._domainkey.{domain.name}": domain.key_record for domain in (AUTHOR, FORWARDER)
}


class GatedSink(Sink):
    """A mail server that can be made to wait in the middle of a transaction."""

    def __init__(self) -> None:
        super().__init__()
        self._at = ""
        self._others_first = 0
        self._reached = threading.Event()
        self._opened = threading.Event()

    def close_gate(self, at: str, others_first: int = 0) -> None:
        """Let so many transactions pass, and hold the next one there."""
        self._reached.clear()
        self._opened.clear()
        self._others_first = others_first
        self._at = at

    def open_gate(self) -> None:
        self._at = ""
        self._opened.set()

    def is_reached(self) -> bool:
        return self._reached.is_set()

    def refusal(self, at: At, recipient: str | None = None) -> str | None:
        self._pass(at)
        return super().refusal(at, recipient)

    def keep(self, delivery: Delivery) -> None:
        super().keep(delivery)
        self._pass(KEPT)

    def _pass(self, at: str) -> None:
        if at != self._at:
            return
        if self._others_first:
            self._others_first -= 1
        else:
            self._reached.set()
            self._opened.wait(PATIENCE)


@dataclass
class Post:
    """A post on its way, and the mail server's word that it has been taken."""

    octets: bytes
    key_name: str  # asked for because of this post only
    zone: dict[str, str]
    accepted: Future[int]  # how often it had to be sent

    @property
    def message_id(self) -> str:
        return Delivery("", (), self.octets).message_id


@dataclass
class Figures:
    """What a run has come to."""

    killed: Counter[str] = field(default_factory=Counter)
    posts: int = 0
    sent_again: int = 0
    copies: int = 0  # one for each member, with repetitions
    repeated: int = 0
    sealed: int = 0
    unsealed: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)


class Stage:
    """One house, in which posts are sent and runners are killed."""

    def __init__(self, house: FurnishedHouse, sink: GatedSink, dns: DnsServer) -> None:
        self.house, self.site, self.sink, self.dns = house, house.site, sink, dns
        # A digest would wait for a runner that is not needed.
        personal = house.make_list(personalize="full", digests_enabled=False)
        personal.decorate("-- \nfor $user_email\n")
        plain = house.make_list(digests_enabled=False)
        self._lists: tuple[MailingList, ...] = (plain, personal)
        self._mail_server = ThreadPoolExecutor(max_workers=4)
        self._chance = random.Random(SEED)
        self._posts: list[Post] = []  # of this round
        self.figures = Figures()
        self.problems: list[str] = []

    # Posts

    def bring(self, *, is_odd: bool = False) -> Post:
        """Have the mail server deliver a post, however often it has to try.

        An odd one can be read in two ways, so the pipeline judges it anew.
        """
        self.figures.posts += 1
        selector = f"k{self.figures.posts}"
        to = self._lists[self.figures.posts % 2].address
        author, forwarder = (
            replace(domain, selector=selector) for domain in (AUTHOR, FORWARDER)
        )
        octets = posts.dkim_sign(posts.make_post(ANN, to), author)
        octets = posts.arc_seal(octets, forwarder, "dkim=pass")
        if is_odd:
            octets = b"X-Odd: one\rX-Second: two\r\n" + octets
        post = Post(
            octets,
            f"{selector}._domainkey.{FORWARDER.name}",
            ZONE | posts.zone_of([author, forwarder]),
            self._mail_server.submit(self._deliver, octets, to),
        )
        self._posts.append(post)
        return post

    def _deliver(self, octets: bytes, to: str) -> int:
        deadline = time.monotonic() + PATIENCE
        for attempt in range(1000):
            try:
                refused = lmtp.send(self.site.lmtp_port, octets, ANN, [to])
            except (OSError, smtplib.SMTPException):
                refused = None  # Mailman was not there, or is not any more
            if refused == {}:
                return attempt
            for reply in (refused or {}).values():
                assert 400 <= reply.code < 500, reply
            assert time.monotonic() < deadline, f"Mailman does not take {to}"
            time.sleep(0.1)
        raise AssertionError("too many attempts")

    # Kills

    def kill_each(self, number: int) -> None:
        """Kill every runner once, each while it has to do with a post of its own."""
        pids = self._pids()
        before = self._starts()
        for runner in VICTIMS:
            moments = MOMENTS[runner]
            name, wait = list(moments.items())[number % len(moments)]
            if not wait(self):
                self.figures.missed[f"{runner}: {name}"] += 1
            if self._chance.random() < 0.3:
                time.sleep(self._chance.uniform(0, 0.2))
            os.kill(pids[runner], signal.SIGKILL)
            self.figures.killed[f"{runner}: {name}"] += 1
            self.sink.open_gate()
            self.dns.delay = 0
        if not MASTER_STARTS_ANEW:
            self.site.restart()
        wait_until(
            lambda: all(self._starts()[name] > before[name] for name in VICTIMS),
            PATIENCE,
            "all runners back at work",
            self.site.report,
        )

    def _pids(self) -> dict[str, int]:
        found = {}
        for process in processes.processes_of(self.site.config):
            runner = re.search(r"--runner=(\w+):", " ".join(process.info["cmdline"]))
            if runner:
                found[runner[1]] = process.pid
        return found

    def _starts(self) -> Counter[str]:
        log = self.site.log("mailman")
        return Counter(re.findall(r"\) (\S+) runner started\.", log))

    def until(self, post: Post, look: Callable[[], bool]) -> bool:
        """Wait for a moment; whether it was seen before the post was through."""
        deadline = time.monotonic() + MISSED
        while not look():
            if time.monotonic() > deadline or self._has_come(post):
                return False
            time.sleep(0.001)
        return True

    def _has_come(self, post: Post) -> bool:
        return post.accepted.done() and self._recipients(post).keys() >= set(MEMBERS)

    def _copies(self, post: Post) -> list[Delivery]:
        return [d for d in self.sink.deliveries if d.message_id == post.message_id]

    def _recipients(self, post: Post) -> Counter[str]:
        return Counter(to for copy in self._copies(post) for to in copy.recipients)

    # Judgement

    def end_round(self) -> None:
        """Wait until Mailman has nothing left to do, and look at what has come."""
        for post in self._posts:
            self.figures.sent_again += post.accepted.result(PATIENCE)
        self.site.wait_until_idle(PATIENCE)
        for post in self._posts:
            self.problems += self._problems_with(post)
        self._posts.clear()
        self.sink.clear()

    def _problems_with(self, post: Post) -> Iterator[str]:
        copies = self._recipients(post)
        self.figures.copies += copies.total()
        self.figures.repeated += copies.total() - len(copies)
        if set(copies) != set(MEMBERS):
            yield f"{post.message_id} came for {sorted(copies)} only"
        if any(count > 1 + len(VICTIMS) for count in copies.values()):
            yield f"{post.message_id} came {copies}: more often than runners died"
        for octets in {copy.octets for copy in self._copies(post)}:
            yield from self._problems_with_seal(post, octets)

    def _problems_with_seal(self, post: Post, octets: bytes) -> Iterator[str]:
        seals = len(Delivery("", (), octets).fields("ARC-Seal"))
        if seals == 2:
            self.figures.sealed += 1
            opinion = oracles.ask_dkimpy(octets, post.zone)
            if opinion.arc != "pass":
                yield f"{post.message_id}: {opinion}"
            return
        log = "\n".join(self.site.log_lines("plugins", post.message_id))
        reasons = set(re.findall("not sealed: ([^;]+);", log))
        self.figures.unsealed.update(reasons)
        # The one reason there can be: that the DNS took too long.
        if reasons != {"chain could not be judged: DNS did not answer"}:
            yield f"{post.message_id} has no seal of ours, because of {reasons}"


Moment = Callable[[Stage], bool]


def door_waits(stage: Stage) -> bool:
    stage.dns.delay = LOOKUP
    post = stage.bring()
    return stage.until(post, lambda: stage.dns.asked(post.key_name) > 0)


def handler_waits(stage: Stage) -> bool:
    stage.dns.delay = LOOKUP
    post = stage.bring(is_odd=True)
    # The door asks first.
    return stage.until(post, lambda: stage.dns.asked(post.key_name) > 1)


def accepted(stage: Stage) -> bool:
    post = stage.bring()
    return stage.until(post, post.accepted.done)


def queued(queue: str, suffixes: str, stage: Stage) -> bool:
    """A file is in this queue, whose runner has taken it up (`.bak`) or not."""
    post = stage.bring()
    return stage.until(
        post,
        lambda: any(file.suffix in suffixes for file in stage.site.queue(queue)),
    )


def deferred(queue: str, suffixes: str, stage: Stage) -> bool:
    """The same, after the mail server has put off a part of the delivery."""
    stage.sink.refuse(At.DATA, "451 4.2.0 later", times=1)
    post = stage.bring()
    seen = stage.until(post, lambda: bool(stage.site.queue("retry")))
    return seen and stage.until(
        post,
        lambda: any(file.suffix in suffixes for file in stage.site.queue(queue)),
    )


def delivering(at: str, others_first: int, stage: Stage) -> bool:
    stage.sink.close_gate(at, others_first)
    return stage.until(stage.bring(), stage.sink.is_reached)


UNTAKEN, TAKEN_UP, ANY = ".pck", ".bak", ".pck.bak"

MOMENTS: dict[str, dict[str, Moment]] = {
    "lmtp": {
        "the door waits for the DNS": door_waits,
        "a post is queued, and hardly acknowledged": partial(queued, "in", ANY),
        "a post is accepted": accepted,
    },
    "in": {
        "it has taken a post up": partial(queued, "in", TAKEN_UP),
        "a post is accepted": accepted,
        "it has handed a post on": partial(queued, "pipeline", ANY),
    },
    "pipeline": {
        "the handler waits for the DNS": handler_waits,
        "it has taken a post up": partial(queued, "pipeline", TAKEN_UP),
        "it has handed a post on": partial(queued, "out", ANY),
    },
    "out": {
        "all has been sent": partial(delivering, At.END_OF_DATA, 0),
        "a copy has arrived": partial(delivering, KEPT, 0),
        "a part of the members has the post": partial(delivering, At.DATA, 1),
        "it has taken a post up": partial(queued, "out", TAKEN_UP),
        "it names the sender": partial(delivering, At.SENDER, 0),
        "it names recipients": partial(delivering, At.RECIPIENT, 0),
        "it is about to send": partial(delivering, At.DATA, 0),
    },
    "retry": {
        "it has taken a post up": partial(deferred, "retry", TAKEN_UP),
        "a post waits": partial(deferred, "retry", UNTAKEN),
        "it has handed a post back": partial(deferred, "out", ANY),
    },
}


@contextmanager
def opened() -> Iterator[Stage]:
    runners = {
        **not_started(NOT_NEEDED),
        **{f"runner.{name}": {"max_restarts": "1000"} for name in VICTIMS},
    }
    runners["runner.retry"]["sleep_time"] = "1s"
    changes = {"mta": {"max_recipients": "2"}, **runners}
    with (
        DnsServer(ZONE | KEYS) as dns,
        GatedSink() as sink,
        MailmanSite(sink.port, dns.port, key=SITE.private_key, mailman=changes) as site,
    ):
        yield Stage(FurnishedHouse(site, sink), sink, dns)


def test_no_post_is_lost_and_no_seal_broken_by_kills() -> None:
    with opened() as stage:
        for number in range(-(-KILLS // len(VICTIMS))):
            stage.kill_each(number)
            stage.end_round()
        print(f"\n{stage.figures}")  # noqa: T201

        assert not stage.problems, "\n".join([*stage.problems, stage.site.report()])
        assert stage.site.shunted() == [], stage.site.report()
        assert list((stage.site.var / "queue/bad").iterdir()) == []
        assert "Traceback" not in stage.site.log("plugins")
        assert stage.figures.sealed > stage.figures.unsealed.total()
