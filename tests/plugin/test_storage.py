"""The settings of a list: obeyed by the next post, whatever the database does."""

from __future__ import annotations

import signal
from threading import Event, get_ident
from types import SimpleNamespace

import pytest
from mailman.app.lifecycle import create_list, remove_list
from mailman.database.transaction import transaction
from mailman.interfaces.runner import RunnerInterrupt
from mailman.testing.helpers import configuration
from zope.event import subscribers

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.plugin import startup
from mailman_arc.plugin.storage import BoundedReader, Values
from mailman_arc.policy.settings import Mode


MLIST = SimpleNamespace(list_id="list.lists.example", mail_host="lists.example")
GARBAGE = b"rubbish " * 1000


def spoil_database(services) -> None:
    services.storage.database.close()
    (services.data_dir / "arc.db").write_bytes(GARBAGE)


def mode_of(services, mlist=MLIST) -> Mode:
    return services.for_list(mlist).settings.mode


def test_the_next_post_obeys_a_change(services):
    assert mode_of(services) is Mode.SIGN_AND_VERIFY

    services.list_settings.change(MLIST.list_id, {"mode": "v"})
    found = services.for_list(MLIST)

    assert found.settings.mode is Mode.VERIFY
    assert str(found.origins["mode"]) == "list"


def test_a_change_made_elsewhere_is_obeyed(services, install):
    mode_of(services)
    elsewhere = install()
    elsewhere.list_settings.change(MLIST.list_id, {"mode": "v"})

    assert mode_of(services) is Mode.VERIFY


def test_who_seals_is_what_the_list_says(install):
    press = {"domain": "lists.example", "selector": "press", "key_file": "/nonexistent"}
    services = install({"identity.press": press})
    services.list_settings.change(MLIST.list_id, {"identity": "press"})

    assert services.for_list(MLIST).identity.name == "press"


def test_posts_flow_when_the_database_is_broken_and_the_log_says_so_once(
    services, tmp_path, log
):
    spoil_database(services)

    assert [mode_of(services), mode_of(services)] == [Mode.SIGN_AND_VERIFY] * 2
    [line] = log()
    assert line.startswith(
        "ERROR settings of lists are as last seen, or those of the site: "
        f"database {tmp_path}/arc.db: file is not a database; put a backup in"
    )


def test_a_list_is_treated_as_before_when_the_database_breaks(services):
    services.list_settings.change(MLIST.list_id, {"mode": "v"})
    mode_of(services)
    spoil_database(services)

    assert mode_of(services) is Mode.VERIFY


def test_whoever_changes_settings_is_told_that_the_database_is_broken(services):
    spoil_database(services)

    with pytest.raises(StoreError, match="not a database"):
        services.list_settings.change(MLIST.list_id, {"mode": "v"})


def test_a_database_without_a_driver_costs_no_post(install, log):
    services = install(database_url="postgresql+nosuch://user:secret@host/name")

    assert mode_of(services) is Mode.SIGN_AND_VERIFY
    assert "there is no driver 'postgresql+nosuch'" in log()[0]
    assert "secret" not in log()[0]


def test_mailmans_own_database_is_not_used_when_it_is_sqlite(
    mailman, install, tmp_path, log
):
    services = install(database_url="mailman")
    services.list_settings.change(MLIST.list_id, {"mode": "v"})

    assert (tmp_path / "arc.db").exists()
    assert "Mailman's own database is SQLite, which cannot be shared" in log()[0]


def test_mailmans_own_database_is_used_when_it_is_another(mailman, install, log):
    with configuration("database", url="postgresql+psycopg2://u:pw@127.0.0.1:1/mine"):
        mode_of(install(database_url="mailman"))

    assert "database postgresql+psycopg2://u:***@127.0.0.1:1/mine: " in log()[0]


def test_a_database_that_hangs_is_given_up_and_not_asked_by_two():
    goes_on, asked = Event(), []

    def hang(list_id: str) -> Values:
        asked.append(list_id)
        goes_on.wait()
        return {}

    read = BoundedReader(hang, seconds=0.01)
    for _ in range(2):
        with pytest.raises(StoreError, match="does not answer"):
            read("list")
    assert asked == ["list"]

    goes_on.set()
    assert BoundedReader(hang)("list") == {}


def test_a_signal_to_stop_does_not_cut_reading_short():
    main = get_ident()

    def interrupt(*_: object) -> None:
        raise RunnerInterrupt

    def read(_: str) -> Values:
        signal.pthread_kill(main, signal.SIGUSR1)
        return {"mode": "v"}

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        assert BoundedReader(read)("list") == {"mode": "v"}
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_bug_in_reading_gets_to_who_asked():
    with pytest.raises(KeyError):
        BoundedReader({}.__getitem__)("list")


def make_and_remove(mlist_name: str, between) -> None:
    with transaction():
        mlist = create_list(mlist_name)
    between(mlist)
    with transaction():
        remove_list(mlist)


def test_what_a_deleted_list_had_is_forgotten(mailman, mlist, services):
    store = services.list_settings
    store.change(mlist.list_id, {"mode": "v"})

    make_and_remove(
        "gone@lists.example",
        lambda gone: store.change(gone.list_id, {"mode": "s"}),
    )

    assert store.all() == {mlist.list_id: {"mode": "v"}}


def test_a_broken_database_keeps_no_list_from_being_deleted(
    mailman, mlist, services, log
):
    spoil_database(services)

    make_and_remove("gone@lists.example", lambda _: None)

    assert log()[0].startswith(
        "ERROR gone.lists.example: what the list had is still there: database "
    )


def test_lists_are_deleted_as_ever_when_the_settings_are_unusable(
    mailman, mlist, unusable
):
    unusable()

    make_and_remove("gone@lists.example", lambda _: None)


def test_mailman_tells_us_once_of_what_it_deletes(mailman):
    startup.follow_deletions()

    assert subscribers.count(startup._forget_list) == 1


@pytest.mark.parametrize(("program", "made"), [("master", True), ("runner", False)])
def test_only_the_process_that_starts_all_others_opens_the_database(
    program, made, services, tmp_path, monkeypatch
):
    monkeypatch.setattr("sys.argv", [f"/usr/bin/{program}"])

    startup.open_database()

    assert (tmp_path / "arc.db").exists() is made


def test_a_database_that_cannot_be_opened_is_told_at_the_start(
    services, monkeypatch, log
):
    spoil_database(services)
    monkeypatch.setattr("sys.argv", ["master"])

    startup.open_database()

    assert log()[0].startswith("ERROR lists have no settings of their own: database ")


def test_without_usable_settings_nothing_is_opened(unusable, monkeypatch):
    unusable()
    monkeypatch.setattr("sys.argv", ["master"])

    startup.open_database()
