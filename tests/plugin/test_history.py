"""What becomes of posts is told to the history, by whoever knows it."""

from __future__ import annotations

import email
import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from mailman.core.chains import process as process_chain
from mailman.email.message import Message
from mailman.interfaces.action import Action
from mailman.interfaces.chain import AcceptEvent, DiscardEvent, HoldEvent, RejectEvent
from mailman.interfaces.listmanager import ListDeletedEvent
from mailman.utilities.email import add_message_hash
from sqlalchemy import event
from zope.event import notify, subscribers

from mailman_arc.adapters.store.historyrows import Entry, Filters
from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin import history
from mailman_arc.plugin.delivery import _OctetConnection, _Run
from mailman_arc.plugin.door import AnnotatingQueue, Judged
from mailman_arc.plugin.handlers.authenticate import UNSEALED_KEY, Authenticate
from mailman_arc.plugin.history import ENTRY_KEY, message_id_hash
from mailman_arc.plugin.historywriter import About, Note, Writer
from mailman_arc.plugin.reception import judge
from mailman_arc.plugin.upkeep import Upkeep, look_after
from mailman_arc.policy.history import make_entry_id
from mailman_arc.policy.outbound import Unsealed
from tests.support.mail import POST, chain_of, changed, sign_dkim, whole_zone
from tests.support.zone import txt


MLIST = SimpleNamespace(
    list_id="list.lists.example",
    anonymous_list=False,
    mail_host="lists.example",
    preferred_language=SimpleNamespace(code="en"),
)
ANONYMOUS = SimpleNamespace(**{**vars(MLIST), "anonymous_list": True})
SIGNED = sign_dkim(POST)
ALL = Filters()
GARBAGE = b"rubbish " * 1000
DAY = 86400


def parsed(octets: bytes) -> Message:
    msg = email.message_from_bytes(octets, Message)
    add_message_hash(msg)
    return msg


def entries(services, list_id: str = MLIST.list_id) -> list[Entry]:
    """What the history has, with all details."""
    assert services.history.flush(30)
    store = services.storage.history
    found = store.page(list_id, ALL, 0, 100).entries
    return [store.entry(list_id, each.entry_id) for each in found]


def entry(services, list_id: str = MLIST.list_id) -> Entry:
    [found] = entries(services, list_id)
    return found


def go_through_pipeline(octets: bytes, mlist=MLIST, **msgdata: object) -> dict:
    Authenticate().process(mlist, parsed(octets), msgdata)
    return msgdata


class Server:
    """Takes copies, except for recipients at refusing.example."""

    def sendmail(self, sender, recipients, msg):
        return {each: (450, b"later") for each in recipients if "refusing" in each}


def leave(msgdata: dict, *to: str, octets: bytes = SIGNED, mlist=MLIST) -> None:
    """Deliver a post in one copy for each of these recipients."""
    msgdata["recipients"] = set(to)
    run, msg = _Run(mlist, msgdata), parsed(octets)
    for each in to:
        _OctetConnection(Server(), run).sendmail("list-bounces@x", [each], msg)
    run.log(msg)
    run.tell_history(mlist, msg, msgdata)


ANNE, BART, LATER = "anne@one.example", "bart@two.example", "x@refusing.example"


# Arrival


@pytest.fixture
def door(services):
    """The queue of the door, with a judged post."""
    message = read_message(SIGNED)
    found = judge(message, whole_zone(), services.settings.trust)
    queued = []

    def enqueue(_msg, _metadata=None, **_):
        queued.append(dict(_metadata or {}))
        return "filebase"

    made = AnnotatingQueue(SimpleNamespace(enqueue=enqueue, queued=queued))
    made.judged = Judged(message, found.arrival, found.tell)
    return made


