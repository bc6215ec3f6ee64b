"""REST: the history of a list, its numbers, its state, and numbers of the site."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from falcon import testing
from mailman.config import config
from mailman.interfaces.listmanager import IListManager
from mailman.interfaces.requests import IListRequests, RequestType
from mailmanclient.restbase.base import RESTDict
from mailmanclient.restbase.connection import Connection
from mailmanclient.restbase.page import Page
from zope.component import getUtility

from mailman_arc.plugin.history import message_id_hash
from mailman_arc.plugin.historyfilters import FILTERS
from mailman_arc.plugin.historylist import ENTRY_NAMES
from mailman_arc.plugin.rest import stats
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
from tests.plugin.restclient import BAD, DOWN, MISSING, Client


LIST_ID = "news.press.example"
NEWS = f"lists/{LIST_ID}"
HISTORY = f"{NEWS}/history"
OTHER = "talk.press.example"
HERE = "http://localhost:8001/3.1/plugins/arc"
PLACES = [
    *(HISTORY, f"{HISTORY}/count", f"{HISTORY}/{entry_id(0)}"),
    *(f"{NEWS}/stats", f"{NEWS}/status", "metrics"),
]
NO_HISTORY = "the history cannot be read now; `mailman arc doctor` says what helps"


@pytest.fixture
def services(install) -> Services:
    return install()


@pytest.fixture
def rest(application, services) -> Client:
    return Client(application)


@pytest.fixture
def write(services):
    """Write rows into the history."""

    def write(*rows: Any) -> None:
        assert services.storage.history.write(rows) == ()

    return write


@pytest.fixture
def broken(rest, services, tmp_path) -> Client:
    """The database is not one."""
    (tmp_path / "arc.db").write_bytes(b"nonsense" * 1000)
    return rest


def shown(found: Any) -> list[int]:
    """How many seconds after noon each post of an answer came, in its order."""
    return [
        round(int(each["entry_id"]) / (1000 << 21) - NOON)
        for each in found.get("entries", [])
    ]


# A page


def test_a_post_with_all_there_is_to_know(rest, write):
    write(*posted(LIST_ID))

    found = rest.get(HISTORY)

    assert (found["start"], found["total_size"], found["is_complete"]) == (0, 1, True)
    [line] = found["entries"]
    assert line.pop("http_etag")
    assert set(line) == {*ENTRY_NAMES, "self_link"}
    assert line == {
        "entry_id": str(entry_id(0)),
        "list_id": LIST_ID,
        "arrived_at": "2026-06-01T12:00:00",
        "message_id_hash": message_id_hash("0@author.example"),
        "message_id": "<0@author.example>",
        "author_domain": "author.example",
        "author": "ann@author.example",
        "subject": "Hello 0",
        "verdict": "confirmed",
        "dkim": "pass",
        "spf": "pass",
        "dmarc": "pass",
        "arc": "none",
        "disposition": "posted",
        "disposition_reason": "",
        "is_waiting": False,
        "sealed": True,
        "unsealed_reason": "",
        "left_at": "2026-06-01T12:00:01",
        "seal_instance": 1,
        "seal_domain": "lists.example",
        "seal_selector": "arc",
        "seal_chain_status": "none",
        "copies": 2,
        "seals": 1,
        "recipients": 3,
        "remarks": "",
        "self_link": f"{HERE}/{HISTORY}/{entry_id(0)}",
    }


def test_an_entry_has_what_was_found_as_well(rest, write):
    write(*posted(LIST_ID))

    found = rest.get(f"{HISTORY}/{entry_id(0)}")

    assert found["results"] == "lists.example; dkim=pass header.d=author.example"
    assert found["details"] == DETAILS
    assert found["self_link"] == f"{HERE}/{HISTORY}/{entry_id(0)}"
    assert set(found) == {*ENTRY_NAMES, "results", "details", "self_link", "http_etag"}


@pytest.mark.parametrize("details", ["", "{", "[]", "[" * 5000, "null"])
def test_details_that_were_not_kept_are_an_empty_object(details, rest, write):
    write(arrived(LIST_ID, details=details, results=""))

    found = rest.get(f"{HISTORY}/{entry_id(0)}")
    assert (found["details"], found["results"]) == ({}, "")


def test_a_post_that_has_not_left(rest, write):
    write(arrived(LIST_ID))

    [line] = rest.get(HISTORY)["entries"]
    assert (line["disposition"], line["sealed"]) == ("arrived", None)
    assert (line["left_at"], line["seal_instance"]) == (None, None)


def test_the_newest_come_first_a_page_at_a_time(rest, write):
    write(*(arrived(LIST_ID, number) for number in range(5)), arrived(OTHER, 9))

    assert shown(rest.get(HISTORY)) == [4, 3, 2, 1, 0]
    assert shown(rest.get(f"{HISTORY}?count=2&page=2")) == [2, 1]
    assert rest.get(f"{HISTORY}?count=2&page=2")["start"] == 2
    assert shown(rest.get(f"{HISTORY}?count=2")) == [4, 3]
    assert "entries" not in rest.get(f"{HISTORY}?count=2&page=4")
    assert "entries" not in rest.get(f"{HISTORY}?count=1000&page=999999999")


@pytest.mark.parametrize("query", ["count=0&page=1", "count=0"])
def test_the_size_alone(query, rest, write):
    write(arrived(LIST_ID), arrived(LIST_ID, 1))

    found = rest.get(f"{HISTORY}?{query}")

    del found["http_etag"]
    assert found == {"start": 0, "total_size": 2, "is_complete": True}


def test_a_list_of_which_nothing_is_known(rest):
    found = rest.get(HISTORY)

    assert (found["total_size"], found["is_complete"]) == (0, True)
    assert "entries" not in found


def test_a_list_by_its_address(rest, write):
    write(arrived(LIST_ID))

    found = rest.get("lists/news@press.example/history")
    assert found["entries"][0]["self_link"] == f"{HERE}/{HISTORY}/{entry_id(0)}"


def test_more_posts_than_are_looked_at(rest, write, monkeypatch):
    monkeypatch.setattr("mailman_arc.adapters.store.historyread.SEARCH_WINDOW", 3)
    write(*(arrived(LIST_ID, number) for number in range(5)))

    for path in (HISTORY, f"{HISTORY}/count"):
        found = rest.get(path)
        assert found["is_complete"] is False
        assert found["searched_since"] == "2026-06-01T12:00:02"
        assert found.get("total_size", found.get("count")) == 3


def test_a_hostile_text_is_only_text(rest, write):
    subject = '</script>\x1b[2J\u202e"\\ \U0001f600'
    write(arrived(LIST_ID, subject=subject, author='"<x>"@author.example'))

    result = rest("GET", HISTORY)

    assert result.json["entries"][0]["subject"] == subject
    assert "\x1b" not in result.text
    assert result.headers["content-type"].startswith("application/json")


# Filters

POSTS = [
    *posted(LIST_ID, 0),
    arrived(LIST_ID, 86400, verdict="vouched", dkim="fail", dmarc="fail", arc="pass"),
    left(LIST_ID, 86400, sealed=False, unsealed="no usable key", instance=None),
    arrived(LIST_ID, 2 * 86400, verdict="unconfirmed", author_domain="b.example"),
    held(LIST_ID, 2 * 86400),
    arrived(LIST_ID, 3 * 86400, verdict="unchecked", spf="softfail", arc="unjudged"),
    held(LIST_ID, 3 * 86400, disposition="discarded"),
]


@pytest.mark.parametrize(
    ("filters", "days"),
    [
        ({}, [3, 2, 1, 0]),
        ({"verdict": "vouched"}, [1]),
        ({"from_domain": "B.example"}, [2]),
        ({"dkim": "fail"}, [1]),
        ({"spf": "softfail"}, [3]),
        ({"dmarc": "pass"}, [3, 2, 0]),
        ({"arc": "unjudged"}, [3]),
        ({"sealed": "yes"}, [0]),
        ({"sealed": "False"}, [1]),
        ({"disposition": "held"}, [2]),
        ({"disposition": "posted", "sealed": "no"}, [1]),
        ({"q": "HELLO 86400"}, [1]),
        ({"q": "ann@"}, [3, 2, 1, 0]),
        ({"q": "%"}, []),
        ({"message_id_hash": message_id_hash("<0@author.example>")}, [0]),
        ({"message_id_hash": message_id_hash("<0@author.example>").lower()}, [0]),
        ({"since": "2026-06-03"}, [3, 2]),
        ({"since": "2026-06-03T12:00:01"}, [3]),
        ({"until": "2026-06-02"}, [1, 0]),
        ({"until": "2026-06-02T12:00:00"}, [0]),
        ({"until": "2026-06-02T12:00:01Z"}, [1, 0]),
        ({"until": "2026-06-02T14:00:01+02:00"}, [1, 0]),
        ({"since": "2026-06-02", "until": "2026-06-02"}, [1]),
        ({"since": "0001-01-01", "until": "9999-12-31"}, [3, 2, 1, 0]),
        ({"verdict": "", "sealed": "", "since": "", "q": ""}, [3, 2, 1, 0]),
    ],
)
def test_which_posts_are_wanted(filters, days, rest, write):
    write(*POSTS)
    query = urlencode(filters)

    found = rest.get(f"{HISTORY}?{query}&count=10&page=1")

    assert [each // 86400 for each in shown(found)] == days
    assert found["total_size"] == len(days)
    count = rest.get(f"{HISTORY}/count?{query}")
    del count["http_etag"]
    assert count == {"count": len(days), "is_complete": True}


RESULTS = "none, pass, fail, softfail, policy, neutral, temperror, permerror"
TIME = (
    "it must be a date or a date and time in UTC, such as 2026-11-30 or "
    "2026-11-30T18:00:00."
)
DISPOSITIONS = "it must be one of arrived, held, rejected, discarded, posted."


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("since", "yesterday", TIME),
        ("since", "2026-13-01", TIME),
        ("since", "2026-06-01T25:00", TIME),
        ("until", "1", TIME),
        ("until", "2026-06-31", TIME),
        ("until", "\u0662\u0660\u0662\u0666-06-01", TIME),
        ("until", "9" * 5000, TIME),
        (
            "verdict",
            "ok",
            "it must be one of confirmed, vouched, unconfirmed, unchecked.",
        ),
        ("from_domain", "a b", "it is not a domain name."),
        ("from_domain", "x" * 300, "it is not a domain name."),
        ("dkim", "PASS", f"it must be one of {RESULTS}."),
        ("spf", "bad", f"it must be one of {RESULTS}."),
        ("dmarc", "unjudged", f"it must be one of {RESULTS}."),
        ("arc", "bad", f"it must be one of {RESULTS}, unjudged."),
        ("sealed", "maybe", "it must be yes or no."),
        ("disposition", "gone", DISPOSITIONS),
        ("q", "x" * 201, "it must be at most 200 printable characters."),
        ("q", "a\0b", "it must be at most 200 printable characters."),
        (
            "message_id_hash",
            "x",
            "it must be a Message-ID-Hash, 32 letters and digits.",
        ),
        ("count", "two", "it must be a number from 0 to 1000."),
        ("page", "0", "it must be a number from 1 to 999999999."),
    ],
)
def test_filters_that_cannot_be_meant(name, text, sentence, rest):
    query = urlencode({name: text})

    assert rest.refused("GET", f"{HISTORY}?{query}", BAD) == (
        f'Invalid Parameter "{name}": {sentence}'
    )


@pytest.mark.parametrize("name", FILTERS)
def test_filters_that_are_given_twice(name, rest):
    assert rest.refused("GET", f"{HISTORY}?{name}=a&{name}=b", BAD) == (
        f'Invalid Parameter "{name}": it is given more than once.'
    )


@pytest.mark.parametrize("path", PLACES)
def test_parameters_that_mean_nothing(path, rest):
    assert rest.refused("GET", f"{path}?colour=red&z=", BAD) == (
        "Unexpected parameters: colour, z"
    )


@pytest.mark.parametrize("query", ["count=1", "page=1"])
def test_numbers_have_no_pages(query, rest):
    for path in (f"{HISTORY}/count", f"{NEWS}/stats", "metrics"):
        rest.refused("GET", f"{path}?{query}", BAD)


# Posts that are held


@pytest.fixture
def hold() -> Iterator[Any]:
    """Have Mailman hold a post of this Message-ID."""
    mlist = getUtility(IListManager).get(LIST_ID)
    made = []

    def hold(message_id: str) -> int:
        requests = IListRequests(mlist)
        made.append(requests.hold_request(RequestType.held_message, message_id))
        config.db.store.flush()
        return made[-1]

    yield hold
    config.db.store.rollback()


def test_a_held_post_is_waiting_as_long_as_mailman_holds_it(rest, write, hold):
    write(arrived(LIST_ID), held(LIST_ID))
    entry = f"{HISTORY}/{entry_id(0)}"
    assert rest.get(entry)["is_waiting"] is False
    assert rest.get(entry)["disposition_reason"] == "The sender is not a member"

    hold("<0@author.example>")

    assert rest.get(entry)["is_waiting"] is True
    assert rest.get(HISTORY)["entries"][0]["is_waiting"] is True


def test_a_post_that_was_let_through_is_waiting_no_more(rest, write, hold):
    write(arrived(LIST_ID), held(LIST_ID), left(LIST_ID))
    hold("<0@author.example>")  # another copy of it, perhaps

    [line] = rest.get(HISTORY)["entries"]
    assert (line["disposition"], line["is_waiting"]) == ("posted", False)


def test_whether_a_post_without_a_name_is_waiting_is_not_known(rest, write, hold):
    write(arrived(LIST_ID, message_id="", message_id_hash=""), held(LIST_ID))
    hold("<0@author.example>")

    assert rest.get(HISTORY)["entries"][0]["is_waiting"] is None


# What is not there


@pytest.mark.parametrize(
    "path",
    [
        f"{HISTORY}/count/more",
        f"{HISTORY}/{entry_id(0)}/more",
        f"{NEWS}/stats/more",
        f"{NEWS}/status/more",
        "metrics/more",
    ],
)
def test_what_is_not_there(path, rest):
    assert rest("GET", path).status_code == 404


@pytest.mark.parametrize("path", [each for each in PLACES if each != "metrics"])
def test_lists_that_are_not_there(path, rest):
    path = path.replace(LIST_ID, "nobody.press.example")

    sentence = rest.refused("GET", path, MISSING)
    assert sentence == "No such list: nobody.press.example"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "entry", [entry_id(5), "0", "x", "-1", "9" * 19, "1" * 5000, "%D9%A1", "1.0"]
)
def test_entries_that_are_not_there(method, entry, rest, write):
    write(arrived(LIST_ID))

    sentence = rest.refused(method, f"{HISTORY}/{entry}", MISSING)
    assert sentence.startswith("No such entry: ")


def test_an_entry_of_another_list_is_not_there(rest, write):
    write(arrived(OTHER))

    for method in ("GET", "DELETE"):
        rest.refused(method, f"{HISTORY}/{entry_id(0)}", MISSING)
    assert rest.get(f"lists/{OTHER}/history")["total_size"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", HISTORY),
        ("PUT", f"{HISTORY}/{entry_id(0)}"),
        ("DELETE", f"{HISTORY}/count"),
        ("DELETE", f"{NEWS}/stats"),
        ("POST", f"{NEWS}/status"),
        ("PUT", "metrics"),
    ],
)
def test_verbs_that_mean_nothing(method, path, rest):
    assert rest(method, path).status_code == 405


# Forgetting


def test_one_post_is_forgotten(rest, write):
    write(arrived(LIST_ID), arrived(LIST_ID, 1))

    rest.changed("DELETE", f"{HISTORY}/{entry_id(0)}")

    assert shown(rest.get(HISTORY)) == [1]
    rest.refused("DELETE", f"{HISTORY}/{entry_id(0)}", MISSING)


@pytest.mark.parametrize(
    ("sent", "left_over"),
    [
        ({}, []),
        ({"author": "ann@author.example"}, [1]),
        ({"author": "nobody@author.example"}, [2, 1, 0]),
        ({"before": "2026-06-01T12:00:02"}, [2]),
        ({"before": "2026-06-01"}, [2, 1, 0]),
        ({"author": "ann@author.example", "before": "2026-06-01T12:00:01"}, [2, 1]),
    ],
)
def test_posts_are_forgotten(sent, left_over, rest, write):
    """By the query, by a form, as mailmanclient sends it, and by JSON."""
    query = f"{HISTORY}?{urlencode(sent)}"
    for path, body in (
        (query, {}),
        (HISTORY, {"form": sent}),
        (HISTORY, {"body": sent}),
    ):
        write(
            arrived(LIST_ID, 0),
            arrived(LIST_ID, 1, author="bob@b.example"),
            arrived(LIST_ID, 2),
            arrived(OTHER, 3),
        )
        rest.changed("DELETE", path, **body)
        assert shown(rest.get(HISTORY)) == left_over
        assert rest.get(f"lists/{OTHER}/history")["total_size"] == 1


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("until=2026-06-01", "Unexpected parameters: until"),
        ("before=soon", f'Invalid Parameter "before": {TIME}'),
        ("before=", f'Invalid Parameter "before": {TIME}'),
        ("author=", 'Invalid Parameter "author": it must be an address.'),
        (
            "author=a&author=b",
            'Invalid Parameter "author": it is given more than once.',
        ),
    ],
)
def test_nothing_is_forgotten_by_mistake(query, sentence, rest, write):
    write(arrived(LIST_ID, author=""))

    assert rest.refused("DELETE", f"{HISTORY}?{query}", BAD) == sentence
    assert rest.get(HISTORY)["total_size"] == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"author": None}, 'Invalid Parameter "author": it must be a text.'),
        ({"author": ["a"]}, 'Invalid Parameter "author": it is given more than once.'),
        ({"before": 5}, 'Invalid Parameter "before": it must be a text.'),
        ({"Author": "x"}, "Unexpected parameters: Author"),
        ('["author"]', "The body is not a JSON object"),
    ],
)
def test_json_that_cannot_be_meant_forgets_nothing(body, sentence, rest, write):
    write(arrived(LIST_ID))

    assert rest.refused("DELETE", HISTORY, BAD, body=body) == sentence
    assert rest("DELETE", HISTORY, body='{"author"').status_code == 400
    assert rest.get(HISTORY)["total_size"] == 1


def test_a_body_of_another_kind_forgets_nothing(rest, write):
    write(arrived(LIST_ID))

    result = testing.simulate_request(
        rest.application,
        "DELETE",
        f"/3.1/plugins/arc/{HISTORY}",
        headers={
            "Authorization": "Basic cmVzdGFkbWluOnJlc3RwYXNz",
            "Content-Type": "text/plain",
        },
        body="author=ann@author.example",
    )

    assert result.status_code == 400
    assert result.json["description"] == "The body is neither a form nor JSON"
    assert rest.get(HISTORY)["total_size"] == 1


# Numbers


@pytest.fixture
def today(monkeypatch) -> None:
    """It is the fourth of June."""
    monkeypatch.setattr(stats.time, "time", lambda: NOON + 3 * 86400.0 + 60)


def test_numbers_of_the_last_days(rest, write, today):
    write(*POSTS, arrived(OTHER, 5))

    found = rest.get(f"{NEWS}/stats?days=7")

    assert found["self_link"] == f"{HERE}/{NEWS}/stats"
    assert (found["days"], found["since"], found["until"]) == (
        *(7, "2026-05-29", "2026-06-04"),
    )
    assert found["total"] == {
        "posts": 4,
        "confirmed": 1,
        "vouched": 1,
        "unconfirmed": 1,
        "unchecked": 1,
        "sealed": 1,
        "unsealed": 1,
        "broken_chain": 0,
    }
    assert [each["day"][-2:] for each in found["per_day"]] == [
        *("29", "30", "31", "01", "02", "03", "04"),
    ]
    assert [each["posts"] for each in found["per_day"]] == [0, 0, 0, 1, 1, 1, 1]
    assert set(found["per_day"][0]) == {"day", *found["total"]}
    domains = {each["author_domain"]: each["posts"] for each in found["domains"]}
    assert domains == {"author.example": 3, "b.example": 1}
    assert found["last_arrived_at"] == "2026-06-04T12:00:00"
    assert found["last_sealed_at"] == "2026-06-01T12:00:01"


def test_numbers_of_thirty_days_unless_others_are_wanted(rest, today):
    assert len(rest.get(f"{NEWS}/stats")["per_day"]) == 30
    assert rest.get(f"{NEWS}/stats?days=365")["since"] == "2025-06-05"
    empty = rest.get(f"{NEWS}/stats?days=1")
    assert (empty["total"]["posts"], empty["domains"]) == (0, [])
    assert (empty["last_arrived_at"], empty["last_sealed_at"]) == (None, None)


@pytest.mark.parametrize("days", ["0", "366", "-1", "", "x", "1&days=2"])
def test_days_that_cannot_be_meant(days, rest):
    assert rest.refused("GET", f"{NEWS}/stats?days={days}", BAD) == (
        'Invalid Parameter "days": it must be a number from 1 to 365.'
    )


def test_metrics(rest, write):
    write(*POSTS)

    result = rest("GET", "metrics")

    assert result.status_code == 200
    assert result.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = result.text.splitlines()
    assert "# TYPE mailman_arc_posts_total counter" in lines
    assert f'mailman_arc_posts_total{{list="{LIST_ID}",verdict="vouched"}} 1' in lines
    assert f'mailman_arc_sealed_total{{list="{LIST_ID}",result="sealed"}} 1' in lines


# mailmanclient, with which Postorius asks


class Post(RESTDict):
    _writable_properties: list[str] = []  # noqa: RUF012  # as mailmanclient has it


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_mailmanclient_reads_pages_and_entries(rest, write):
    """The client runs beside the server: Mailman's database stays in one thread."""
    write(*(arrived(LIST_ID, number) for number in range(3)))
    found: list[Any] = []

    def ask(connection: Connection) -> None:
        page = Page(connection, f"plugins/arc/{HISTORY}?dkim=pass", Post, 2, 1)
        size = Page(connection, f"plugins/arc/{HISTORY}", Post, 0, 1)
        [last] = page.next
        entry = Post(connection, last["self_link"])
        found.extend((page.has_next, size.total_size, entry["details"]))
        found.append(dict(Post(connection, f"plugins/arc/{NEWS}/status"))["list_id"])

    with make_server("127.0.0.1", 0, rest.application, handler_class=_Quiet) as server:
        url = f"http://127.0.0.1:{server.server_port}/3.1/"
        server.timeout = 30
        connection = Connection(url, "restadmin", "restpass")
        client = threading.Thread(target=ask, args=[connection])
        client.start()
        for _ in range(5):
            server.handle_request()
        client.join()

    assert found == [True, 3, DETAILS, LIST_ID]


