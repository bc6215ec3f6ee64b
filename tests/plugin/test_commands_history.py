"""`mailman arc history`, `show`, `stats`, `purge`, `export` and `metrics`."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mailman.config import config
from mailman.interfaces.requests import IListRequests, RequestType

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.plugin.commands import arc_export
from mailman_arc.plugin.commands.arc_base import Progress
from mailman_arc.plugin.commands.cli_arc import arc
from mailman_arc.plugin.history import message_id_hash
from mailman_arc.plugin.historylist import ENTRY_NAMES
from mailman_arc.plugin.metrics import metric_lines
from mailman_arc.plugin.wiring import Services
from tests.plugin.historyrows import (
    DETAILS,
    NOON,
    arrived,
    entry_id,
    held,
    left,
    posted,
)


LIST = "list@lists.example"
LIST_ID = "list.lists.example"
COMMANDS = {
    "history": ["history", LIST],
    "show": ["show", LIST, "1"],
    "stats": ["stats", LIST],
    "purge": ["purge", LIST, "--all"],
    "export": ["export", LIST],
    "metrics": ["metrics"],
}


@pytest.fixture
def site(mailman, mlist, services) -> Services:
    """A Mailman with one list, and the plugin enabled."""
    return services


@pytest.fixture
def write(site):
    """Write rows into the history."""

    def write(*rows: Any) -> None:
        assert site.storage.history.write(rows) == ()

    return write


@pytest.fixture
def broken(site, tmp_path) -> Path:
    """The database is not one."""
    (tmp_path / "arc.db").write_bytes(b"nonsense" * 1000)
    return tmp_path / "arc.db"


def run(*words: object) -> Result:
    done = CliRunner().invoke(arc, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def good(*words: object) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def from_json(*words: object) -> Any:
    return json.loads(good(*words, "--format", "json"))


def failed(status: int, *words: object) -> str:
    done = run(*words)
    assert done.exit_code == status, done.output
    return done.output


# history


def test_posts_are_listed_the_newest_first(write):
    write(
        *posted(LIST_ID, 0),
        arrived(LIST_ID, 1, verdict="vouched"),
        left(LIST_ID, 1, sealed=False, unsealed="no usable key", instance=None),
        arrived(LIST_ID, 2, author="", subject="", verdict=""),
        held(LIST_ID, 2),
        arrived(LIST_ID, 3, author="", author_domain="", verdict="unchecked"),
    )

    assert good("history", LIST).splitlines() == [
        f"{entry_id(3)} 2026-06-01 12:00:03 UTC - 'Hello 3': unchecked, arrived",
        f"{entry_id(2)} 2026-06-01 12:00:02 UTC author.example: not judged, held",
        f"{entry_id(1)} 2026-06-01 12:00:01 UTC ann@author.example 'Hello 1': vouched, "
        "not sealed: no usable key",
        f"{entry_id(0)} 2026-06-01 12:00:00 UTC ann@author.example 'Hello 0': "
        "confirmed, sealed i=1 cv=none",
        "1 to 4 of 4 posts",
    ]


def test_a_page_of_posts(write):
    write(*(arrived(LIST_ID, number) for number in range(25)))

    assert good("history", LIST).splitlines()[-1] == "1 to 20 of 25 posts"
    second = good("history", LIST_ID, "-c", 10, "--page", 3).splitlines()
    assert second[-1] == "21 to 25 of 25 posts"
    assert second[0].startswith(f"{entry_id(4)} ")
    assert good("history", LIST, "--count", 0) == ""
    assert good("history", LIST, "--page", 9) == ""


def test_no_posts(site):
    assert good("history", LIST) == "No matching posts found\n"
    assert from_json("history", LIST)["entries"] == []


def test_posts_are_filtered_as_by_rest(write):
    write(
        *posted(LIST_ID, 0, verdict="vouched", author_domain="b.example", dkim="fail"),
        arrived(LIST_ID, 1),
    )

    for words in (
        ("--verdict", "vouched"),
        ("--from-domain", "B.example"),
        ("--dkim", "fail"),
        ("--sealed", "yes"),
        ("--disposition", "posted"),
        ("--until", "2026-06-01T12:00:01"),
        ("--query", "hello 0"),
        ("--message-id-hash", message_id_hash("0@author.example")),
        ("--spf", "pass", "--dmarc", "pass", "--arc", "none", "--verdict", "vouched"),
        ("--since", "2026-06-01", "--verdict", "vouched"),
    ):
        told = from_json("history", LIST, *words)
        assert [each["entry_id"] for each in told["entries"]] == [str(entry_id(0))]
        assert told["total"] == 1


def test_more_posts_than_are_looked_at(write, monkeypatch):
    monkeypatch.setattr("mailman_arc.adapters.store.historyread.SEARCH_WINDOW", 3)
    write(*(arrived(LIST_ID, number) for number in range(5)))

    assert good("history", LIST).endswith(
        "1 to 3 of 3 posts\n"
        "Searched back to 2026-06-01 12:00:02 UTC only; --until shows older ones\n"
    )
    told = from_json("history", LIST)
    assert told["searched_since"] == "2026-06-01T12:00:02"
    assert told["is_complete"] is False


def test_a_post_as_rest_tells_it(write):
    write(*posted(LIST_ID))

    told = from_json("history", LIST)

    assert tuple(told["entries"][0]) == ENTRY_NAMES
    assert told["entries"][0]["left_at"] == "2026-06-01T12:00:01"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--verdict", "ok"], "--verdict: it must be one of confirmed, vouched, unc"),
        (["--since", "soon"], "--since: it must be a date or a date and time in UTC"),
        (["--query", "x" * 201], "--query: it must be at most 200 printable char"),
        (["--message-id-hash", "x"], "--message-id-hash: it must be a Message-ID-Hash"),
        (["--count", "1001"], "'--count'"),
        (["--page", "0"], "'--page'"),
    ],
)
def test_filters_that_cannot_be_meant(words, problem, site):
    assert problem in failed(2, "history", LIST, *words)
    if "--count" not in words and "--page" not in words:
        assert problem in failed(2, "export", LIST, *words)


# show


def test_the_story_of_a_post(write):
    write(
        arrived(LIST_ID, results="lists.example;\n\tdkim=pass header.d=author.example"),
        held(LIST_ID),
        left(LIST_ID, remarks="at risk on the way: 8-bit text"),
    )

    assert good("show", LIST, entry_id(0)).splitlines() == [
        f"Post {entry_id(0)} to list.lists.example",
        "  From: ann@author.example",
        "  Subject: Hello 0",
        "  Message-ID: <0@author.example>",
        "",
        "What arrived, 2026-06-01 12:00:00 UTC",
        "  Confirmed: it comes from author.example.",
        "  The message comes from whom it says it does.",
        "  [good] The domain is author.example. (RFC 9989 §5.3)",
        "  [good] It holds.",
        "  [none] There is no chain.",
        "  i=1: relay.example (key k1, 2026-06-01 11:59:58 UTC), cv=none",
        "      recorded dmarc=pass header.from=author.example",
        "      ARC-Seal: [good] It is good.",
        "  mx.lists.example says (believed: in trusted_authserv_ids):",
        "      spf=pass smtp.mailfrom=author.example",
        "  Note: [none] The lines are long. (RFC 5322 §2.1.1)",
        "",
        "What we said",
        "  arc=none, dkim=pass, spf=pass, dmarc=pass",
        "  lists.example;",
        "  dkim=pass header.d=author.example",
        "",
        "What became of it",
        "  It was posted.",
        "",
        "What left, 2026-06-01 12:00:01 UTC",
        "  2 copies for 3 recipients.",
        "  Sealed: i=1 cv=none, by lists.example with the key arc.",
        "  Note: at risk on the way: 8-bit text.",
    ]


STORIES = {
    "not judged": (
        [arrived(LIST_ID, verdict="", dkim="", spf="", arc="", dmarc="")],
        ["  It was not judged.\n", "What we said\n  nothing\n"],
    ),
    "vouched for": (
        [arrived(LIST_ID, verdict="vouched")],
        ["  Vouched for: that it comes from author.example cannot be confirmed any"],
    ),
    "not confirmed": (
        [arrived(LIST_ID, verdict="unconfirmed", author_domain="")],
        ["  Not confirmed: it says that it comes from its author's domain, and"],
    ),
    "not checked": (
        [arrived(LIST_ID, verdict="unchecked")],
        ["  Could not be checked: author.example has neither signed it nor said"],
    ),
    "on its way": (
        [arrived(LIST_ID)],
        ["What became of it\n  Mailman has not yet said what it does with it.\n"],
    ),
    "rejected": (
        [arrived(LIST_ID), held(LIST_ID, disposition="rejected")],
        ["  It was returned to its author: The sender is not a member.\n"],
    ),
    "discarded": (
        [arrived(LIST_ID), held(LIST_ID, disposition="discarded", reason="")],
        ["  It was discarded.\n"],
    ),
    "dealt with": (
        [arrived(LIST_ID), held(LIST_ID)],
        [
            "  It was held for a moderator: The sender is not a member.\n"
            "  It is not waiting any more: a moderator has decided.\n"
        ],
    ),
    "held, without a name": (
        [arrived(LIST_ID, message_id="", message_id_hash=""), held(LIST_ID)],
        ["What became of it\n  It was held for a moderator: The sender is not a me"],
    ),
    "not sealed": (
        [
            arrived(LIST_ID),
            left(LIST_ID, sealed=False, unsealed="proof failed", instance=None),
        ],
        ["  2 copies for 3 recipients.\n  Not sealed: proof failed.\n"],
    ),
    "not sealed, nobody knows why": (
        [arrived(LIST_ID), left(LIST_ID, sealed=False, instance=None)],
        ["  Not sealed: nobody said why.\n"],
    ),
    "sealed in part": (
        [
            arrived(LIST_ID),
            left(LIST_ID, sealed=False, unsealed="x", copies=1, recipients=1),
        ],
        [
            "  1 copy for 1 recipient.\n  Sealed: i=1 cv=none, by lists.example with "
            "the key arc.\n  Some copies are not sealed: x.\n"
        ],
    ),
    "details of another version": (
        [
            arrived(
                LIST_ID,
                details=json.dumps(
                    {"hops": 5, "dkim": ["x"], "statements": [{"results": 1}]}
                ),
            )
        ],
        ["  None says (None):\n\nWhat we said"],
    ),
    "a long chain": (
        [arrived(LIST_ID, details=json.dumps({**DETAILS, "hops_left_out": 40}))],
        ["[good] It is good.\n  (not kept: 40 more sets from the middle)\n"],
    ),
    "a chain that has ended": (
        [arrived(LIST_ID, details=json.dumps({"arc_fields": ["ARC-Seal: i=1; ..."]}))],
        ["    ARC-Seal: i=1; ...\n\nWhat we said"],
    ),
    "no details": (
        [arrived(LIST_ID, details="", results="")],
        ["  Confirmed: it comes from author.example.\n\nWhat we said\n  arc=none, "],
    ),
}


@pytest.mark.parametrize(("rows", "said"), STORIES.values(), ids=STORIES)
def test_stories(rows, said, write):
    write(*rows)

    text = good("show", LIST, entry_id(0))

    for each in said:
        assert each in text


def test_a_post_that_waits_for_a_moderator(write, mlist):
    write(arrived(LIST_ID), held(LIST_ID))
    requests = IListRequests(mlist)
    request = requests.hold_request(RequestType.held_message, "<0@author.example>")
    try:
        assert "It is still waiting for one." in good("show", LIST, entry_id(0))
        assert from_json("show", LIST, entry_id(0))["is_waiting"] is True
        assert json.loads(good("export", LIST, "-f", "jsonl"))["is_waiting"] is True
    finally:
        requests.delete_request(request)
        config.db.store.commit()


@pytest.mark.parametrize(
    "name",
    ["<0@author.example>", "0@author.example", message_id_hash("0@author.example")],
)
def test_a_post_by_its_message_id(name, write):
    """Of two the newer one."""
    write(arrived(LIST_ID, 0), arrived(LIST_ID, 5, message_id="<0@author.example>"))

    assert good("show", LIST, name).startswith(f"Post {entry_id(5)} ")


def test_a_story_in_json(write):
    write(*posted(LIST_ID))

    told = from_json("show", LIST, entry_id(0))

    assert tuple(told) == (*ENTRY_NAMES, "results", "details")
    assert told["details"] == DETAILS


@pytest.mark.parametrize(
    "name", ["5", "x@y", "9" * 19, "9" * 5000, "x", "\x1b[2J", "\udc80"]
)
def test_posts_that_are_not_there(name, write):
    write(arrived(LIST_ID))

    output = failed(2, "show", LIST, name)
    assert "No such post: " in output
    assert "\x1b" not in output


HOSTILE = "\x1b]0;gotcha\x07\r\n=cmd|'/c calc'!A1,\u202e\"x\" \U0001f600"


@pytest.mark.parametrize(
    "words",
    [
        *(["history", LIST], ["show", LIST, str(entry_id(0))], ["export", LIST]),
        *(["history", LIST, "-f", "json"], ["export", LIST, "-f", "jsonl"]),
        *(["show", LIST, str(entry_id(0)), "-f", "json"], ["stats", LIST]),
    ],
)
def test_a_strangers_text_is_harmless(words, write):
    write(
        arrived(
            LIST_ID,
            subject=HOSTILE,
            author=HOSTILE,
            author_domain=HOSTILE,
            results=HOSTILE,
            details=json.dumps({"summary": HOSTILE}),
        ),
        held(LIST_ID, reason=HOSTILE),
        left(LIST_ID, sealed=False, unsealed=HOSTILE, remarks=HOSTILE),
    )

    text = good(*words)

    assert text.replace("\r\n", "").replace("\n", "").isprintable()


# stats


def test_numbers(write, monkeypatch):
    monkeypatch.setattr(
        "mailman_arc.plugin.commands.arc_history.time.time", lambda: NOON + 60.0
    )
    write(
        *posted(LIST_ID, 0),
        *posted(LIST_ID, -86400, verdict="unconfirmed", author_domain="b.example"),
        arrived(LIST_ID, 5, verdict="unchecked", author_domain="", arc="fail"),
    )

    def line(name: str, *numbers: object) -> str:
        return f"{name:<24}" + "".join(f" {each:>12}" for each in numbers)

    headings = (
        *("posts", "confirmed", "vouched", "unconfirmed", "unchecked", "sealed"),
        *("unsealed", "broken chain"),
    )
    text = good("stats", LIST, "--days", 7)
    assert text.splitlines()[:4] == [
        line("day", *headings),
        line("2026-05-31", 1, 0, 0, 1, 0, 1, 0, 0),
        line("2026-06-01", 2, 1, 0, 0, 1, 1, 0, 1),
        line("all", 3, 1, 0, 1, 1, 2, 0, 1),
    ]
    assert line("b.example", 1, 0, 0, 1, 0, 1, 0, 0) in text
    assert text.endswith(
        "last post that arrived: 2026-06-01 12:00:05 UTC\n"
        "last post that was sealed: 2026-06-01 12:00:01 UTC\n"
    )
    told = from_json("stats", LIST)
    assert (told["list_id"], told["days"], told["total"]["posts"]) == (LIST_ID, 30, 3)


def test_no_numbers(site):
    assert good("stats", LIST).endswith(
        "last post that arrived: none\nlast post that was sealed: none\n"
    )
    assert "'--days'" in failed(2, "stats", LIST, "--days", 366)


# purge


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (["--all"], 3),
        (["--before", "2026-06-01T12:00:01"], 1),
        (["--author", "BOB@b.example"], 1),
        (["--before", "2026-06-01"], 0),
    ],
)
def test_posts_are_forgotten(words, gone, write):
    write(
        arrived(LIST_ID, 0),
        arrived(LIST_ID, 1, author="bob@b.example"),
        arrived(LIST_ID, 2),
        arrived("other.lists.example", 3),
    )

    assert good("purge", LIST, *words) == f"posts forgotten: {gone}\n"
    assert from_json("history", LIST)["total"] == 3 - gone


@pytest.mark.parametrize(
    "words",
    [
        *([], ["--all", "--author", "a@b"], ["--before", "2026-01-01", "--all"]),
        *(["--author", ""], ["--before", ""], ["--before", "soon"]),
    ],
)
def test_nothing_is_forgotten_by_mistake(words, write):
    write(arrived(LIST_ID, author=""))

    failed(2, "purge", LIST, *words)
    assert from_json("history", LIST)["total"] == 1


# export


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_a_table_of_posts(write):
    write(*posted(LIST_ID, 0), arrived(LIST_ID, 1, subject='a "b", c'))

    text = good("export", LIST)

    assert text.splitlines()[0] == ",".join(ENTRY_NAMES)
    newest, oldest = table(text)
    assert (newest["subject"], newest["sealed"], newest["left_at"]) == (
        *('a "b", c', "", ""),
    )
    assert (oldest["entry_id"], oldest["sealed"]) == (str(entry_id(0)), "yes")
    assert (oldest["arrived_at"], oldest["seal_instance"]) == (
        "2026-06-01T12:00:00",
        "1",
    )


def test_a_table_without_posts_has_its_headings(site):
    assert good("export", LIST) == ",".join(ENTRY_NAMES) + "\n"


@pytest.mark.parametrize(
    ("subject", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),  # as an East Asian Excel reads it
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1+1", "'  =1+1"),
        ("\t=1", r"'\t=1"),
        ("\r=1", r"'\r=1"),
        ("\n=1", r"\n=1"),
        ("1-1", "1-1"),
        ("Hello", "Hello"),
    ],
)
def test_no_cell_is_a_formula(subject, cell):
    assert arc_export._cell(subject) == cell


def test_lines_of_json(write):
    write(*posted(LIST_ID, 0), arrived(LIST_ID, 1))

    newest, oldest = map(
        json.loads, good("export", LIST, "--format", "jsonl").splitlines()
    )

    assert newest["entry_id"] == str(entry_id(1))
    assert tuple(oldest) == (*ENTRY_NAMES, "results", "details")
    assert oldest["details"] == DETAILS


def test_an_export_is_filtered(write):
    write(arrived(LIST_ID, 0, verdict="vouched"), arrived(LIST_ID, 1))

    [post] = table(good("export", LIST, "--verdict", "vouched"))
    assert post["entry_id"] == str(entry_id(0))


def test_an_export_into_a_file_is_for_its_owner_alone(write, tmp_path):
    write(*posted(LIST_ID))
    file = tmp_path / "posts.csv"

    assert good("export", LIST, "--output", file) == ""
    assert len(table(file.read_text())) == 1
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_export_that_breaks_off_leaves_the_file_as_it_was(
    write, site, tmp_path, monkeypatch
):
    write(*(arrived(LIST_ID, number) for number in range(3)))
    file = tmp_path / "posts.csv"
    file.write_text("before")
    posts = site.storage.history.scan(LIST_ID, arc_export.Filters())

    def breaking(*_: object) -> Any:
        yield next(posts)
        raise StoreError("database: gone; try again")

    monkeypatch.setattr(site.storage.history, "scan", breaking)

    assert failed(1, "export", LIST, "-o", file) == "Error: database: gone; try again\n"
    assert file.read_text() == "before"
    assert sorted(
        each.suffix for each in tmp_path.iterdir() if "db" not in each.name
    ) == [".csv"]


def test_an_export_into_a_directory_that_is_not_there(site, tmp_path):
    output = failed(1, "export", LIST, "-o", tmp_path / "no" / "posts.csv")

    assert output.endswith("posts.csv: No such file or directory\n")


def test_an_export_reads_bit_by_bit(write, site, monkeypatch):
    """No more is read before what was read is written."""
    write(*(arrived(LIST_ID, number) for number in range(5)))
    asked = []
    scan = site.storage.history.scan

    def watched(list_id: str, filters: Any) -> Any:
        for post in scan(list_id, filters, 2):
            asked.append(len(written))
            yield post

    written: list[str] = []
    monkeypatch.setattr(site.storage.history, "scan", watched)
    monkeypatch.setattr(
        arc_export,
        "tell_entry",
        lambda post, _: written.append("") or dict.fromkeys(ENTRY_NAMES),
    )
    good("export", LIST)

    assert asked == [0, 1, 2, 3, 4]


# metrics


def test_metrics(write, tmp_path):
    write(
        *posted(LIST_ID, 0),
        arrived(LIST_ID, 1, verdict="vouched", arc="fail"),
        arrived(LIST_ID, 2, verdict=""),
    )
    file = tmp_path / "mailman_arc.prom"

    text = good("metrics")

    assert good("metrics", "--output", file) == ""
    assert file.read_text() == text
    lines = text.splitlines()
    for line in (
        "# TYPE mailman_arc_posts_total counter",
        f'mailman_arc_posts_total{{list="{LIST_ID}",verdict="confirmed"}} 1',
        f'mailman_arc_posts_total{{list="{LIST_ID}",verdict="vouched"}} 1',
        f'mailman_arc_posts_total{{list="{LIST_ID}",verdict="unchecked"}} 0',
        f'mailman_arc_posts_total{{list="{LIST_ID}",verdict="unjudged"}} 1',
        f'mailman_arc_sealed_total{{list="{LIST_ID}",result="sealed"}} 1',
        f'mailman_arc_sealed_total{{list="{LIST_ID}",result="unsealed"}} 0',
        f'mailman_arc_broken_chains_total{{list="{LIST_ID}"}} 1',
        "# TYPE mailman_arc_key_dns_ok gauge",
    ):
        assert line in lines, line


def test_metrics_of_all_lists_together(write):
    write(
        arrived(LIST_ID, 0),
        arrived("other.lists.example", 1),
        arrived("other.lists.example", 2, arc="fail"),
    )

    lines = good("metrics", "--no-lists").splitlines()

    assert 'mailman_arc_posts_total{verdict="confirmed"} 3' in lines
    assert 'mailman_arc_posts_total{verdict="vouched"} 0' in lines
    assert "mailman_arc_broken_chains_total 1" in lines
    assert not any("list=" in each for each in lines)


def test_metrics_of_keys(install):
    services = install(selector="", key_file="")
    key = services.key_store.new("lists.example", "k1", NOON, key_type="ed25519")
    labels = '{domain="lists.example",selector="k1"}'

    before = metric_lines(services)
    services.key_watch._memory.note(
        "k1._domainkey.lists.example",
        _digest(services, str(key.path)),
        NOON,
        is_shown=True,
    )
    after = metric_lines(services)

    assert f"mailman_arc_key_dns_ok{labels} 0" in before
    assert f"mailman_arc_key_dns_ok{labels} 1" in after
    [age] = [each for each in after if each.startswith("mailman_arc_key_age_seconds{")]
    assert int(age.split()[-1]) > 0


def _digest(services: Services, path: str) -> str:
    from mailman_arc.adapters.keywatch import _digest as digest

    return digest(services.keys.get(path).verifying_key)


def test_metrics_of_keys_that_cannot_be_used(install, tmp_path):
    unusable = install(key_file="/nonexistent")
    assert (
        'mailman_arc_key_dns_ok{domain="lists.example",selector="arc"} 0'
        in metric_lines(unusable)
    )

    (tmp_path / "file").touch()
    assert not any(
        "key_" in each
        for each in metric_lines(install(key_directory=str(tmp_path / "file")))
    )


def test_labels_are_quoted(install):
    services = install(domain="", selector="", key_file="", authserv_id="x")
    hostile = 'a"b\\c\nd.example'
    services.storage.history.write([arrived(hostile)])

    lines = metric_lines(services)

    assert r'mailman_arc_broken_chains_total{list="a\"b\\c\nd.example"} 0' in lines
    assert not any("\n" in each for each in lines)


# All of them


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_without_a_database_each_says_so(words, broken):
    output = failed(1, *words)

    assert f"Error: database {broken}: file is not a database; put a" in output


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_without_settings_each_says_so(words, site, unusable):
    unusable()

    assert failed(1, *words) == (
        "Error: arc.cfg cannot be used; `mailman arc check` says why\n"
    )


@pytest.mark.parametrize("name", [each for each in COMMANDS if each != "metrics"])
def test_there_has_to_be_such_a_list(name, site):
    words = [each.replace(LIST, "x@lists.example") for each in COMMANDS[name]]

    assert "No such list: x@lists.example" in failed(2, *words)


def test_the_database_is_left_free(write, tmp_path):
    """No command keeps a transaction open, in which others could not write."""
    write(*(arrived(LIST_ID, number) for number in range(5)))
    for words in COMMANDS.values():
        run(*words)

    with closing(sqlite3.connect(tmp_path / "arc.db", timeout=0)) as connection:
        connection.execute("DELETE FROM arc_list_setting")
        connection.commit()


# Progress


class Terminal:
    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_progress_is_shown_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    with Progress("{} posts") as progress:
        progress.tell(1000)
        progress.tell(2000)

    assert terminal.text == "\r1000 posts\r2000 posts\r\x1b[K"


def test_progress_is_not_shown_elsewhere(capsys):
    with Progress("{} posts") as progress:
        progress.tell(1000)

    assert capsys.readouterr().err == ""


def test_an_export_tells_how_far_it_is(write, monkeypatch):
    monkeypatch.setattr(arc_export, "_TOLD_EVERY", 2)
    write(*(arrived(LIST_ID, number) for number in range(5)))
    told = []
    monkeypatch.setattr(Progress, "tell", lambda self, number: told.append(number))

    good("export", LIST)

    assert told == [2, 4]