def test_the_door_tells_how_a_post_arrived(mlist, door, services):
    msgdata = {
        "listid": mlist.list_id,
        "to_list": True,
        "received_time": datetime.now(UTC),
    }

    door.enqueue(parsed(SIGNED), msgdata)

    found = entry(services, mlist.list_id)
    assert found.entry_id == door.queued[0][ENTRY_KEY]
    assert (found.verdict, found.dkim, found.arc) == ("confirmed", "pass", "none")
    assert found.author_domain == "author.example"
    assert found.author == "ann@author.example"
    assert found.subject == "Meeting notes"
    assert found.message_id == "<1@author.example>"
    assert found.message_id_hash == parsed(SIGNED)["Message-ID-Hash"]
    assert "dkim=pass" in found.results
    assert json.loads(found.details)["dkim"][0]["outcome"] == "good"
    assert (found.disposition, found.sealed, found.left_at) == ("arrived", None, None)


def test_a_post_to_two_lists_has_an_entry_on_each(mailman, mlist, door, services):
    msg = parsed(SIGNED)

    for list_id in (mlist.list_id, "gone.lists.example"):
        door.enqueue(msg, {"listid": list_id, "to_list": True})

    one, other = door.queued
    assert one[ENTRY_KEY] != other[ENTRY_KEY]
    assert entry(services, mlist.list_id).entry_id == one[ENTRY_KEY]


def test_mail_to_the_owners_is_not_remembered(mlist, door, services):
    msgdata = {"listid": mlist.list_id, "to_owner": True}

    door.enqueue(parsed(SIGNED), msgdata)
    go_through_pipeline(SIGNED, mlist, **msgdata)

    assert entries(services, mlist.list_id) == []


def test_what_the_door_did_not_tell_the_pipeline_does(services):
    msgdata = go_through_pipeline(SIGNED)

    found = entry(services)
    assert found.entry_id == msgdata[ENTRY_KEY]
    assert (found.verdict, found.subject) == ("confirmed", "Meeting notes")


def test_what_the_door_has_told_the_pipeline_does_not(services):
    go_through_pipeline(SIGNED, **{ENTRY_KEY: 1})

    assert entries(services) == []


def test_a_post_that_cannot_be_judged_any_more_is_remembered_with_the_reason(services):
    go_through_pipeline(SIGNED, has_approved=True)

    found = entry(services)
    assert (found.verdict, found.author) == ("", "ann@author.example")
    assert "changed between arrival and pipeline" in found.details


def test_an_error_of_ours_leaves_an_entry_that_says_so(services):
    services.__dict__["resolver"] = None

    go_through_pipeline(SIGNED)

    assert "internal error" in entry(services).details


def test_a_post_from_before_an_update_is_remembered_by_its_record(services):
    msgdata = go_through_pipeline(SIGNED)
    del msgdata[ENTRY_KEY]

    go_through_pipeline(SIGNED, **msgdata)

    newest = entries(services)[0]
    assert (newest.dkim, newest.verdict) == ("pass", "")


def test_a_post_without_message_id_is_remembered_by_the_one_mailman_gave(services):
    msgdata: dict = {}
    msg = parsed(changed(POST, b"Message-ID: <1@author.example>\r\n", b""))
    msg["Message-ID"] = "<made@lists.example>"

    Authenticate().process(MLIST, msg, msgdata)

    found = entry(services)
    assert found.message_id == "<made@lists.example>"
    assert found.message_id_hash == message_id_hash("<made@lists.example>")


@pytest.mark.parametrize("text", ["<1@a.example>", " 1@a.example ", "< 1@a.example >"])
def test_messages_are_called_by_the_hash_that_mailman_makes(text):
    msg = Message()
    msg["Message-ID"] = text

    assert message_id_hash(text) == add_message_hash(msg)


# What is kept


def test_nothing_is_kept_where_the_list_wants_nothing_kept(services):
    services.list_settings.change(MLIST.list_id, {"history_days": "0"})

    leave(go_through_pipeline(SIGNED), ANNE)

    assert entries(services) == []


def test_a_change_of_what_is_kept_holds_for_the_next_post(services):
    go_through_pipeline(SIGNED)
    entries(services)
    services.list_settings.change(MLIST.list_id, {"history_fields": "subject"})

    leave(go_through_pipeline(SIGNED), ANNE)

    found = entries(services)[0]
    assert (found.author, found.subject) == ("", "Meeting notes")
    assert (found.message_id, found.message_id_hash) == ("", "")
    assert found.disposition == "posted"