# The state of a list


def status(rest: Client) -> Any:
    found = rest.get(f"{NEWS}/status")
    del found["http_etag"]
    return found


def test_a_list_whose_posts_are_sealed(rest):
    seen_at = status(rest)["key_seen_at"]

    assert seen_at.startswith("20")
    assert status(rest) == {
        "list_id": LIST_ID,
        "state": "sealing",
        "mode": "sv",
        "identity": "arc",
        "domain": "lists.example",
        "selector": "arc",
        "key_seen_at": seen_at,
        "problems": [],
        "history_days": 30,
        "is_keeping_history": True,
        "door": True,
        "self_link": f"{HERE}/{NEWS}/status",
    }


@pytest.mark.parametrize(
    ("own", "state"),
    [
        ({"mode": "v"}, "off"),
        ({"mode": "none"}, "off"),
        ({"mode": "s"}, "sealing"),
        ({"shadow": "yes"}, "shadow"),
        ({"mode": "v", "shadow": "yes"}, "off"),
    ],
)
def test_the_state_of_a_list(own, state, rest, services):
    services.list_settings.change(LIST_ID, own)

    assert (status(rest)["state"], status(rest)["problems"]) == (state, [])


def test_a_list_whose_posts_are_judged_too_late_for_what_it_wants_done(
    rest, services, mailman
):
    services.list_settings.change(LIST_ID, {"unconfirmed_action": "hold"})
    assert status(rest)["problems"] == []

    mailman.push("no door", "[runner.lmtp]\nclass: mailman.runners.lmtp.LMTPRunner\n")
    try:
        problems = status(rest)["problems"]
    finally:
        mailman.pop("no door")

    assert [each for each in problems if each.startswith("nothing is done with posts")]


