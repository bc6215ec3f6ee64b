"""Whatever a site has switched, forgotten or broken: posts are delivered."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import saboteur
from tests.e2e.house import (
    ANN,
    SITE,
    UNUSED,
    FurnishedHouse,
    assert_others_accept,
    first_field,
    furnished as furnished_with_more,
    signed,
)
from tests.house import posts


pytestmark = pytest.mark.house

# Here all posts go through at once.
furnished = partial(furnished_with_more, without=(*UNUSED, "digest", "retry", "virgin"))


def without_door() -> dict[str, dict[str, str | None]]:
    return {"runner.lmtp": {"class": None}}


@pytest.mark.parametrize(
    "changes",
    [{"mailman": {"plugin.arc": {"enabled": "no"}}}, {"plugin": False}],
    ids=["enabled: no", "our lines removed"],
)
def test_without_the_plugin_mailman_is_as_it_was(changes: dict):
    with furnished(**changes) as house:
        discuss = house.make_list()
        theirs = b"Authentication-Results: lists.example.org; dmarc=pass\r\n"
        post = theirs + posts.make_post(ANN, discuss.address)

        copy = house.deliver(post, discuss)

        assert not copy.fields("ARC-Seal")
        assert copy.fields("Authentication-Results") == [theirs.rstrip()]
        assert discuss.setting("posting_pipeline") == "default-posting-pipeline"
        house.assert_untroubled()


def test_lists_need_no_change_when_the_plugin_comes_and_goes():
    with furnished() as house:
        discuss = house.make_list()
        sealed = house.deliver(posts.make_post(ANN, discuss.address), discuss)
        assert sealed.fields("ARC-Seal")

        house.site.configure_mailman({"plugin.arc": {"enabled": "no"}})
        house.site.wait_until_idle()
        house.site.restart()
        plain = house.deliver(posts.make_post(ANN, discuss.address), discuss)

        assert not plain.fields("ARC-Seal")
        house.assert_untroubled()


def test_results_of_two_trusted_servers_become_one_field():
    trusted = {"arc": {"trusted_authserv_ids": "mx.example.org, lists.example.org"}}
    with furnished(arc=trusted) as house:
        discuss = house.make_list()
        fields = (
            b"Authentication-Results: lists.example.org;"
            b" iprev=pass policy.iprev=192.0.2.1\r\n"
            b"Authentication-Results: MX.example.org; spf=pass"
            b" smtp.mailfrom=author.example\r\n"
            b"Authentication-Results: elsewhere.example; x-stranger=pass\r\n"
        )
        post = fields + signed(posts.make_post(ANN, discuss.address))

        copy = house.deliver(post, discuss)

        [results] = copy.fields("ARC-Authentication-Results")
        text = " ".join(results.decode().split())
        assert "i=1; lists.example.org; arc=none; iprev=pass" in text
        assert "spf=pass smtp.mailfrom=author.example" in text
        assert "dkim=pass header.d=author.example" in text
        assert "x-stranger" not in text
        assert len(copy.fields("Authentication-Results")) == 4
        assert_others_accept(copy.octets)
        house.assert_untroubled()


def test_without_the_door_the_pipeline_judges():
    with furnished(mailman=without_door()) as house:
        discuss = house.make_list()
        post = signed(posts.make_post(ANN, discuss.address))

        copy = house.deliver(post, discuss)

        assert "dmarc=pass" in first_field(copy, "ARC-Authentication-Results")
        assert_others_accept(copy.octets)
        assert "posts are judged late" in house.site.log("plugins")
        house.assert_untroubled()


def test_mailmans_own_arc_beside_ours_is_said_and_left_out(tmp_path: Path):
    key = tmp_path / "key.pem"
    key.write_bytes(SITE.private_key)
    own = {
        "ARC": {
            "enabled": "yes",
            "authserv_id": "lists.example.org",
            "privkey": str(key),
            "selector": SITE.selector,
            "domain": SITE.name,
        }
    }
    with furnished(mailman=own) as house:
        discuss = house.make_list()
        post = signed(posts.make_post(ANN, discuss.address))

        copy = house.deliver(post, discuss)

        assert len(copy.fields("ARC-Seal")) == 1
        assert len(copy.fields("Authentication-Results")) == 1
        assert_others_accept(copy.octets)
        assert "Mailman's own ARC is enabled too" in house.site.log("plugins")
        house.assert_untroubled()


BROKEN = {
    "no key file": ({"key": None}, "not sealed: no usable key", "cannot"),
    "no private key in it": ({"key": b"nonsense"}, "not sealed: no usable key", "PEM"),
    "unknown setting": (
        {"arc": {"arc": {"selektor": "x"}}},
        "not sealed: settings are unusable",
        "there is no such setting",
    ),
    "bad value": (
        {"arc": {"arc": {"dns_timeout": "soon"}}},
        "not sealed: settings are unusable",
        "is not a number of seconds",
    ),
}


@pytest.mark.parametrize(
    ("changes", "outcome", "said"), BROKEN.values(), ids=BROKEN.keys()
)
def test_what_the_operator_got_wrong_costs_the_seal_not_the_post(
    changes: dict, outcome: str, said: str
):
    with furnished(**changes) as house:
        discuss = house.make_list()
        post = signed(posts.make_post(ANN, discuss.address))

        copy = house.deliver(post, discuss)

        assert not copy.fields("ARC-Seal")
        assert copy.octets.endswith(b"the footer\r\n")
        assert outcome in house.log_of(post)
        assert said in house.site.log("plugins")
        house.assert_untroubled()


def test_a_dead_dns_costs_time_and_chains_not_posts():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))  # takes questions and never answers
        patience = {
            "arc": {
                "dns_timeout": "0.5",
                "dns_deadline": "1",
                "temperror_hold": "0",
                "check_pubkey": "no",
            }
        }
        with furnished(dns_port=hole.getsockname()[1], arc=patience) as house:
            discuss = house.make_list()
            first = signed(posts.make_post(ANN, discuss.address))
            chained = signed(
                posts.make_post(ANN, discuss.address), {posts.FORWARDER: "dkim=pass"}
            )

            copy = house.deliver(first, discuss)
            results = first_field(copy, "ARC-Authentication-Results")
            assert "dkim=temperror (temporary DNS error)" in results
            assert "dmarc=temperror" in results
            assert "sealed i=1 cv=none" in house.log_of(first)

            copy = house.deliver(chained, discuss)
            assert len(copy.fields("ARC-Seal")) == 1
            assert "not sealed: chain could not be judged" in house.log_of(chained)
            house.assert_untroubled()


# What the door has vouched for is not judged again.
ONLY_PAST_THE_DOOR = ("mailman_arc.plugin.handlers.authenticate.judge",)


def assert_delivered_despite(house: FurnishedHouse, discuss, bug: str) -> str:
    orders = house.site.etc / "orders.txt"
    orders.write_text(bug)
    post = signed(posts.make_post(ANN, discuss.address))
    try:
        if bug in ONLY_PAST_THE_DOOR:
            house.site.inject(post, discuss)
        else:
            house.site.post(post, ANN, discuss)
        copy = house.collect(post)[0]
        house.site.wait_until_idle()
    finally:
        orders.write_text("")
    assert copy.octets.endswith(b"the footer\r\n")
    assert house.site.shunted() == []
    assert f"Bug: {bug}" in house.site.log("plugins")
    if copy.fields("ARC-Seal"):
        assert_others_accept(copy.octets)
    lines = house.site.log_lines("plugins", _message_id(post))
    return lines[-1] if lines else ""


def test_a_bug_at_any_seam_costs_at_most_the_seal(tmp_path):
    orders = tmp_path / "orders.txt"
    section = {
        "class": "tests.e2e.saboteur.Saboteur",
        "enabled": "yes",
        "component_package": "tests.e2e.saboteur",
        "configuration": str(orders),
    }
    orders.write_text("")
    with furnished(mailman={"plugin.saboteur": section}) as house:
        (house.site.etc / "orders.txt").symlink_to(orders)
        discuss = house.make_list()
        told = {
            bug: assert_delivered_despite(house, discuss, bug)
            for bug in saboteur.TARGETS
        }

        prefix = "mailman_arc.plugin."
        # Whom the door fails, the pipeline judges.
        for bug in ("door.names_to_look_up", "door.write_verdict"):
            assert "dmarc=pass; sealed i=1" in told[prefix + bug], told
        for bug in ("to_octets", "seal_octets", "parse_arrival", "CopySealer"):
            outcome = told[f"{prefix}sealing.{bug}"]
            assert "not sealed: internal error" in outcome, told
        assert "sealed i=1" in told[prefix + "sealing.needs_encoding"], told
        for bug in ("take_voucher", "judge"):
            outcome = told[f"{prefix}handlers.authenticate.{bug}"]
            assert "not sealed: nothing was recorded on arrival" in outcome, told


def _message_id(post: bytes) -> str:
    for line in post.split(b"\r\n"):
        if line.startswith(b"Message-ID: "):
            return line.removeprefix(b"Message-ID: ").decode()
    raise AssertionError("no Message-ID")