def test_of_posts_to_anonymous_lists_nothing_names_the_author(services):
    msgdata = go_through_pipeline(SIGNED, ANONYMOUS)
    hidden = changed(POST, b"Ann Author <ann@author.example>", b"list@lists.example")
    leave(
        msgdata, ANNE, octets=changed(hidden, b"1@author", b"2@lists"), mlist=ANONYMOUS
    )

    found = entry(services)
    assert found.verdict == "confirmed"
    assert found.message_id_hash == message_id_hash("<2@lists.example>")
    assert "author" not in repr(replace(found, author_domain="", author="")).replace(
        "author_domain=''", ""
    ).replace("author=''", "")


@pytest.mark.parametrize("number", range(1, 5))
def test_a_wrapped_post_is_found_by_the_message_id_that_the_archive_has(
    services, number
):
    msgdata = go_through_pipeline(SIGNED)

    # As dmarc_mitigate_action: wrap_message, with any Message-ID.
    leave(msgdata, ANNE, octets=changed(POST, b"<1@author", b"<%d@wrapper" % number))

    assert entry(services).message_id_hash == message_id_hash("<1@author.example>")


@pytest.mark.parametrize("mode", ["none", "s"])
def test_posts_are_remembered_in_every_mode(install, mode):
    services = install(mode=mode, shadow="yes")

    leave(go_through_pipeline(SIGNED), ANNE)

    found = entry(services)
    assert (found.verdict, found.sealed) == ("confirmed", False)
    why = (
        "switched off for this list" if mode == "none" else "shadow mode, would be i=1"
    )
    assert found.unsealed.startswith(why)


# Decisions


def decide(kind, msgdata: dict, mlist=MLIST) -> None:
    notify(kind(mlist, parsed(SIGNED), msgdata, None))


DECISIONS = (
    (HoldEvent, "held"),
    (RejectEvent, "rejected"),
    (DiscardEvent, "discarded"),
)


@pytest.mark.parametrize(("kind", "disposition"), DECISIONS)
def test_what_mailman_decides_is_remembered_in_words(
    mailman, services, kind, disposition
):
    msgdata = go_through_pipeline(SIGNED)
    reasons = ["Post by non-member", ("It has {} recipients", 12)]

    decide(kind, {**msgdata, "moderation_reasons": reasons})

    found = entry(services)
    assert found.disposition == disposition
    assert found.disposition_reason == "Post by non-member; It has 12 recipients"


def test_where_mailman_says_nothing_the_rules_are_named(mailman, services):
    decide(DiscardEvent, {"rule_hits": ["loop", "spam"]})

    assert entry(services).disposition_reason == "loop, spam"


def test_a_post_that_nobody_has_judged_is_remembered_when_it_is_held(mailman, services):
    decide(HoldEvent, {})

    found = entry(services)
    assert (found.disposition, found.verdict) == ("held", "")
    assert found.author == "ann@author.example"
    assert history.NOBODY_JUDGED in found.details


def test_a_held_post_that_nobody_had_judged_keeps_its_entry(mailman, services):
    # Mailman keeps the `msgdata` of before.
    kept = {"received_time": datetime.now(UTC).replace(tzinfo=None)}
    decide(HoldEvent, dict(kept))

    leave(go_through_pipeline(SIGNED, **kept), ANNE)

    found = entry(services)
    assert (found.disposition, found.verdict) == ("posted", "confirmed")


def test_what_is_accepted_or_for_the_owners_is_no_decision(mailman, services):
    decide(AcceptEvent, {})
    decide(HoldEvent, {"to_owner": True})

    assert entries(services) == []


def test_mailman_holds_as_ever_when_the_history_cannot_be_told(
    mailman, mlist, services, log
):
    services.__dict__["history"] = None
    mlist.default_nonmember_action = Action.hold

    process_chain(mlist, parsed(SIGNED), {"envsender": "a@b.example"}, "hold")

    assert log() == ["ERROR history: unexpected error, going on without it"]


