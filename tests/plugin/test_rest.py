"""REST: every resource, verb and status, through Mailman's own application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailman_arc.plugin import wiring
from mailman_arc.plugin.hooks import ArcPlugin
from mailman_arc.plugin.rest import listconfig, lists
from mailman_arc.policy.settings import SETTINGS, Scope
from tests.house.dns_server import DnsServer
from tests.plugin.conftest import set_state
from tests.plugin.historyrows import arrived, entry_id
from tests.plugin.restclient import BAD, MISSING, Client


README = Path(__file__).parents[2] / "README.md"
OF_LISTS = [each.name for each in SETTINGS if each.scope is Scope.LIST]
PRESS = {"domain": "press.example", "selector": "p", "key_file": "/secret/p.pem"}
SECTIONS = {
    "identity.press": PRESS,
    "identity.board": {**PRESS, "selector": "b", "key_file": "/secret/b.pem"},
    "identity.talk": {"domain": "talk.example"},  # with keys made here
    "domain.press.example": {"shadow": "yes"},
}
NEWS = "lists/news.press.example"
CONFIG = f"{NEWS}/config"
PLACES = [
    *("", "lists", NEWS, CONFIG, "settings", "identities", "identities/press"),
    *("keys", "keys/lists.example/arc", "keys/press.example/p"),
]


@pytest.fixture
def services(install) -> wiring.Services:
    return install(SECTIONS)


@pytest.fixture
def rest(application, services) -> Client:
    return Client(application)


@pytest.fixture
def broken(rest, services, tmp_path) -> Client:
    """The database is not one."""
    (tmp_path / "arc.db").write_bytes(b"nonsense" * 1000)
    return rest


# Where it is


def test_the_root_tells_who_answers(rest):
    found = rest.get()

    assert found["name"] == "arc"
    assert found["version"]
    assert found["self_link"] == "http://localhost:8001/3.1/plugins/arc"
    assert found["lists_link"] == "http://localhost:8001/3.1/plugins/arc/lists"
    assert found["http_etag"]


def test_there_is_nothing_while_the_plugin_is_not_enabled(rest):
    set_state(wiring._Wiring())

    assert rest("GET").status_code == 404
    assert rest("GET", "lists").status_code == 404
    assert ArcPlugin().resource is None


def test_there_is_nothing_below_old_versions_of_the_api(rest):
    assert rest("GET", "lists", version="3.0").status_code == 404


def test_starting_makes_nothing_that_workers_would_share(rest):
    """They are forked from a process that has made the application."""
    set_state(wiring._Wiring("arc"))

    assert ArcPlugin().resource is not None
    assert wiring._wiring.services is None


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "lists/news.press.example/nothing",
        f"{CONFIG}/mode/more",
        "settings/mode",
        "identities/press/more",
        "keys/press.example",
        "keys/press.example/p/more",
        "keys/press.example/p/check/more",
    ],
)
def test_what_is_not_there(path, rest):
    result = rest("GET", path)

    assert (result.status_code, result.json["title"]) == (404, MISSING)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("lists/nobody.press.example", "No such list: nobody.press.example"),
        ("lists/nobody@press.example/config", "No such list: nobody@press.example"),
        (f"{CONFIG}/colour", "Unknown attribute: colour"),
        (f"{CONFIG}/dns_timeout", "Unknown attribute: dns_timeout"),
        ("identities/nobody", "No such identity: nobody"),
    ],
)
def test_what_has_no_such_name(path, sentence, rest):
    assert rest.refused("GET", path, MISSING) == sentence


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("POST", "lists"),
        ("DELETE", NEWS),
        ("POST", CONFIG),
        ("PUT", "settings"),
        ("DELETE", "identities/press"),
        ("POST", "keys"),
        ("PUT", "keys/press.example/p"),
        ("GET", "keys/press.example/p/check"),
    ],
)
def test_verbs_that_mean_nothing(method, path, rest):
    assert rest(method, path).status_code == 405


@pytest.mark.parametrize("path", PLACES)
def test_parameters_that_mean_nothing(path, rest):
    sentence = rest.refused("GET", f"{path}?colour=red&z=", BAD)

    assert sentence == "Unexpected parameters: colour, z"


# Pages


def test_all_lists_in_the_order_of_their_ids(rest):
    found = rest.get("lists")

    assert (found["start"], found["total_size"]) == (0, 3)
    assert [each["list_id"] for each in found["entries"]] == [
        "list.lists.example",
        "news.press.example",
        "talk.press.example",
    ]
    assert all(each["http_etag"] for each in found["entries"])


@pytest.mark.parametrize(
    ("query", "start", "listed"),
    [
        ("count=2", 0, ["list.lists.example", "news.press.example"]),
        ("count=2&page=1", 0, ["list.lists.example", "news.press.example"]),
        ("count=2&page=2", 2, ["talk.press.example"]),
        ("count=2&page=3", 4, None),
        ("page=2", 1000, None),
        ("count=0&page=1", 0, None),
        ("count=0", 0, None),
        ("count=1000&page=999999999", 999999998000, None),
    ],
)
def test_a_page_of_lists(query, start, listed, rest):
    found = rest.get(f"lists?{query}")

    assert (found["start"], found["total_size"]) == (start, 3)
    entries = found.get("entries")
    assert (entries and [each["list_id"] for each in entries]) == listed


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("count=1001", "a number from 0 to 1000"),
        ("count=-1", "a number from 0 to 1000"),
        ("count=", "a number from 0 to 1000"),
        ("count=two", "a number from 0 to 1000"),
        ("count=%D9%A1", "a number from 0 to 1000"),
        ("count=1&count=2", "a number from 0 to 1000"),
        (f"count={'1' * 5000}", "a number from 0 to 1000"),
        ("count=1&page=0", "a number from 1 to 999999999"),
        ("page=1.5", "a number from 1 to 999999999"),
    ],
)
def test_pages_that_cannot_be_meant(query, sentence, rest):
    name = "page" if "page" in query else "count"

    assert rest.refused("GET", f"lists?{query}", BAD) == (
        f'Invalid Parameter "{name}": it must be {sentence}.'
    )


@pytest.mark.parametrize("path", ["settings", "identities", "keys"])
def test_other_collections_have_pages_too(path, rest):
    whole = rest.get(path)
    last = rest.get(f"{path}?count=1&page={whole['total_size']}")

    assert last["entries"] == whole["entries"][-1:]
    assert rest.get(f"{path}?count=0").keys() == {"start", "total_size", "http_etag"}


# What holds for lists


def test_the_line_of_a_list_says_what_holds(rest):
    rest.changed("PATCH", f"{NEWS}/config", body={"mode": "s"})

    line = rest.get("lists")["entries"][1]

    del line["http_etag"]
    assert line == {
        "list_id": "news.press.example",
        "fqdn_listname": "news@press.example",
        "mode": "s",
        "shadow": True,
        "identity": "press",
        "self_link": "http://localhost:8001/3.1/plugins/arc/lists/news.press.example",
    }


def test_the_line_of_a_list_for_which_nobody_may_seal(rest, install):
    install(domain="", selector="", key_file="", authserv_id="x")

    assert [each["identity"] for each in rest.get("lists")["entries"]] == [""] * 3


def test_the_line_of_a_list_with_values_that_have_become_unusable(rest, services):
    services.list_settings.change(
        "news.press.example", {"identity": "gone", "colour": "red"}
    )

    for line in (rest.get("lists")["entries"][1], rest.get(NEWS), rest.get(CONFIG)):
        assert "'gone' may not seal for press.example" in line["problem"]
        assert "colour: there is no such setting" in line["problem"]
    assert "problem" not in rest.get("lists")["entries"][0]


@pytest.mark.parametrize("spec", ["news.press.example", "news@press.example"])
def test_a_list_by_its_id_or_address(spec, rest):
    rest.changed("PATCH", CONFIG, body={"shadow": False, "mode": None})

    found = rest.get(f"lists/{spec}")

    assert found["list_id"] == "news.press.example"
    assert found["allowed_identities"] == ["press", "board", "arc"]
    assert found["config_link"].endswith("/lists/news.press.example/config")
    by_name = {each["name"]: each for each in found["settings"]}
    assert list(by_name) == OF_LISTS
    assert by_name["mode"]["help"].startswith("What is done with posts.")
    assert by_name["mode"]["choices"] == ["sv", "s", "v", "none"]
    assert (by_name["mode"]["value"], by_name["mode"]["origin"]) == ("sv", "default")
    shadow = by_name["shadow"]
    assert (shadow["value"], shadow["inherited"]) == (False, True)
    assert shadow["origin"] == "list"


def test_what_holds_has_the_form_of_mailmans_own_configuration(rest):
    found = rest.get(CONFIG)

    assert list(found) == [*OF_LISTS, "origins", "self_link", "http_etag"]
    assert found["mode"] == "sv"
    assert found["shadow"] is True
    assert found["identity"] == ""
    assert "from" in found["sign_headers"]
    assert found["canonicalization"] == "relaxed/relaxed"
    assert found["signature_ttl"] == "0"
    assert found["origins"]["mode"] == "default"
    assert found["origins"]["shadow"] == "domain press.example"


def test_one_value(rest):
    found = rest.get(f"{CONFIG}/shadow")

    del found["http_etag"]
    assert found == {
        "shadow": True,
        "origin": "domain press.example",
        "self_link": f"http://localhost:8001/3.1/plugins/arc/{CONFIG}/shadow",
    }


# Changes


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"mode": "none"}, {"mode": "none"}),
        ({"mode": "NONE"}, {"mode": "none"}),
        ({"shadow": "off"}, {"shadow": False}),
        ({"shadow": "False"}, {"shadow": False}),  # as mailmanclient writes it
        ({"signature_ttl": "1440m"}, {"signature_ttl": "1d"}),
        ({"identity": "board"}, {"identity": "board"}),
        ({"identity": ""}, {"identity": ""}),
        ({"sign_headers": ["From", "To"]}, {"sign_headers": ["from", "to"]}),
        ({"oversign_headers": ""}, {"oversign_headers": []}),
        (
            {"mode": "v", "transport_safe": "no"},
            {"mode": "v", "transport_safe": "no"},
        ),
        ({}, {}),
    ],
)
def test_some_values_are_changed(given, held, rest):
    """By form, and by JSON."""
    for sent in ({"form": given}, {"body": given}):
        rest.changed("PATCH", CONFIG, **sent)
        found = rest.get(CONFIG)
        assert {name: found[name] for name in held} == held
        own = {name for name, origin in found["origins"].items() if origin == "list"}
        assert own == set(held)
        rest.changed("DELETE", CONFIG)


def test_json_has_booleans_numbers_and_null(rest):
    rest.changed("PATCH", CONFIG, body={"shadow": False, "signature_ttl": 3600})
    assert rest.get(CONFIG)["shadow"] is False
    assert rest.get(CONFIG)["signature_ttl"] == "1h"

    rest.changed("PATCH", CONFIG, body={"shadow": None})
    assert rest.get(CONFIG)["origins"]["shadow"] == "domain press.example"
    assert rest.get(CONFIG)["origins"]["signature_ttl"] == "list"


def test_what_was_shown_can_be_put_back(rest):
    before = {name: rest.get(CONFIG)[name] for name in OF_LISTS}

    rest.changed("PUT", CONFIG, body=before)

    found = rest.get(CONFIG)
    assert {name: found[name] for name in OF_LISTS} == before
    assert set(found["origins"].values()) == {"list"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("sent", ["form", "body"])
def test_one_value_is_changed(method, sent, rest):
    rest.changed(method, f"{CONFIG}/mode", **{sent: {"mode": "v"}})

    found = rest.get(f"{CONFIG}/mode")
    assert (found["mode"], found["origin"]) == ("v", "list")


def test_a_list_inherits_again(rest):
    rest.changed("PATCH", CONFIG, body={"mode": "s", "shadow": False})

    rest.changed("DELETE", f"{CONFIG}/mode")
    assert rest.get(f"{CONFIG}/mode")["origin"] == "default"
    assert rest.get(f"{CONFIG}/shadow")["origin"] == "list"

    rest.changed("DELETE", CONFIG)
    assert "list" not in rest.get(CONFIG)["origins"].values()
    rest.changed("DELETE", f"{CONFIG}/mode")  # once more does no harm


def test_other_lists_are_as_they_were(rest):
    rest.changed("PATCH", CONFIG, body={"mode": "none"})

    modes = {each["list_id"]: each["mode"] for each in rest.get("lists")["entries"]}
    assert modes == {
        "list.lists.example": "sv",
        "news.press.example": "none",
        "talk.press.example": "sv",
    }


KNOWN = ", ".join(OF_LISTS)
ALL = dict.fromkeys(OF_LISTS, "")
READ_ONLY = "Read-only attribute: domain; it is set for the whole site, in arc.cfg"


@pytest.mark.parametrize(
    ("method", "path", "given", "sentence"),
    [
        ("PATCH", "", {"colour": "red"}, f"Unknown attribute: colour; known: {KNOWN}"),
        (
            "PATCH",
            "",
            {"arc_mode": "s"},
            f"Unknown attribute: arc_mode; known: {KNOWN}",
        ),
        ("PATCH", "", {"domain": "x.example"}, READ_ONLY),
        ("PATCH", "/domain", {"domain": "x.example"}, READ_ONLY),
        ("PUT", "/domain", {"domain": "x.example"}, READ_ONLY),
        ("DELETE", "/domain", None, READ_ONLY),
        ("PATCH", "/mode", {"shadow": "no"}, "Unknown attribute: shadow; known: mode"),
        (
            "PATCH",
            "",
            {"mode": "all"},
            "Invalid Parameter \"mode\": 'all' is none of sv, s, v, none.",
        ),
        (
            "PATCH",
            "",
            {"identity": "arc2"},
            "Invalid Parameter \"identity\": 'arc2' may not seal for press.example; "
            "allowed: press, board, arc.",
        ),
        (
            "PATCH",
            "",
            {"shadow": "maybe", "sign_headers": "to"},
            "Invalid Parameter \"shadow\": 'maybe' is neither yes nor no. "
            'Invalid Parameter "sign_headers": from must be among them '
            "(RFC 6376 §5.4).",
        ),
        ("PUT", "", {"mode": "s", "z": "", "a": ""}, "Unexpected parameters: a, z"),
        ("PUT", "", {**ALL, "domain": "x"}, "Unexpected parameters: domain"),
        (
            "PUT",
            "",
            {name: "" for name in OF_LISTS if name not in ("mode", "identity")},
            "Missing Parameter: identity, mode",
        ),
        ("PUT", "/mode", {}, "Missing Parameter: mode"),
        ("PUT", "/mode", {"shadow": "no"}, "Unexpected parameters: shadow"),
    ],
)
def test_changes_that_are_refused(method, path, given, sentence, rest):
    for sent in ({"form": given}, {"body": given}):
        assert rest.refused(method, CONFIG + path, BAD, **sent) == sentence
    assert "list" not in rest.get(CONFIG)["origins"].values()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('["mode"]', "The body is not a JSON object"),
        ('"mode"', "The body is not a JSON object"),
        ('{"mode": {"a": 1}}', 'Invalid Parameter "mode": it is neither'),
        ('{"sign_headers": ["from", 1]}', 'Invalid Parameter "sign_headers": it is'),
        ('{"mode": "\\ud800"}', 'Invalid Parameter "mode": '),
        ('{"mode"', ""),
    ],
)
def test_json_that_cannot_be_meant(body, sentence, rest):
    result = rest("PATCH", CONFIG, body=body)

    assert result.status_code == 400
    assert sentence in result.json["description"]


def test_a_query_is_not_a_body(rest):
    assert (
        rest.refused("PATCH", f"{CONFIG}?mode=v", BAD, body={"shadow": True})
        == "Unexpected parameters: mode"
    )
    assert (
        rest.refused("DELETE", f"{CONFIG}?mode=v", BAD) == "Unexpected parameters: mode"
    )


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_changes_of_what_is_not_there(method, rest):
    sent = {} if method == "DELETE" else {"body": {"mode": "s"}}
    sentence = rest.refused(
        method, "lists/x@press.example/config/mode", MISSING, **sent
    )
    assert sentence == "No such list: x@press.example"

    sentence = rest.refused(method, f"{CONFIG}/colour", MISSING, **sent)
    assert sentence == "Unknown attribute: colour"


# The site


def test_the_table_of_settings(rest):
    entries = rest.get("settings")["entries"]

    assert [each["name"] for each in entries] == [each.name for each in SETTINGS]
    by_name = {each["name"]: each for each in entries}
    assert by_name["shadow"]["choices"] == ["yes", "no"]
    assert by_name["shadow"]["default"] is False
    assert by_name["shadow"]["scope"] == "list"
    assert by_name["authorized_xforward_hosts"]["default"] == ["127.0.0.0/8", "::1/128"]
    assert by_name["authorized_xforward_hosts"]["scope"] == "site"
    assert by_name["dns_timeout"]["default"] == "3"


def test_identities(rest):
    names = [each["name"] for each in rest.get("identities")["entries"]]
    assert names == ["arc", "board", "press", "talk"]
    assert rest.get("identities/talk")["selector"] == ""

    found = rest.get("identities/press")
    del found["http_etag"]
    assert found == {
        "name": "press",
        "domain": "press.example",
        "selector": "p",
        "self_link": "http://localhost:8001/3.1/plugins/arc/identities/press",
    }


@pytest.mark.parametrize("path", PLACES)
def test_where_keys_are_is_not_told(path, rest, files):
    text = rest("GET", path).text

    assert "/secret" not in text
    assert "arc.pem" not in text
    assert "PRIVATE" not in text


# Keys

MADE = 1_780_000_000  # 2026-05-28 20:26:40 UTC


@pytest.fixture
def dns(rest, install) -> Iterator[DnsServer]:
    """A name server that has nothing so far; the keys are asked for there."""
    with DnsServer({}) as server:
        port = str(server.port)
        install(test_keys="", nameservers="127.0.0.1", nameserver_port=port)
        yield server


@pytest.fixture
def k1(rest) -> Any:
    """A key of our own that has become active, and then retired."""
    store = wiring.services().key_store
    store.new("talk.example", "k1", MADE, key_type="ed25519")
    store.set_state("talk.example", "k1", "active", MADE + 60)
    return store.set_state("talk.example", "k1", "retired", MADE + 120)


def test_all_keys(k1, rest):
    found = rest.get("keys")

    names = [(each["domain"], each["selector"]) for each in found["entries"]]
    assert names == [
        ("lists.example", "arc"),
        ("press.example", "b"),
        ("press.example", "p"),
        ("talk.example", "k1"),
    ]
    of_file, unusable, _, of_store = found["entries"]
    assert (of_file["state"], of_file["algorithm"]) == ("active", "rsa-sha256")
    assert (of_file["bits"], of_file["managed"]) == (1024, False)
    assert unusable["problem"] == "the key file cannot be used; plugins.log says why"
    del of_store["http_etag"]
    assert of_store == {
        "domain": "talk.example",
        "selector": "k1",
        "managed": True,
        "state": "retired",
        "algorithm": "ed25519-sha256",
        "bits": 256,
        "created_at": "2026-05-28T20:26:40",
        "activated_at": "2026-05-28T20:27:40",
        "retired_at": "2026-05-28T20:28:40",
        "record_needed_until": "2026-06-27T20:28:40",
        "seen_at": None,
        "self_link": "http://localhost:8001/3.1/plugins/arc/keys/talk.example/k1",
    }
    assert rest.get("keys?count=1&page=4")["entries"][0]["selector"] == "k1"
    assert rest.get("keys?count=0")["total_size"] == 4


def test_a_key_with_the_record_to_publish(k1, rest):
    found = rest.get("keys/talk.example/k1")

    assert found["record_name"] == "k1._domainkey.talk.example"
    assert found["record"].startswith("v=DKIM1; k=ed25519; p=")


def test_a_key_that_was_just_made_has_not_been_active(rest, services):
    services.key_store.new("talk.example", "k2", MADE, key_type="ed25519")

    found = rest.get("keys/talk.example/k2")
    assert (found["state"], found["activated_at"]) == ("next", None)


def test_a_key_that_the_dns_has_shown(rest):
    services = wiring.services()
    identity = services.configuration.identities["arc"]
    assert rest.get("keys/lists.example/arc")["seen_at"] is None

    services.sealing_keys.choose(identity, MADE)

    assert rest.get("keys/lists.example/arc")["seen_at"].startswith("20")


def test_a_key_without_a_file_that_can_be_used(rest, log):
    found = rest.get("keys/press.example/p")

    assert found["problem"] == "the key file cannot be used; plugins.log says why"
    assert "record" not in found
    assert "ERROR REST: cannot read key file /secret/p.pem" in log()[0]
    sentence = rest.refused(
        "POST", "keys/press.example/p/check", "503 Service Unavailable"
    )
    assert sentence == found["problem"]


def test_a_key_directory_that_cannot_be_read(rest, install, tmp_path, log):
    (tmp_path / "file").touch()
    install(key_directory=str(tmp_path / "file"))

    assert (
        rest.refused("GET", "keys", "503 Service Unavailable")
        == "keys cannot be read; plugins.log says why"
    )
    assert "cannot read key directory" in log()[0]


def test_a_key_whose_state_is_unknown_is_left_out_and_logged(k1, rest, log):
    k1.path.with_suffix(".json").write_text("{")

    assert rest.get("keys")["total_size"] == 3
    assert "it is not JSON" in log()[0]


def test_the_dns_is_asked_anew_each_time(dns, k1, rest):
    """The record may have been published a moment ago."""
    check = "keys/talk.example/k1/check"
    key = rest.get("keys/talk.example/k1")
    name = key["record_name"]

    before = rest("POST", check).json
    dns.zone = {name: key["record"]}
    after = rest("POST", check).json
    dns.zone = {name: "v=DKIM1; k=ed25519; p="}
    revoked = rest("POST", check).json

    assert (before["found"], after["found"]) == ("missing", "shown")
    assert revoked["found"] == "revoked"
    del after["http_etag"]
    assert after == {"record_name": name, "found": "shown", "detail": ""}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "keys/talk.example/x"),
        ("GET", "keys/nobody.example/x"),
        ("POST", "keys/talk.example/x/check"),
    ],
)
def test_keys_that_are_not_there(method, path, k1, rest):
    _, domain, selector, *_ = path.split("/")

    sentence = rest.refused(method, path, MISSING)
    assert sentence == f"No such key: {selector}._domainkey.{domain}"


# Trouble


def test_a_database_that_is_down_hides_what_lists_have_of_their_own(broken, log):
    for found in (broken.get("lists")["entries"][1], broken.get(NEWS)):
        assert found["problem"] == (
            "what lists have of their own cannot be read now; plugins.log says why"
        )
        assert found["mode"] == "sv"
    assert broken.get(CONFIG)["shadow"] is True
    assert "problem" in broken.get(f"{CONFIG}/mode")
    assert log()[0].startswith("ERROR REST: database ")
    assert "problem" not in broken.get("lists?count=0")


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("PATCH", CONFIG, {"mode": "s"}),
        ("PUT", f"{CONFIG}/mode", {"mode": "s"}),
        ("DELETE", CONFIG, None),
        ("DELETE", f"{CONFIG}/mode", None),
    ],
)
def test_a_database_that_is_down_takes_no_changes(method, path, given, broken, log):
    sentence = broken.refused(method, path, "503 Service Unavailable", body=given)

    assert sentence == "settings of lists cannot be changed now; plugins.log says why"
    assert log()[0].startswith("ERROR REST: database ")


@pytest.mark.parametrize("path", ["lists", NEWS, CONFIG, "identities", "keys"])
def test_settings_that_cannot_be_used(path, rest, unusable):
    unusable()

    sentence = rest.refused("GET", path, "503 Service Unavailable")
    assert sentence == "arc.cfg cannot be used; plugins.log says why"
    assert rest.get("settings")["total_size"] == len(SETTINGS)
    assert rest.get()["name"] == "arc"


@pytest.mark.parametrize("error", [KeyError("bug"), ValueError("bug"), StopIteration()])
def test_a_bug_is_logged_and_goes_no_further(error, rest, log, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(lists, "own_values", fail)
    monkeypatch.setattr(listconfig, "_read", fail)
    failed = "500 Internal Server Error"

    for sentence in (
        rest.refused("GET", "lists", failed),
        rest.refused("PATCH", CONFIG, failed, body={"mode": "s"}),
    ):
        assert sentence == "an unexpected error; plugins.log has its traceback"
    assert log()[0] == (
        "ERROR REST GET '/3.1/plugins/arc/lists': unexpected error, going on without it"
    )
    assert log.records[0].exc_info


def tree() -> list[tuple[str, str]]:
    """The verbs and paths that the README names."""
    [block] = re.findall(
        r"^```\n(GET .*?)^```", README.read_text(), re.MULTILINE | re.DOTALL
    )
    lines = re.findall(r"^((?:[A-Z]+ )+) *(/\S*)", block, re.MULTILINE)
    return [(verb, path) for verbs, path in lines for verb in verbs.split()]


@pytest.mark.parametrize(("verb", "path"), tree())
def test_the_readme_names_what_is_there(verb, path, rest, services):
    services.storage.history.write([arrived("news.press.example")])
    path = path.replace("LIST", "news@press.example")
    path = path.replace("ENTRY", str(entry_id(0)))
    path = path.replace("DOMAIN/SELECTOR", "lists.example/arc")
    name = "mode" if "config" in path else "press"
    body = {"PATCH": {}, "PUT": {}}.get(verb)

    result = rest(verb, path.replace("NAME", name).strip("/"), body=body)

    assert result.status_code in (200, 204, 400)