def test_a_list_without_history(rest, services):
    services.list_settings.change(LIST_ID, {"history_days": "0"})

    found = status(rest)
    assert (found["history_days"], found["is_keeping_history"]) == (0, False)


def test_a_key_that_cannot_be_used_is_a_problem_but_its_file_is_not_told(rest, install):
    install(key_file="/secret/key.pem")

    found = status(rest)
    assert (found["state"], found["selector"]) == ("problem", "")
    assert found["problems"] == [
        "posts are not sealed: lists.example has no key that can be used; `mailman arc "
        "identities` says why"
    ]


def test_a_key_that_the_dns_does_not_show_is_a_problem(rest, install):
    install(selector="other")

    found = status(rest)
    assert (found["state"], found["key_seen_at"]) == ("problem", None)
    assert found["problems"] == [
        "posts are not sealed: the DNS does not show the key at "
        "other._domainkey.lists.example (there is none)"
    ]


def test_one_of_several_keys_that_cannot_be_used(rest, install):
    services = install(selector="", key_file="", check_pubkey="no")
    store = services.key_store
    store.new("lists.example", "k1", NOON, key_type="ed25519")
    store.set_state("lists.example", "k1", "active", NOON)
    store.new("lists.example", "k2", NOON, key_type="ed25519").path.write_bytes(b"")
    store.set_state("lists.example", "k2", "active", NOON + 1)

    found = status(rest)
    assert (found["state"], found["selector"]) == ("sealing", "k1")
    assert found["problems"] == [
        "not all keys of lists.example can be used; `mailman arc identities` says why"
    ]