def test_mailman_tells_us_once(mailman):
    history.follow_mailman()

    assert subscribers.count(history.tell_decision) == 1


# Departure


def test_a_post_that_has_left_is_remembered_with_its_seal(services):
    leave(go_through_pipeline(SIGNED), ANNE, BART)

    found = entry(services)
    assert (found.disposition, found.sealed, found.unsealed) == ("posted", True, "")
    assert (found.instance, found.chain_status) == (1, "none")
    assert (found.domain, found.selector) == ("lists.example", "arc")
    assert (found.copies, found.seals, found.recipients) == (2, 1, 2)
    assert found.left_at is not None


def test_what_was_refused_counts_when_it_has_left(services):
    msgdata = go_through_pipeline(SIGNED)

    leave(msgdata, LATER)
    assert entry(services).disposition == "arrived"
    leave(msgdata, ANNE, BART)
    leave(msgdata, ANNE)

    found = entry(services)
    assert (found.copies, found.recipients) == (3, 3)


def test_a_post_for_nobody_is_done(services):
    leave(go_through_pipeline(SIGNED))

    found = entry(services)
    assert (found.copies, found.sealed, found.unsealed) == (0, False, "no recipients")


def test_why_a_post_is_not_sealed_is_remembered(install):
    services = install(mode="v")

    leave(go_through_pipeline(SIGNED), ANNE)

    assert entry(services).unsealed == "switched off for this list"


def test_a_post_of_a_peer_is_remembered_with_the_reason(services):
    leave(go_through_pipeline(SIGNED, **{UNSEALED_KEY: Unsealed.PEER.value}), ANNE)

    found = entry(services)
    assert (found.verdict, found.unsealed) == ("", "client is in peer_list")


@pytest.mark.parametrize("trusted", ["relay.example", "other.example"])
def test_that_a_sealer_vouches_whom_the_list_trusts_is_remembered(install, trusted):
    services = install(trusted_sealers=trusted)
    policy = {"_dmarc.author.example": txt(b"v=DMARC1; p=reject")}
    zone = whole_zone().with_records(policy)
    services.__dict__["resolver"] = SimpleNamespace(
        fetch=lambda names: {name: zone.get(name) for name in names}
    )

    go_through_pipeline(chain_of(1))

    found = entry(services)
    assert found.verdict == "vouched"
    is_told = "relay.example, whose seals are trusted" in found.details
    assert is_told == (trusted == "relay.example")


def test_a_post_that_our_handler_has_not_seen_is_remembered_when_it_leaves(services):
    leave({"to_list": True}, ANNE)

    found = entry(services)
    assert (found.verdict, found.disposition) == ("", "posted")
    assert found.unsealed == "nothing was recorded on arrival"


def test_digests_and_notices_are_not_remembered(services):
    leave({}, ANNE)
    leave({"to_owner": True}, ANNE)

    assert entries(services) == []


# Trouble


def test_while_the_database_is_broken_nothing_is_lost_but_time(services, log, tmp_path):
    services.storage.database.close()
    (tmp_path / "arc.db").write_bytes(GARBAGE)
    writer = Writer(services.history.write, linger=0, pause=0.1)
    services.history._writer = writer

    leave(go_through_pipeline(SIGNED), ANNE)
    assert not writer.flush(0.3)
    (tmp_path / "arc.db").unlink()

    assert entry(services).disposition == "posted"
    assert any(
        "the history of posts is not written: database" in each for each in log()
    )


def test_while_the_disk_is_full_nothing_is_lost_but_time(services, log):
    database, is_full = services.storage.database, True
    database.open()

    def limit(connection, _):
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages if is_full else 10**6}")

    event.listen(database._engine, "connect", limit)
    database.close()
    writer = Writer(services.history.write, linger=0, pause=0.1)
    services.history._writer = writer
    for _ in range(20):
        leave(go_through_pipeline(SIGNED), ANNE)
    assert not writer.flush(0.3)

    is_full = False

    assert [each.disposition for each in entries(services)] == ["posted"] * 20
    assert any("is full; make room on its disk" in each for each in log())


