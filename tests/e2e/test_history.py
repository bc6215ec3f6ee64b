"""What became of each post can be read, and costs no post anything."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from mailman.version import HEX_VERSION

from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.engine import sqlite_url
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.historyrows import Entry, Filters
from tests.e2e.house import ANN, FurnishedHouse, furnished, signed
from tests.house import posts, processes
from tests.house.lists import MailingList
from tests.house.sink import At, Delivery
from tests.house.waiting import wait_until


pytestmark = pytest.mark.house

ALL = Filters()
SITES: dict[str, dict[str, dict[str, str | None]]] = {
    "door": {"runner.retry": {"sleep_time": "1s"}},
    "incoming runner": {
        "runner.retry": {"sleep_time": "1s"},
        "runner.in": {"class": "mailman_arc.plugin.incoming.ArcIncomingRunner"},
        "runner.lmtp": {"class": None},
    },
    "pipeline": {
        "runner.retry": {"sleep_time": "1s"},
        "runner.lmtp": {"class": None},
    },
}


class Historian:
    """A Mailman whose history is read."""

    def __init__(self, house: FurnishedHouse) -> None:
        self.house = house

    @property
    def file(self) -> Path:
        return self.house.site.var / "data/arc.db"

    def entries(self, discuss: MailingList) -> list[Entry]:
        """What is known now, the newest first."""
        database = Database(sqlite_url(self.file))
        try:
            store = HistoryStore(database)
            found = store.page(discuss.list_id, ALL, 0, 100).entries
            whole = [store.entry(discuss.list_id, each.entry_id) for each in found]
        finally:
            database.close()
        return [each for each in whole if each is not None]

    def wait_for(
        self,
        discuss: MailingList,
        is_wanted: Callable[[list[Entry]], bool],
        what: str,
    ) -> list[Entry]:
        """The entries of a list, once they are as wanted."""

        def look() -> list[Entry]:
            found = self.entries(discuss)
            return found if is_wanted(found) else []

        return wait_until(
            look,
            90,
            what,
            lambda: f"{self.entries(discuss)}\n{self.house.site.report()}",
        )

    def become(self, discuss: MailingList, disposition: str) -> Entry:
        """The only entry of a list, once this has become of the post."""
        [found] = self.wait_for(
            discuss,
            lambda found: [each.disposition for each in found] == [disposition],
            f"one entry, {disposition}",
        )
        return found

    def send(self, discuss: MailingList) -> bytes:
        post = signed(posts.make_post(ANN, discuss.address))
        assert self.house.site.post(post, ANN, discuss) == {}
        return post

    def post(self, discuss: MailingList, copies: int = 3) -> bytes:
        """Send a post that comes through."""
        post = self.send(discuss)
        self.house.collect(post, copies)
        return post


@pytest.fixture(scope="module", params=SITES)
def anywhere(request) -> Iterator[Historian]:
    """With each of those who can be the first to tell of a post."""
    with furnished(mailman=SITES[request.param]) as house:
        yield Historian(house)
        house.assert_untroubled()


@pytest.fixture(scope="module")
def historian() -> Iterator[Historian]:
    with furnished(mailman=SITES["door"]) as house:
        yield Historian(house)


# What becomes of posts


def test_a_post_that_went_out_is_told_with_verdict_and_seal(anywhere):
    discuss = anywhere.house.make_list()

    post = anywhere.post(discuss)

    found = anywhere.become(discuss, "posted")
    assert (found.verdict, found.dkim, found.dmarc) == ("confirmed", "pass", "pass")
    assert (found.author, found.author_domain) == (ANN, posts.AUTHOR)
    assert found.message_id == Delivery("", (), post).message_id
    assert (found.sealed, found.instance, found.chain_status) == (True, 1, "none")
    assert (found.domain, found.selector) == ("lists.example.org", "arc2026")
    assert (found.copies, found.seals, found.recipients) == (1, 1, 3)
    assert "dmarc=pass" in found.results
    assert json.loads(found.details)["dmarc"]["outcome"] == "good"


def test_a_held_post_stays_the_same_entry_when_it_is_approved(anywhere):
    discuss = anywhere.house.make_list(default_nonmember_action="hold")
    post = anywhere.send(discuss)
    request = anywhere.house.held(discuss)

    held = anywhere.become(discuss, "held")
    assert "not from a list member" in held.disposition_reason
    assert held.sealed is None
    discuss.moderate(request["request_id"], "accept")
    anywhere.house.collect(post)

    posted = anywhere.become(discuss, "posted")
    assert posted.entry_id == held.entry_id
    assert (posted.verdict, posted.sealed) == ("confirmed", True)


@pytest.mark.parametrize("action", ["discard", "reject"])
def test_what_a_moderator_does_not_let_through_stays_held(anywhere, action):
    discuss = anywhere.house.make_list(
        default_nonmember_action="hold", respond_to_post_requests=False
    )
    anywhere.send(discuss)
    request = anywhere.house.held(discuss)

    discuss.moderate(request["request_id"], action)
    anywhere.house.site.wait_until_idle()

    assert anywhere.become(discuss, "held").left_at is None


@pytest.mark.parametrize(
    ("action", "disposition"), [("reject", "rejected"), ("discard", "discarded")]
)
def test_what_the_list_does_not_take_is_told_with_the_reason(
    anywhere, action, disposition
):
    discuss = anywhere.house.make_list(default_nonmember_action=action)

    anywhere.send(discuss)

    found = anywhere.become(discuss, disposition)
    assert found.disposition_reason != ""
    assert found.author == ANN


def test_a_post_to_two_lists_has_an_entry_on_each(anywhere):
    lists = [anywhere.house.make_list(), anywhere.house.make_list(["d@four.example"])]
    post = signed(posts.make_post(ANN, lists[0].address))

    anywhere.house.post_to(post, lists)

    one, other = (anywhere.become(each, "posted") for each in lists)
    assert one.entry_id != other.entry_id
    assert one.message_id_hash == other.message_id_hash
    assert (one.recipients, other.recipients) == (3, 1)


def test_what_is_refused_at_first_is_counted_when_it_is_taken(anywhere):
    discuss = anywhere.house.make_list()
    anywhere.house.sink.refuse(
        At.RECIPIENT, "451 4.7.1 greylisted", times=1, recipient="anne@one.example"
    )

    anywhere.post(discuss)

    [found] = anywhere.wait_for(
        discuss, lambda found: [each.recipients for each in found] == [3], "all three"
    )
    assert found.copies == 2


def test_mail_to_the_owners_is_not_told_of(anywhere):
    discuss = anywhere.house.make_list()
    discuss.subscribe(["olga@one.example"], "owner")
    post = signed(posts.make_post(ANN, discuss.address))

    anywhere.house.deliver(post, discuss.address.replace("@", "-owner@"), 1)
    anywhere.post(discuss)

    anywhere.become(discuss, "posted")


# What is kept


def test_the_author_of_an_anonymous_post_is_not_told(historian):
    discuss = historian.house.make_list(anonymous_list=True)

    historian.send(discuss)

    found = historian.become(discuss, "posted")
    assert found.verdict == "confirmed"
    assert posts.AUTHOR not in repr(found)
    # The archive, which knows no author either, can find the entry.
    assert found.message_id_hash


def configure(house: FurnishedHouse, discuss: MailingList, **settings: str) -> None:
    path = f"plugins/arc/lists/{discuss.list_id}/config"
    house.site.rest.patch(path, settings)


def test_a_list_may_keep_nothing(historian):
    discuss, other = historian.house.make_list(), historian.house.make_list()
    configure(historian.house, discuss, history_days="0")

    historian.post(discuss)
    historian.post(other)

    historian.become(other, "posted")
    historian.house.site.stop()
    historian.house.site.start()
    assert historian.entries(discuss) == []


def test_what_is_told_of_a_list_goes_with_it(historian):
    discuss = historian.house.make_list()
    historian.post(discuss)
    historian.become(discuss, "posted")

    historian.house.site.rest.delete(discuss.path)

    assert historian.entries(discuss) == []


# Trouble


def test_nothing_is_lost_when_mailman_stops_at_once(historian):
    discuss = historian.house.make_list()

    for _ in range(5):
        historian.post(discuss)
    historian.house.site.stop()
    found = historian.entries(discuss)
    historian.house.site.start()

    assert [each.disposition for each in found] == ["posted"] * 5


def test_a_runner_that_is_killed_loses_no_post_and_writes_on(historian):
    house = historian.house
    discuss = house.make_list()
    historian.post(discuss)
    started = len(house.site.log_lines("mailman", "out runner started"))

    os.kill(runner(historian, "out").pid, signal.SIGKILL)
    wait_until(
        lambda: (
            len(house.site.log_lines("mailman", "out runner started")) > started
            or restarted(house)
        ),
        60,
        "a new runner",
        house.site.report,
    )
    historian.post(discuss)

    historian.wait_for(
        discuss,
        lambda found: bool(found) and found[0].disposition == "posted",
        "the second post",
    )


def restarted(house: FurnishedHouse) -> bool:
    """Before 3.3.9 the master does not start a killed runner anew."""
    if HEX_VERSION < 0x030309F0:
        house.site.restart()
        return True
    return False


def runner(historian: Historian, name: str) -> psutil.Process:
    found = processes.processes_of(historian.house.site.config)
    [one] = [p for p in found if f"--runner={name}:0:1" in " ".join(p.cmdline())]
    return one


def test_posts_go_on_while_the_database_is_broken_and_it_is_written_on_afterwards(
    historian,
):
    house = historian.house
    discuss = house.make_list()
    historian.post(discuss)
    historian.become(discuss, "posted")
    before = house.site.stop()
    assert before == []
    with closing(sqlite3.connect(historian.file)) as last:
        last.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    aside = historian.file.with_suffix(".good")
    historian.file.rename(aside)
    historian.file.write_bytes(b"rubbish " * 1000)
    house.site.start()

    during = historian.post(discuss)
    house.site.wait_for_log("plugins", "the history of posts is not written")
    aside.replace(historian.file)
    after = historian.post(discuss)

    wanted = {Delivery("", (), octets).message_id for octets in (during, after)}
    found = historian.wait_for(
        discuss,
        lambda found: (
            [each.disposition for each in found] == ["posted"] * 3
            and wanted <= {each.message_id for each in found}
        ),
        "all three posts",
    )
    assert all(each.sealed for each in found)
    assert house.site.log_lines("plugins", "the history of posts is written again")


def test_posts_go_on_while_somebody_locks_the_database(historian):
    discuss = historian.house.make_list()
    historian.post(discuss)
    historian.become(discuss, "posted")

    with closing(sqlite3.connect(historian.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        historian.post(discuss)
        assert len(historian.entries(discuss)) == 1
        other.execute("ROLLBACK")

    historian.wait_for(
        discuss,
        lambda found: [each.disposition for each in found] == ["posted"] * 2,
        "both posts",
    )


def test_posts_go_on_with_tables_of_another_version(historian):
    house = historian.house
    discuss = house.make_list()
    historian.post(discuss)
    historian.become(discuss, "posted")
    house.site.stop()
    set_version(historian.file, "9999")
    house.site.start()

    historian.post(discuss)
    house.site.wait_for_log("plugins", "its tables are those of another version")
    set_version(historian.file, None)

    historian.wait_for(
        discuss,
        lambda found: [each.disposition for each in found] == ["posted"] * 2,
        "both posts",
    )


VERSIONS: dict[Path, str] = {}


def set_version(file: Path, version: str | None) -> None:
    """Say that the tables are of this version; None: of the one they were of."""
    with closing(sqlite3.connect(file)) as database:
        [[known]] = database.execute("SELECT version_num FROM arc_alembic_version")
        known = VERSIONS.setdefault(file, str(known))
        database.execute(
            "UPDATE arc_alembic_version SET version_num = ?", [version or known]
        )
        database.commit()
