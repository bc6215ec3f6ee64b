"""What the DNS shows of our keys, remembered; by a clock and a DNS of our own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailman_arc.adapters.keywatch import AGAIN_AFTER, GOOD_FOR, KeyWatch, in_background
from mailman_arc.adapters.shownkeys import ShownKeys
from mailman_arc.mailauth.answers import LookupFailed, TxtAnswer
from mailman_arc.mailauth.keycheck import Found, Publication
from tests.support.keys import ed25519_key, key_record
from tests.support.zone import NXDOMAIN, txt


NAME = "arc1._domainkey.lists.example"
OTHER_NAME = "arc2._domainkey.lists.example"
KEY = ed25519_key().verifying_key
SHOWN = txt(key_record(ed25519_key()))
WRONG = txt(key_record(ed25519_key(1)))
DEAD = LookupFailed("no answer")


@dataclass
class Dns:
    """Answers every name alike, and counts."""

    answer: TxtAnswer = SHOWN
    asked: int = 0

    def fetch(self, names: Iterable[str]) -> dict[str, TxtAnswer]:
        self.asked += 1
        return dict.fromkeys(names, self.answer)


@dataclass
class House:
    """A process that looks at keys, and what lies around it."""

    path: Path
    dns: Dns = field(default_factory=Dns)
    now: float = 1_800_000_000
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def start(self) -> None:
        """A new process: all it knows is in the file."""
        self.watch = KeyWatch(
            self.dns, ShownKeys(self.path), lambda: self.now, self.waiting.append
        )

    def look(self, name: str = NAME) -> Found:
        return self.watch.look({name: KEY})[name].found

    def later(self, seconds: float, answer: TxtAnswer) -> None:
        self.now += seconds
        self.dns.answer = answer

    def work(self) -> None:
        """Do what was to be done in the background."""
        while self.waiting:
            self.waiting.pop()()


@pytest.fixture
def house(tmp_path) -> House:
    made = House(tmp_path / "arc" / "shown.json")
    made.start()
    return made


def test_the_first_look_waits_for_the_dns(house):
    assert not house.watch.knows({NAME: KEY})
    assert house.look() is Found.SHOWN
    assert house.watch.knows({NAME: KEY})
    assert house.dns.asked == 1


def test_many_posts_cost_one_look(house):
    for _ in range(100):
        house.look()

    house.later(GOOD_FOR - 1, SHOWN)
    house.look()

    assert (house.dns.asked, house.waiting) == (1, [])


def test_what_is_old_is_looked_up_in_the_background_once(house):
    house.look()
    house.later(GOOD_FOR, NXDOMAIN)

    assert house.look() is Found.SHOWN
    assert house.look() is Found.SHOWN
    assert (house.dns.asked, len(house.waiting)) == (1, 1)

    house.work()
    assert house.look() is Found.MISSING
    assert house.dns.asked == 2


def test_a_key_that_is_not_shown_is_looked_for_again_soon(house):
    house.dns.answer = NXDOMAIN
    assert house.look() is Found.MISSING
    house.later(AGAIN_AFTER, SHOWN)

    house.look()
    house.work()

    assert house.look() is Found.SHOWN


def test_a_clock_that_was_set_back_makes_nothing_good_for_ever(house):
    house.look()
    house.later(-86400, WRONG)

    house.look()
    house.work()

    assert house.look() is Found.OTHER


def test_a_bug_in_the_background_does_not_end_the_watch(house):
    house.look()
    house.later(GOOD_FOR, None)  # what no resolver gives

    house.look()
    with pytest.raises(AttributeError):
        house.work()
    house.dns.answer = NXDOMAIN
    house.look()
    house.work()

    assert house.look() is Found.MISSING


@pytest.mark.parametrize(("answer", "found"), [(SHOWN, "shown"), (WRONG, "other key")])
def test_while_the_dns_is_silent_the_last_answer_counts(house, answer, found):
    house.dns.answer = answer
    house.look()

    for _ in range(3):
        house.later(GOOD_FOR, DEAD)
        house.look()
        house.work()

    assert house.look() == found
    assert house.dns.asked == 4


def test_a_key_shown_before_a_restart_counts_as_shown(house):
    house.look()
    house.dns.answer = DEAD

    house.start()

    assert house.look() is Found.SHOWN


def test_a_key_never_shown_is_unknown_and_why(house):
    house.dns.answer = DEAD

    found = house.watch.look({NAME: KEY})[NAME]

    assert found == Publication(Found.UNKNOWN, "no answer")
    assert house.look() is Found.UNKNOWN
    assert house.dns.asked == 1


@pytest.mark.parametrize("answer", [WRONG, NXDOMAIN])
def test_a_key_no_longer_shown_is_forgotten(house, answer):
    house.look()
    house.later(GOOD_FOR, answer)
    house.look()
    house.work()
    house.dns.answer = DEAD

    house.start()

    assert house.look() is Found.UNKNOWN


def test_another_key_under_the_name_was_not_shown(house):
    house.look()
    house.dns.answer = DEAD
    other = ed25519_key(1).verifying_key

    assert house.watch.look({NAME: other})[NAME].found is Found.UNKNOWN
    house.start()
    assert house.watch.look({NAME: other})[NAME].found is Found.UNKNOWN


def test_several_keys_are_asked_for_together(house):
    found = house.watch.look({NAME: KEY, OTHER_NAME: KEY})

    assert {each.found for each in found.values()} == {Found.SHOWN}
    assert house.dns.asked == 1


def test_who_asks_hears_what_the_dns_says_now(house):
    house.look()
    house.dns.answer = DEAD

    assert house.watch.ask({NAME: KEY})[NAME].found is Found.UNKNOWN
    assert house.look() is Found.SHOWN


def test_since_when_a_key_is_shown_outlives_a_restart(house):
    assert house.watch.since(NAME, KEY) is None
    house.look()
    first = int(house.now)
    house.later(GOOD_FOR, SHOWN)
    house.start()
    house.look()

    assert house.watch.since(NAME, KEY) == first


def test_what_is_remembered_can_be_told_without_asking_the_dns(house):
    assert house.watch.remembered(NAME, KEY) is None
    house.look()
    house.start()
    asked = house.dns.asked

    assert house.watch.remembered(NAME, KEY) == int(house.now)
    assert house.watch.remembered(OTHER_NAME, KEY) is None
    assert house.dns.asked == asked


def test_only_changes_are_written(house):
    house.look()
    stamp = house.path.stat()
    house.later(GOOD_FOR, SHOWN)
    house.look()
    house.work()

    assert house.dns.asked == 2
    assert house.path.stat() == stamp


GARBAGE = (b"", b"{", b"[]", b"[" * 60_000, b"\xff", b'{"%s": 1}', b'{"%s": [1, 2]}')


@pytest.mark.parametrize("octets", GARBAGE)
def test_a_memory_that_cannot_be_read_is_made_anew(house, octets):
    house.path.parent.mkdir()
    house.path.write_bytes(octets.replace(b"%s", NAME.encode()))

    assert house.look() is Found.SHOWN
    assert list(json.loads(house.path.read_bytes())) == [NAME]


def test_what_others_remember_stays(house):
    house.look(OTHER_NAME)
    house.start()
    house.look(NAME)

    assert set(json.loads(house.path.read_bytes())) == {NAME, OTHER_NAME}


def test_a_memory_that_cannot_be_written_is_told_once(house, caplog):
    house.path.parent.touch()  # a file where the directory should be

    assert house.look() is Found.SHOWN
    assert house.look(OTHER_NAME) is Found.SHOWN

    assert caplog.messages == [
        f"cannot remember in {house.path} which keys the DNS showed: Not a directory"
    ]


def test_the_background_does_not_keep_the_process_alive():
    seen = []
    in_background(lambda: seen.append(threading.current_thread()))
    while not seen:
        time.sleep(0.001)

    assert seen[0].daemon
    assert seen[0] is not threading.current_thread()