def test_an_entry_that_cannot_be_made_costs_no_other(services, log):
    go_through_pipeline(SIGNED)
    about = About.of(MLIST)
    services.history.put(Note(about, lambda _: 1 / 0))

    assert entry(services).dkim == "pass"
    assert log()[-1] == "ERROR history: unexpected error, going on without it"


def test_an_entry_that_no_database_takes_is_told_of(services, log):
    go_through_pipeline(SIGNED)
    go_through_pipeline(SIGNED, received_time=datetime(9999, 1, 1, tzinfo=UTC))

    assert len(entries(services)) == 1
    assert any("cannot be written" in each for each in log())


# Upkeep


def told(services, days_ago: int, now: float) -> None:
    entry_id = make_entry_id(now - days_ago * DAY, 0)
    tell = judge(read_message(SIGNED), whole_zone(), services.settings.trust).tell
    history.tell_arrival(services, MLIST, parsed(SIGNED), entry_id, tell)


HOSTS = {MLIST.list_id: MLIST.mail_host}
NOW = 1_800_000_000


def test_what_is_old_is_counted_and_forgotten(services):
    for days in (0, 30, 32):
        told(services, days, NOW)
    assert len(entries(services)) == 3

    assert look_after(services, HOSTS, NOW)

    assert len(entries(services)) == 2
    counted = services.storage.history.stats(MLIST.list_id, 90, NOW)
    assert counted.totals.posts == 3


def test_each_list_forgets_when_it_wants(install):
    services = install({"domain.lists.example": {"history_days": "3"}})
    told(services, 5, NOW)
    services.list_settings.change("other.lists.example", {"history_days": "9"})
    other = SimpleNamespace(**{**vars(MLIST), "list_id": "other.lists.example"})
    tell = judge(read_message(SIGNED), whole_zone(), services.settings.trust).tell
    entry_id = make_entry_id(NOW - 5 * DAY, 0)
    history.tell_arrival(services, other, parsed(SIGNED), entry_id, tell)

    assert services.history.flush(30)
    look_after(services, HOSTS | {other.list_id: other.mail_host}, NOW)

    assert entries(services) == []
    assert len(entries(services, other.list_id)) == 1


def test_the_upkeep_is_done_once_a_day_and_again_after_a_failure(
    mailman, services, tmp_path, log
):
    done = []
    upkeep = Upkeep(lambda work: done.append(work()))

    for hours in (0, 1, 23):
        upkeep.do_what_is_due(services, NOW - NOW % DAY + hours * 3600)
    assert len(done) == 1
    services.storage.database.close()
    (tmp_path / "arc.db").write_bytes(GARBAGE)
    for hours in (24, 24.5, 25):
        upkeep.do_what_is_due(services, NOW - NOW % DAY + hours * 3600)

    assert len(done) == 3
    assert all("is not looked after: database" in each for each in log())


def test_the_upkeep_is_not_begun_twice(mailman, services):
    begun = []
    upkeep = Upkeep(begun.append)

    upkeep.do_what_is_due(services, NOW)
    upkeep.do_what_is_due(services, NOW + 2 * DAY)
    begun[0]()
    upkeep.do_what_is_due(services, NOW + 2 * DAY)

    assert len(begun) == 2


def test_the_posts_of_a_deleted_list_are_forgotten(mailman, services):
    go_through_pipeline(SIGNED)
    assert len(entries(services)) == 1

    notify(ListDeletedEvent("list@lists.example"))

    assert entries(services) == []


def test_a_list_is_deleted_though_the_database_is_broken(services, tmp_path, log):
    services.storage.database.close()
    (tmp_path / "arc.db").write_bytes(GARBAGE)

    history.forget_list(ListDeletedEvent("list@lists.example"))

    assert log()[0].startswith(
        "ERROR list.lists.example: the history of its posts is still there: database"
    )