def test_nobody_who_seals_is_a_problem(rest, install):
    install(domain="", selector="", key_file="", authserv_id="x")

    found = status(rest)
    assert (found["state"], found["identity"], found["domain"]) == ("problem", "", "")
    assert found["problems"] == ["posts are not sealed: arc.cfg has no domain"]


def test_what_mailman_lacks_is_a_problem(rest, mailman):
    mailman.push("lacks", "[mta]\noutgoing: mailman.mta.deliver.deliver\n")
    try:
        found = status(rest)
    finally:
        mailman.pop("lacks")

    assert found["state"] == "problem"
    assert "mailman.cfg needs 'outgoing: " in found["problems"][0]


def test_another_door_is_told_and_no_error(rest, mailman):
    mailman.push("door", "[runner.lmtp]\nclass: mailman.runners.lmtp.LMTPRunner\n")
    try:
        found = status(rest)
    finally:
        mailman.pop("door")

    assert (found["state"], found["door"]) == ("sealing", False)
    assert found["problems"][0].startswith("posts are judged late, in the pipeline")


def test_a_pipeline_without_our_handler_is_a_problem(rest, application):
    mlist = getUtility(IListManager).get(LIST_ID)
    before, mlist.posting_pipeline = mlist.posting_pipeline, "virgin"
    try:
        found = status(rest)
    finally:
        mlist.posting_pipeline = before

    assert found["state"] == "problem"
    assert "the pipeline virgin (used by news@press.example)" in found["problems"][0]


