"""Settings that lists have of their own, in each kind of database."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, inspect, select, text
from sqlalchemy.engine import URL

from mailman_arc.adapters.store import engine as store_engine
from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.engine import make_engine, parse_url, sqlite_url
from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.historyrows import Arrived, Filters
from mailman_arc.adapters.store.listsettings import ListSettingsStore
from mailman_arc.adapters.store.schema import (
    LIST_ID_LENGTH,
    LIST_SETTING,
    METADATA,
    VERSION_TABLE,
)
from mailman_arc.adapters.store.sqlitefile import make_file
from tests.house.servers import SERVERS, empty_database, prepare


ROOT = Path(__file__).resolve().parents[2]
NOW = 1_800_000_000
LIST, OTHER = "ann.lists.example", "bee.lists.example"
CHANGED_AT = datetime(2027, 1, 15, 8, 0)  # noqa: DTZ001  # as it is there
PROCESSES = 8
AS_ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture(params=["sqlite", *SERVERS])
def url(request, tmp_path, servers) -> URL:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "arc.db")
    return empty_database(servers(request.param).url, "arc_test")


@pytest.fixture
def database(url) -> Iterator[Database]:
    with closing(Database(url)) as opened:
        yield opened


@pytest.fixture
def store(database) -> ListSettingsStore:
    return ListSettingsStore(database, lambda: NOW)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "arc.db"


@pytest.fixture
def in_file(file) -> ListSettingsStore:
    return ListSettingsStore(Database(sqlite_url(file)))


# What lists have


def test_a_list_without_anything_of_its_own_inherits_all(store):
    assert store.values(LIST) == {}
    assert store.all() == {}


def test_a_list_has_what_it_was_given(store):
    store.change(LIST, {"mode": "v", "identity": ""})
    store.change(OTHER, {"mode": "none"})

    assert store.values(LIST) == {"mode": "v", "identity": ""}
    assert store.all() == {
        LIST: {"mode": "v", "identity": ""},
        OTHER: {"mode": "none"},
    }


def test_a_change_leaves_the_rest_as_it_was(store):
    store.change(LIST, {"mode": "v", "shadow": "yes", "identity": "press"})
    store.change(LIST, {"mode": "s", "shadow": None, "signature_ttl": None})

    assert store.values(LIST) == {"mode": "s", "identity": "press"}


def test_a_list_that_is_forgotten_has_nothing_and_others_keep_theirs(store):
    store.change(LIST, {"mode": "v", "shadow": "yes"})
    store.change(OTHER, {"mode": "v"})

    store.forget(LIST)

    assert store.all() == {OTHER: {"mode": "v"}}


def test_the_time_of_the_last_change_is_kept_in_utc(store, database):
    store.change(LIST, {"mode": "v"})

    with database.transaction() as connection:
        [when] = connection.execute(select(LIST_SETTING.c.changed_at)).scalars()

    assert when == CHANGED_AT


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("ann.lists.example", "Ann.lists.example"),
        ("a.lists.example", "\xe4.lists.example"),
        ("x" * LIST_ID_LENGTH, "x" * (LIST_ID_LENGTH - 1)),
    ],
)
def test_lists_are_the_same_only_when_their_octets_are(one, another, store):
    store.change(one, {"mode": "v"})
    store.change(another, {"mode": "s"})

    assert store.values(one) == {"mode": "v"}
    assert store.values(another) == {"mode": "s"}


@pytest.mark.parametrize("value", ["", "\U0001f511 \xfc", "x" * 20_000, "%s '\"\\"])
def test_a_value_is_read_as_it_was_written(value, store):
    store.change(LIST, {"sign_headers": value})

    assert store.values(LIST) == {"sign_headers": value}


def test_a_change_is_done_as_a_whole_or_not_at_all(store):
    store.change(LIST, {"mode": "v"})

    with pytest.raises(StoreError):
        store.change(LIST, {"mode": "s", "shadow": "\ud800"})

    assert store.values(LIST) == {"mode": "v"}


def test_many_write_and_read_at_once(database):
    def work(number: int) -> None:
        store = ListSettingsStore(database)
        for turn in range(10):
            store.change(LIST, {"mode": f"{number}", "shadow": f"{number}"})
            store.change(LIST, {f"own{number}": f"{turn}", "identity": None})
            seen = store.values(LIST)
            assert seen["mode"] == seen["shadow"]

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(work, range(PROCESSES)))

    last = ListSettingsStore(database).values(LIST)
    assert {last[f"own{number}"] for number in range(PROCESSES)} == {"9"}


# How the tables come to be


def test_what_the_revisions_make_is_what_the_code_expects(database):
    with database.transaction() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, METADATA) == []


def test_tables_of_the_version_before_are_brought_up_to_date(url, database, store):
    from mailman_arc.adapters.store import upgrade

    older = make_engine(url)
    with older.begin() as connection:
        upgrade._migrate(connection, "0001")
        row = {"list_id": LIST, "name": "mode", "value": "v", "changed_at": CHANGED_AT}
        connection.execute(insert(LIST_SETTING), row)
    older.dispose()

    assert store.values(LIST) == {"mode": "v"}
    history = HistoryStore(database)
    history.write([Arrived(entry_id=1, list_id=LIST, arrived_at=NOW)])
    assert history.count(LIST, Filters()).total == 1


def test_many_processes_may_find_an_empty_database_at_once(url, store):
    forking = multiprocessing.get_context("fork")
    all_there = forking.Barrier(PROCESSES)

    def work(number: int) -> None:
        mine = ListSettingsStore(Database(url))
        all_there.wait()
        mine.change(LIST, {f"name{number}": ""})

    children = [forking.Process(target=work, args=(n,)) for n in range(PROCESSES)]
    for child in children:
        child.start()
    for child in children:
        child.join()

    assert [child.exitcode for child in children] == [0] * PROCESSES
    assert len(store.values(LIST)) == PROCESSES


def test_many_threads_may_make_databases_at_once(tmp_path):
    all_there = threading.Barrier(PROCESSES)

    def work(number: int) -> dict[str, str]:
        mine = ListSettingsStore(Database(sqlite_url(tmp_path / f"{number}.db")))
        all_there.wait()
        mine.change(LIST, {"mode": "v"})
        return mine.values(LIST)

    with ThreadPoolExecutor(PROCESSES) as threads:
        found = list(threads.map(work, range(PROCESSES)))

    assert found == [{"mode": "v"}] * PROCESSES


def test_mailmans_own_tables_and_version_are_left_alone(url, store):
    engine = create_engine(url, future=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num CHAR(12))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('d4fbb4fd34ca')"))
    store.change(LIST, {"mode": "v"})

    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM alembic_version")).all() == [
            ("d4fbb4fd34ca",)
        ]
        names = set(inspect(connection).get_table_names())
    engine.dispose()

    assert names == {"alembic_version", VERSION_TABLE, *METADATA.tables}
    assert all(name.startswith("arc_") for name in names - {"alembic_version"})


def test_tables_of_a_newer_version_are_not_touched(url, database, store):
    store.change(LIST, {"mode": "v"})
    with database.transaction() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    with pytest.raises(StoreError, match="another version of mailman_arc") as caught:
        ListSettingsStore(Database(url)).values(LIST)

    assert "(9999; this one knows " in str(caught.value)


def test_tables_left_half_made_are_told_with_a_way_out(url, database):
    engine = create_engine(url, future=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE arc_list_setting (x INTEGER)"))
    engine.dispose()

    with pytest.raises(StoreError, match="if an upgrade was interrupted before"):
        database.open()


def test_one_that_changes_the_tables_keeps_the_others_waiting(url, monkeypatch):
    from mailman_arc.adapters.store import upgrade

    monkeypatch.setattr(upgrade, "LOCK_TIMEOUT", 1)
    monkeypatch.setattr(store_engine, "LOCK_TIMEOUT", 1)
    holder = make_engine(url, patient=True)
    with closing(Database(url)) as database, holder.connect() as connection:
        upgrade._lock(connection)
        with pytest.raises(StoreError, match=r"lock|another process"):
            database.open()
        connection.rollback()
        connection.invalidate()

        database.open()


def test_a_database_that_came_new_is_made_ready_by_the_second_try(in_file, file):
    in_file.change(LIST, {"mode": "v"})
    for each in file.parent.glob("arc.db*"):
        each.unlink()

    with pytest.raises(StoreError, match="no such table"):
        in_file.values(LIST)

    assert in_file.values(LIST) == {}


# What can be wrong


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_has_stopped_is_told(kind):
    server = prepare(kind)
    with server:
        store = ListSettingsStore(Database(server.url))
        store.change(LIST, {"mode": "v"})
        if kind == "postgresql":  # else it waits until we have disconnected
            server._process.send_signal(signal.SIGINT)

    with pytest.raises(StoreError, match="see that the server runs") as caught:
        store.values(LIST)

    assert f"database {server.url.partition('?')[0]}: " in str(caught.value)


def test_a_connection_is_not_shared_with_a_child(store):
    store.change(LIST, {"mode": "v"})
    child = os.fork()
    if child == 0:
        good = store.values(LIST) == {"mode": "v"}
        store._database.close()
        os._exit(0 if good else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert store.values(LIST) == {"mode": "v"}


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"rubbish " * 1000, "file is not a database; put a backup in its place"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "put a backup in its place"),
    ],
)
def test_a_file_that_is_no_database_is_told(octets, problem, in_file, file):
    file.write_bytes(octets)

    for _ in range(2):
        with pytest.raises(StoreError, match=problem) as caught:
            in_file.values(LIST)
        assert str(caught.value).startswith(f"database {file}: ")


def test_a_directory_that_is_not_there_is_told(tmp_path):
    store = ListSettingsStore(Database(sqlite_url(tmp_path / "none/arc.db")))

    with pytest.raises(StoreError, match="Mailman's user must be able to"):
        store.values(LIST)


READER = """\
import os, sys
sys.path.insert(0, os.getcwd())
from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.historyrows import Arrived, Filters
from mailman_arc.adapters.store.listsettings import ListSettingsStore
import sqlalchemy.dialects.sqlite.pysqlite, mailman_arc.adapters.store.upgrade
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
store = ListSettingsStore(Database(f"sqlite:///{sys.argv[1]}"))
try:
    store.change("list", {"mode": "v"})
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("is_there", [True, False])
def test_a_directory_that_must_not_be_written_is_told(is_there, in_file, file):
    if is_there:
        in_file.change(LIST, {"mode": "v"})
        file.chmod(0o444)
    for directory in file.parents[:3]:
        directory.chmod(0o755)
    file.parent.chmod(0o555)
    try:
        said = subprocess.run(
            [sys.executable, "-c", READER, str(file)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        file.parent.chmod(0o755)

    assert said.stdout.startswith(f"database {file}: "), said.stderr
    assert "; Mailman's user must be able to read and write" in said.stdout


@pytest.mark.skipif(not AS_ROOT, reason="only root can mount a small disk")
def test_a_full_disk_is_told_and_what_was_there_can_be_read(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system does not allow to mount anything")
    try:
        with closing(Database(sqlite_url(disk / "arc.db"))) as database:
            store = ListSettingsStore(database)
            store.change(LIST, {"mode": "v"})
            much = {f"name{number}": "x" * 50_000 for number in range(20)}
            with pytest.raises(StoreError, match="full; make room on its disk"):
                store.change(OTHER, much)
            assert store.values(LIST) == {"mode": "v"}
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("directory", "mode"), [(0o700, 0o600), (0o755, 0o600), (0o2775, 0o660)]
)
def test_the_file_has_the_rights_that_its_directory_asks_for(
    directory, mode, tmp_path, in_file, file
):
    tmp_path.chmod(directory)
    umask = os.umask(0)
    try:
        in_file.change(LIST, {"mode": "v"})
    finally:
        os.umask(umask)

    files = {
        each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()
    }
    assert files == dict.fromkeys(("arc.db", "arc.db-wal", "arc.db-shm"), mode)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
def test_a_file_that_root_makes_belongs_to_the_owner_of_the_directory(tmp_path, file):
    os.chown(tmp_path, NOBODY, NOBODY)

    make_file(file)

    assert (file.stat().st_uid, file.stat().st_gid) == (NOBODY, NOBODY)


def test_a_backup_that_takes_the_place_of_the_file_is_used(in_file, file, tmp_path):
    backup = tmp_path / "backup.db"
    with closing(Database(sqlite_url(backup))) as other:
        ListSettingsStore(other).change(LIST, {"mode": "s"})
    in_file.change(LIST, {"mode": "v"})

    for each in tmp_path.glob("arc.db-*"):
        each.unlink()
    backup.rename(file)

    assert in_file.values(LIST) == {"mode": "s"}


def test_a_file_that_is_there_is_not_replaced(in_file, file):
    in_file.change(LIST, {"mode": "v"})

    make_file(file)

    assert in_file.values(LIST) == {"mode": "v"}


def test_readers_do_not_wait_for_a_writer(in_file, file):
    in_file.change(LIST, {"mode": "v"})
    with closing(Database(sqlite_url(file))) as other, other.transaction() as writer:
        writer.execute(text("UPDATE arc_list_setting SET value = 's'"))

        assert in_file.values(LIST) == {"mode": "v"}

    assert in_file.values(LIST) == {"mode": "s"}


BAD_URLS = (
    ("postgresql+psycopg2://u:secret@h:port/n", "should be like postgresql+psycopg2:"),
    ("no url, but secret", "should be like postgresql+psycopg2:"),
    ("postgresql+nosuch://u:secret@h/n", "there is no driver 'postgresql+nosuch'"),
    ("postgresql+asyncpg://u:secret@h/n", "there is no driver 'postgresql+asyncpg'"),
    ("oracle://u:secret@h/n", "there is no driver 'oracle'"),
    ("sqlite:///arc.db", "name the file by its full path"),
    ("sqlite://", "name the file by its full path"),
    ("mysql+pymysql://u:secret@127.0.0.1:1/n?charset=utf8", "database mysql+pymysql"),
    ("postgresql://u:secret@127.0.0.1:1/n?password=secret", "database postgresql://u"),
)


@pytest.mark.parametrize(("bad", "problem"), BAD_URLS)
def test_a_url_that_cannot_be_used_is_told_without_the_password(bad, problem):
    with pytest.raises(StoreError) as caught:
        Database(bad).open()

    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given", ["postgresql+psycopg2://u@h/n", "mysql+pymysql://u@h/n"]
)
def test_nobody_waits_for_a_server_for_long(given):
    seen: dict[str, Any] = {}
    engine = make_engine(parse_url(given))

    @store_engine.event.listens_for(engine, "do_connect")
    def _(_dialect, _record, _words, arguments):
        seen.update(arguments)
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # our own
        engine.connect()

    assert seen["connect_timeout"] == store_engine.CONNECT_TIMEOUT
    limits = {seen.get("read_timeout"), seen.get("tcp_user_timeout")}
    answer = store_engine.ANSWER_TIMEOUT
    assert limits & {answer, answer * 1000}
