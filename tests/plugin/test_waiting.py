"""Posts that wait: who is handed out when, and what is looked up meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import Future

import pytest

from mailman_arc.mailauth.answers import LookupFailed, NoSuchName, TxtRecords
from mailman_arc.plugin.waiting import (
    MAX_AGAIN,
    MAX_POSTS,
    PAUSE,
    Lookups,
    Waiting,
    WaitingQueue,
)


NAME = "arc._domainkey.relay.example"
FAILED = {NAME: LookupFailed()}
ANSWERED = {NAME: TxtRecords((b"p=",)), "s1._domainkey.dead.example": LookupFailed()}
HOLD = 1800.0


class Switchboard:
    """Files by name, oldest first; what was taken out comes back under its name."""

    def __init__(self, *files: str):
        self.files = list(files)
        self._taken: list[str] = []

    def enqueue(self, _msg, _metadata=None, **_kws):
        self.files.append(self._taken.pop() if self._taken else "another")
        return self.files[-1]

    def dequeue(self, filebase):
        self.files.remove(filebase)
        self._taken.append(filebase)
        return "msg", {}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Dns:
    """Takes questions; a test answers them."""

    def __init__(self):
        self.asked: list[Future] = []

    def __call__(self) -> Future:
        self.asked.append(Future())
        return self.asked[-1]

    def answer(self, answers) -> None:
        self.asked[-1].set_result(answers)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock) -> WaitingQueue:
    return WaitingQueue(Switchboard("file0"), clock)


@pytest.fixture
def dns() -> Dns:
    return Dns()


def put_aside(queue: WaitingQueue, waiting: Waiting, filebase: str = "file0") -> None:
    queue.dequeue(filebase)
    queue.put_aside(waiting)
    queue.enqueue("msg", {})


def first_time(dns: Dns, clock: Clock) -> Waiting:
    return Waiting(dns, frozenset([NAME]), clock.now + 120, lookup=dns())


def on_hold(dns: Dns, clock: Clock) -> Waiting:
    return Waiting(
        dns,
        frozenset([NAME]),
        clock.now + HOLD,
        answers=FAILED,
        asks_at=clock.now + PAUSE,
    )


def test_a_post_is_handed_out(queue):
    assert queue.files == ["file0"]
    assert queue.dequeue("file0") == ("msg", {})
    assert queue.woken is None


@pytest.mark.parametrize("answers", [FAILED, ANSWERED], ids=["failed", "answered"])
def test_one_that_waits_for_its_first_look_up_is_handed_out_with_it(
    queue, clock, dns, answers
):
    put_aside(queue, first_time(dns, clock))
    assert queue.files == []

    dns.answer(answers)

    assert queue.files == ["file0"]
    queue.dequeue("file0")
    assert queue.woken.answers == answers
    assert len(dns.asked) == 1


def test_others_go_on_meanwhile(queue, clock, dns):
    put_aside(queue, first_time(dns, clock))

    queue.enqueue("msg", {})

    assert queue.files == ["another"]
    queue.dequeue("another")
    assert queue.woken is None


def test_a_first_look_up_that_never_ends_keeps_no_post(queue, clock, dns):
    put_aside(queue, first_time(dns, clock))

    clock.now += 120

    assert queue.files == ["file0"]
    queue.dequeue("file0")
    assert queue.woken.answers is None


def test_on_hold_it_is_looked_up_again_after_a_pause(queue, clock, dns):
    put_aside(queue, on_hold(dns, clock))
    clock.now += PAUSE - 1
    assert queue.files == []
    assert dns.asked == []

    clock.now += 1
    assert queue.files == []
    assert len(dns.asked) == 1
    dns.answer(ANSWERED)

    assert queue.files == ["file0"]
    queue.dequeue("file0")
    assert queue.woken.answers == ANSWERED


def test_on_hold_it_stays_while_the_dns_does_not_answer(queue, clock, dns):
    put_aside(queue, on_hold(dns, clock))
    asked = []
    for _ in range(int(HOLD) - 1):
        clock.now += 1
        assert queue.files == []
        if len(dns.asked) > len(asked):
            asked.append(clock.now)
            dns.answer(FAILED)

    clock.now += 1
    assert queue.files == ["file0"]
    pauses = [after - before for before, after in itertools.pairwise(asked)]
    assert len(asked) == HOLD // PAUSE - 1
    assert min(pauses) >= PAUSE


def test_a_no_is_an_answer(queue, clock, dns):
    put_aside(queue, on_hold(dns, clock))
    clock.now += PAUSE
    assert queue.files == []

    dns.answer({NAME: NoSuchName()})

    assert queue.files == ["file0"]


def test_at_the_end_it_goes_on_whatever_is_under_way(queue, clock, dns):
    put_aside(queue, on_hold(dns, clock))
    clock.now += HOLD - 1
    assert queue.files == []

    clock.now += 1

    assert queue.files == ["file0"]
    queue.dequeue("file0")
    assert queue.woken.answers == FAILED


def test_few_that_wait_are_looked_up_at_one_time(clock):
    board = Switchboard(*(f"file{n}" for n in range(100)))
    queue = WaitingQueue(board, clock)
    posts = [Dns() for _ in range(100)]
    for file, dns in zip(tuple(board.files), posts, strict=True):
        put_aside(queue, on_hold(dns, clock), file)
    clock.now += PAUSE

    seen = 0
    while seen < 100:
        assert queue.files == []
        under_way = [dns for dns in posts if dns.asked and not dns.asked[-1].done()]
        assert 0 < len(under_way) <= MAX_AGAIN
        seen += len(under_way)
        for dns in under_way:
            dns.answer(FAILED)

    assert all(len(dns.asked) == 1 for dns in posts)


def test_a_bug_hands_the_post_out(queue, clock, dns, log):
    put_aside(queue, first_time(dns, clock))

    dns.asked[0].set_exception(ZeroDivisionError())

    assert queue.files == ["file0"]
    assert log() == ["ERROR incoming runner: unexpected error, going on without it"]


def test_a_bug_when_asking_again_hands_out_nothing_early(queue, clock, log):
    put_aside(queue, on_hold(None, clock))
    clock.now += PAUSE

    assert queue.files == []
    assert log() == ["ERROR incoming runner: unexpected error, going on without it"]


def test_what_somebody_removed_is_forgotten(queue, clock, dns):
    put_aside(queue, on_hold(dns, clock))
    queue._switchboard.files.clear()

    assert queue.files == []
    assert queue._waiting == {}


def test_what_was_put_aside_and_not_queued_is_no_mark_for_the_next(queue, clock, dns):
    queue.dequeue("file0")
    queue.put_aside(on_hold(dns, clock))
    queue._switchboard.files.append("next")
    queue.dequeue("next")

    queue.enqueue("msg", {})

    assert queue.files == ["next"]


def test_it_does_everything_else_as_the_queue():
    class Board(Switchboard):
        name = "in"

    assert WaitingQueue(Board()).name == "in"


# Look-ups beside the runner


def test_posts_are_looked_up_at_the_same_time_but_not_all():
    under_way, most = 0, 0

    async def fetch(names):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return dict.fromkeys(names, NoSuchName())

    lookups = Lookups()
    futures = [lookups.start(fetch, [f"{n}.example"]) for n in range(2 * MAX_POSTS)]

    assert [list(each.result(30)) for each in futures] == [
        [f"{n}.example"] for n in range(2 * MAX_POSTS)
    ]
    assert most == MAX_POSTS


def test_what_ends_a_look_up_is_told():
    async def fetch(names):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Lookups().start(fetch, []).result(30)