def test_last_posts_that_were_not_sealed_are_told(rest, write):
    for number in range(3):
        write(
            arrived(LIST_ID, number),
            left(LIST_ID, number, sealed=False, unsealed="proof failed"),
        )

    found = status(rest)
    assert found["state"] == "sealing"
    assert found["problems"] == [
        "of the last 3 posts of news@press.example that left none was sealed: proof "
        "failed (3); `mailman arc history news@press.example` names them, and the "
        "README (What you see) says what to do about each reason"
    ]


# Trouble


def test_a_database_that_is_down_is_told(broken, log):
    found = status(broken)

    assert found["state"] == "sealing"
    assert found["is_keeping_history"] is False
    assert found["database_problem"] == (
        "the database cannot be used now: no history is kept, and the list's own "
        "settings are not known; `mailman arc doctor` says what helps"
    )
    assert log()[0].startswith(f"ERROR status of {LIST_ID}: database ")


@pytest.mark.parametrize(
    "path", [HISTORY, f"{HISTORY}/count", f"{HISTORY}/1", f"{NEWS}/stats", "metrics"]
)
def test_a_database_that_is_down_has_no_history(path, broken, log, tmp_path):
    assert broken.refused("GET", path, DOWN) == NO_HISTORY
    assert log()[0].startswith(f"ERROR REST: database {tmp_path}/arc.db: ")


@pytest.mark.parametrize("path", [HISTORY, f"{HISTORY}/1"])
def test_a_database_that_is_down_forgets_nothing(path, broken, log):
    assert broken.refused("DELETE", path, DOWN) == (
        "the history cannot be changed now; `mailman arc doctor` says what helps"
    )


@pytest.mark.parametrize("path", PLACES)
def test_settings_that_cannot_be_used(path, rest, unusable):
    unusable()

    assert rest.refused("GET", path, DOWN) == (
        "arc.cfg cannot be used; plugins.log says why"
    )


@pytest.mark.parametrize("path", PLACES)
def test_where_keys_are_is_not_told(path, rest, write, install):
    install(key_file="/secret/key.pem")
    write(*posted(LIST_ID))

    text = rest("GET", path).text
    assert "/secret" not in text
    assert "PRIVATE" not in text


def test_lists_say_where_their_history_is(rest):
    found = rest.get(NEWS)

    for name in ("config", "history", "stats", "status"):
        assert found[f"{name}_link"] == f"{HERE}/{NEWS}/{name}"
    assert rest.get()["metrics_link"] == f"{HERE}/metrics"
    assert json.dumps(found).count("/history") == 1
